"""Gauges by site and by model out of the figures jobs left; what was never worked out makes no sample."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from roadworthy_collector.books import figures, lifecycle_run, rating_places, register_counts
from roadworthy_collector.jobs import site_figures
from roadworthy_collector.metrics.fleet import Key, samples
from roadworthy_collector.metrics.members import Shown

_FIGURES = (rating_places.FIGURE, lifecycle_run.FIGURE, register_counts.FIGURE, site_figures.FIGURE)
# Of these it is known that no device of a site is what any device is: a share of nought is told, not left out.
_WHOLE = frozenset(
    {"site_verdict_devices", "site_support_devices", "site_support_end_devices", "site_warranty_items"}
)
# {family: (figure, name of its rows)} of rows of (site, word, count).
_COUNTED = {
    "site_verdict_devices": (rating_places.FIGURE, "verdicts"),
    "site_reason_devices": (rating_places.FIGURE, "site_reasons"),
    "site_support_devices": (lifecycle_run.FIGURE, "site_statuses"),
    "site_support_end_devices": (lifecycle_run.FIGURE, "site_ends"),
    "site_support_end_soon_devices": (lifecycle_run.FIGURE, "site_soon"),
    "site_warranty_items": (register_counts.FIGURE, "site_warranties"),
    "site_silent_devices": (site_figures.FIGURE, "silent"),
    "site_undeployed_reporting_devices": (site_figures.FIGURE, "undeployed"),
    "site_avoidable_joules": (site_figures.FIGURE, "avoidable_joules"),
}


def read(connection: Connection) -> dict[str, Any]:
    """Return {figure: content} of those that were worked out."""
    found = {name: figures.read(connection, name) for name in _FIGURES}
    return {name: one[0] for name, one in found.items() if one is not None}


def render(found: Mapping[str, Any], shown: Shown) -> str:
    """Return the gauges in the text format. Nothing is there of what an earlier program did not work out."""
    parts = [
        samples(
            f"roadworthy_{name}",
            _by_site(found.get(figure, {}).get(rows, ()), shown, whole=name in _WHOLE),
        )
        for name, (figure, rows) in _COUNTED.items()
    ]
    reasons = found.get(rating_places.FIGURE, {}).get("model_reasons", ())
    models: defaultdict[Key, float] = defaultdict(int)
    for model, rule, count in reasons:
        models[shown.model(model), rule] += count
    parts.append(samples("roadworthy_model_reason_devices", models))
    counted = found.get(site_figures.FIGURE, {})
    for name, values in (("agent_spooled_devices", "spools"), ("avoidable_gbp", "avoidable_gbp")):
        keyed: dict[Key, float] = {(key,): value for key, value in counted.get(values, {}).items()}
        parts.append(samples(f"roadworthy_{name}", keyed))
    return "".join(parts)


def _by_site(rows: Iterable[Sequence[Any]], shown: Shown, *, whole: bool) -> dict[Key, float]:
    """Return rows of (site, words..., value) added up under the names sites are shown by, restricted ones left out.

    `whole`: every site has a value of every word.
    """
    sums: defaultdict[Key, float] = defaultdict(int)
    for site, *words, value in rows:
        name = shown.site(site)
        if name is not None:
            sums[name, *words] += value
    if whole:
        sites, words_told = {key[0] for key in sums}, {key[1:] for key in sums}
        for key in [(site, *words) for site in sites for words in words_told]:
            sums[key] += 0
    return sums
