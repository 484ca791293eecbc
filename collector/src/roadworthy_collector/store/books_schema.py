"""The tables of the books: register, imports, contracts, ledger, exceptions, ratings; in one metadata with the facts.

What people and exports say, apart from what devices report. Dates are days (`IsoDate`), money is whole pence, times
are UTC epoch seconds. A missing value is NULL and is counted as unknown; no column has a default that looks like a
fact.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from roadworthy_collector.store.columns import IsoDate
from roadworthy_collector.store.metadata import JSON_VALUE as _JSON
from roadworthy_collector.store.metadata import ROWID as _ROWID
from roadworthy_collector.store.metadata import metadata

NAME, CODE = String(128), String(64)


def _id() -> Column[int]:
    return Column("id", _ROWID, primary_key=True)


def _batch(*, nullable: bool = False) -> Column[int]:
    """Return the import a row came with; an import that is undone takes its rows along."""
    return Column("batch", BigInteger, ForeignKey("batches.id", ondelete="CASCADE"), nullable=nullable)


# One import, or one change by hand of many items at once. Never deleted: what was undone says so.
batches = Table(
    "batches",
    metadata,
    _id(),
    Column(
        "kind", String(32), nullable=False
    ),  # items, mdm, warranties, contracts, ledger, payments, by_hand
    Column("format", String(32), nullable=False),
    Column("file_name", String(256)),
    Column("file_sha256", String(64)),
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", NAME, nullable=False),
    Column("rows_read", Integer, nullable=False),
    Column("rows_good", Integer, nullable=False),
    Column("rows_bad", Integer, nullable=False),
    Column("problems", _JSON),  # {code: how many}; the rows themselves are in the correction file
    Column("undone_at", BigInteger),
    Column("undone_by", NAME),
    # Rows are still on their way in, or whoever wrote them was stopped: readers leave such a batch out.
    Column("unfinished", Boolean, nullable=False, default=False),
    Index(None, "kind", "made_at"),
)
# Where a unit stands in the tree from one day to another; `units.parent` is where it stands today.
unit_places = Table(
    "unit_places",
    metadata,
    Column("unit", BigInteger, ForeignKey("units.id", ondelete="CASCADE"), primary_key=True),
    Column("valid_from", IsoDate, primary_key=True),
    Column("valid_to", IsoDate),  # exclusive; NULL: until further notice
    Column("name", NAME),  # what it was called then; NULL: as today
    Column("parent", BigInteger, ForeignKey("units.id")),
    Column("merged_into", BigInteger, ForeignKey("units.id")),
)
cost_centres = Table(
    "cost_centres",
    metadata,
    _id(),
    Column("code", CODE, nullable=False, unique=True),
    Column("name", NAME),
    Column("unit", BigInteger, ForeignKey("units.id")),
)
systems = Table(
    "systems",
    metadata,
    _id(),
    Column("name", NAME, nullable=False, unique=True),  # what devices serve; applications too
    Column("kind", String(32), nullable=False),  # application, infrastructure, unknown
    Column("unit", BigInteger, ForeignKey("units.id")),
)
register_items = Table(
    "register_items",
    metadata,
    _id(),
    Column("tag", CODE, unique=True),
    Column("serial", NAME),
    Column("uuid", String(36)),
    Column("macs", _JSON),
    Column("kind", String(16), nullable=False),
    Column("manufacturer", NAME),
    Column("model", NAME),
    Column("model_number", NAME),
    Column("lifecycle_state", String(24), nullable=False),
    Column("usage_profile", String(24), nullable=False),
    Column("unit", BigInteger, ForeignKey("units.id")),
    Column("cost_centre", BigInteger, ForeignKey("cost_centres.id")),
    Column("command", NAME),
    Column("site", BigInteger, ForeignKey("sites.id")),
    Column("legal_owner", NAME),
    Column("supplier", NAME),
    Column("order_number", CODE),
    Column("system", BigInteger, ForeignKey("systems.id")),
    Column("purchased", IsoDate),
    Column("purchase_cost_pence", BigInteger),
    Column("lease_end", IsoDate),
    Column("warranty_start", IsoDate),
    Column("warranty_end", IsoDate),
    Column("warranty_level", NAME),
    Column("planned_end", IsoDate),
    Column("os_name", NAME),
    Column("os_version", NAME),
    Column("last_seen", IsoDate),
    Column("notes", Text),
    Column("bios_date", IsoDate),
    Column("disposed_on", IsoDate),
    _batch(nullable=True),
    Column("updated_at", BigInteger, nullable=False),
    Index(None, "serial"),
    Index(None, "uuid"),
    Index(None, "unit"),
    Index(None, "site"),
    Index(None, "lifecycle_state"),
)  # fmt: skip
# One item keeps its history over several device ids: re-imaged, repaired, enrolled again.
register_devices = Table(
    "register_devices",
    metadata,
    Column("item", BigInteger, ForeignKey("register_items.id", ondelete="CASCADE"), primary_key=True),
    Column("device", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    Column("valid_from", IsoDate, primary_key=True),
    Column("valid_to", IsoDate),
    Column("matched_on", _JSON, nullable=False),  # which keys agree, or that a person said so
    Index(None, "device"),
)
# What an import or a change by hand did to each item, so that it can be undone and looked up.
register_changes = Table(
    "register_changes",
    metadata,
    _id(),
    _batch(),
    Column("item", BigInteger, nullable=False),  # no foreign key: an undone insert leaves its trace
    Column("before", _JSON),  # NULL: it was not there
    Column("after", _JSON),
    Index(None, "batch"),
    Index(None, "item"),
)
mdm_devices = Table(
    "mdm_devices",
    metadata,
    _id(),
    _batch(),
    Column("mdm_id", CODE),
    Column("name", NAME),
    Column("serial", NAME),
    Column("uuid", String(36)),
    Column("tag", CODE),
    Column("macs", _JSON),
    Column("manufacturer", NAME),
    Column("model", NAME),
    Column("os_name", NAME),
    Column("os_version", NAME),
    Column("edition", CODE),
    Column("last_check_in", IsoDate),
    Column("upgrade_eligibility", String(16)),
    Column("scores", _JSON),  # Endpoint Analytics: times in seconds and scores, import only
    Index(None, "batch"),
    Index(None, "serial"),
)
warranties = Table(
    "warranties",
    metadata,
    _id(),
    _batch(),
    Column("serial", NAME, nullable=False),
    Column("starts", IsoDate),
    Column("ends", IsoDate),
    Column("level", NAME),
    Index(None, "serial"),
)
contracts = Table(
    "contracts",
    metadata,
    _id(),
    _batch(),
    Column("reference", CODE),
    Column("name", NAME, nullable=False),
    Column("supplier", NAME),
    Column("starts", IsoDate),
    Column("ends", IsoDate),
    Column("notice", IsoDate),
    Column("value_pence_per_year", BigInteger),
    Column("system", BigInteger, ForeignKey("systems.id")),
    Column("replaced_by", CODE),
    Column("unit", BigInteger, ForeignKey("units.id")),
    Column("cost_centre", BigInteger, ForeignKey("cost_centres.id")),
    Index(None, "ends"),
)
# Lines of a general ledger or of published supplier payments, as read; classes are worked out from the rules.
ledger_lines = Table(
    "ledger_lines",
    metadata,
    _id(),
    _batch(),
    Column("line", Integer, nullable=False),
    Column("financial_year", Integer, nullable=False),  # the year it begins in
    Column("period", Integer),  # accounting period 1-13
    Column("cost_centre", CODE),
    Column("content", JSON, nullable=False),  # the whole line, as inventory's LedgerLine or PaymentLine
    Index(None, "batch"),
    Index(None, "financial_year", "cost_centre"),
)
ledger_corrections = Table(
    "ledger_corrections",
    metadata,
    Column(
        "line_hash", LargeBinary(16), primary_key=True
    ),  # of what the line says: holds when it is imported again
    Column("classes", JSON, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", NAME, nullable=False),
)
# Text people edit, each edition kept: rating_rules, cost_rules.
rule_editions = Table(
    "rule_editions",
    metadata,
    _id(),
    Column("name", String(32), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("content", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", NAME, nullable=False),
    Index(None, "name", "id"),
)
exceptions = Table(
    "exceptions",
    metadata,
    _id(),
    Column("item", BigInteger, ForeignKey("register_items.id", ondelete="CASCADE")),
    Column("device", BigInteger, ForeignKey("devices.id", ondelete="CASCADE")),
    Column("rules", _JSON),  # NULL: all
    Column("reason", Text, nullable=False),
    Column("owner", NAME, nullable=False),
    Column("approver", NAME, nullable=False),
    Column("begins", IsoDate, nullable=False),
    Column("expires", IsoDate, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("withdrawn", IsoDate),  # the first day it no longer holds, where somebody ended it early
    Index(None, "expires"),
)
# What people decided about two records that agree in one key only.
match_decisions = Table(
    "match_decisions",
    metadata,
    Column("one", String(160), primary_key=True),  # kind and key of a record, the smaller of the two first
    Column("other", String(160), primary_key=True),
    Column("same", Boolean, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", NAME, nullable=False),
)
ratings = Table(
    "ratings",
    metadata,
    Column("device", BigInteger, ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    Column("verdict", String(24), nullable=False),
    Column("reasons", _JSON, nullable=False),
    Column("not_judged", _JSON),
    Column("excepted", Integer, nullable=False),
    Column("rules", String(64), nullable=False),  # digest of the edition
    Column("rated_at", BigInteger, nullable=False),
    Index(None, "verdict"),
)
# Ratings of what no agent reports: a register item, or an MDM record without one. Made of imports alone.
import_ratings = Table(
    "import_ratings",
    metadata,
    Column("side", String(8), primary_key=True),  # register or mdm
    Column("record", BigInteger, primary_key=True, autoincrement=False),  # of register_items or mdm_devices
    Column("verdict", String(24), nullable=False),
    Column("reasons", _JSON, nullable=False),
    Column("not_judged", _JSON),
    Column("excepted", Integer, nullable=False),
    Column("rules", String(64), nullable=False),
    Column("rated_at", BigInteger, nullable=False),
    Column("unit", BigInteger),
    Column("site", BigInteger),
    Index(None, "verdict"),
)
# What the newest reconciliation made of each record: where it stands, so that no page works it out again. A run's rows
# are written first and named in `book_figures` after; those of the run before go then.
reconciled = Table(
    "reconciled",
    metadata,
    _id(),
    Column("run", BigInteger, nullable=False),
    # Register items: reporting, silent, no_agent, not_in_mdm; records without an item: ghost; pairs to decide: review.
    Column("place", String(16), nullable=False),
    Column(
        "state", String(24), nullable=False
    ),  # of items: matched, undecided, orphan; of a pair: the reason
    Column("unit", BigInteger),
    Column("item", BigInteger),
    Column("mdm", BigInteger),
    Column("device", BigInteger),
    Column("detail", Text),  # JSON
    Index(None, "run", "place", "state", "unit"),
    Index(None, "item"),
    Index(None, "device"),
)
# Ready-made figures of the books: worked out by the jobs process, read by pages and metrics.
book_figures = Table(
    "book_figures",
    metadata,
    Column("name", CODE, primary_key=True),
    Column("content", JSON, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
)
disposals = Table(
    "disposals",
    metadata,
    Column("item", BigInteger, ForeignKey("register_items.id", ondelete="CASCADE"), primary_key=True),
    _batch(nullable=True),
    Column("left", IsoDate),  # the day it left our hands; NULL: still awaiting disposal
    Column("weight_grams", Integer),
    Column("weee_category", Integer),  # overrules what its kind says
    Column("stores_data", Boolean),
    Column("route", String(24), nullable=False),
    Column("certificate", NAME),  # number of the data-destruction certificate
    Column("certificate_date", IsoDate),
    Column("proceeds_pence", BigInteger),
    Column("cost_pence", BigInteger),
    Column("contractor", NAME),
)
# What people say of a system in the risk framework for legacy IT; a criterion without a row is unsigned.
system_scores = Table(
    "system_scores",
    metadata,
    Column("system", BigInteger, ForeignKey("systems.id", ondelete="CASCADE"), primary_key=True),
    Column("criterion", String(8), primary_key=True),
    Column("framework", CODE, nullable=False),  # name and version it was scored by
    Column("score", Integer, nullable=False),
    Column("remark", Text),
    Column("assessor", NAME, nullable=False),
    Column("assessed_on", IsoDate, nullable=False),
)
# Benefits of switching systems off, with who took each step (inventory's Benefit).
benefits = Table(
    "benefits",
    metadata,
    _id(),
    Column("reference", CODE, nullable=False, unique=True),
    Column("system", BigInteger, ForeignKey("systems.id")),
    Column("claimant", NAME, nullable=False),
    Column("cashable", Boolean, nullable=False),
    Column("cost_centre", BigInteger, ForeignKey("cost_centres.id")),
    Column("decommissioned", IsoDate),
    Column("years", JSON, nullable=False),
    Column("steps", JSON, nullable=False),
    Column("made_at", BigInteger, nullable=False),
)
