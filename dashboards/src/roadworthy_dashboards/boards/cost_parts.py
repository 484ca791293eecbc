"""What the board of cost shows beside the shares, as its rows: staff time, contracts, savings, what to replace."""

from __future__ import annotations

from roadworthy_dashboards import thresholds
from roadworthy_dashboards.charts import Column, banded, upright
from roadworthy_dashboards.links import label, to_console
from roadworthy_dashboards.panels import Look, Panel, Query, Words, bars, number
from roadworthy_dashboards.queries import held, selector

_STATES = ("identified", "agreed", "delivered", "removed from budget")


def staff() -> list[Panel]:
    """Return the panels of staff time lost to waiting."""
    opened = [to_console("/staff-time", "Open staff time in the console")]
    waits = {
        one: held("roadworthy_staff_waits", "month", where=f'what="{one}"') for one in ("counted", "slow")
    }
    return [
        upright(
            Words(
                "Staff hours lost to waiting, by month",
                "Hours above a good length in attended start-ups and sign-ins, summed over devices. The good length is "
                "yours, else the IT estate's own median; it is no cash. A month with fewer than five devices, or before "
                "there were any reports, is not known and has no bar.",
                "short",
            ),
            "month",
            Column("hours", f"{held('roadworthy_staff_time_lost_seconds', 'month')} / 3600"),
            look=Look(links=opened),
        ),
        upright(
            Words(
                "Waits behind it, by month",
                "Attended start-ups and sign-ins that were held against a good length, and those of them that were slower. "
                "What nobody sat through is in neither; a month nothing is known of has no bar.",
                "short",
            ),
            "month",
            Column("slow", waits["slow"]),
            Column("not slow", f"{waits['counted']} - {waits['slow']}"),
            stacked=True,
            look=Look(links=opened),
        ),
    ]


def contracts() -> list[Panel]:
    """Return the panels of contracts and when they end."""
    return [*_contracts_now(), *_contracts_coming()]


def _contracts_now() -> list[Panel]:
    opened = [to_console("/contracts", "Open the contracts in the console")]
    known = "Counted from imported contracts."
    return [
        number(
            Words(
                "Notice due within 90 days",
                f"Running contracts whose last day to give notice is within 90 days. {known} Before any import it is not "
                "known.",
                "short",
            ),
            Query(held("roadworthy_contract_notice_due"), "contracts"),
            look=Look(height=5, levels=thresholds.ANY, links=opened),
        ),
        number(
            Words(
                "Running contracts, pounds a year",
                f"As far as their value is told; a contract without one adds nothing and is not free. {known}",
                "currencyGBP",
            ),
            Query(held("roadworthy_contract_running_gbp"), "a year"),
            look=Look(height=5, decimals=0, links=opened),
        ),
        number(
            Words(
                "Contracts outside the coming 24 months",
                f"Cover that has ended, that ends later, or whose end nobody told (unknown). {known}",
                "short",
            ),
            Query(
                held("roadworthy_contract_ends", "month", where='month=~"ended|later|unknown"'), "{{month}}"
            ),
            width=12,
            look=Look(height=5, links=opened),
        ),
    ]


def _contracts_coming() -> list[Panel]:
    opened = [to_console("/contracts", "Open the contracts in the console")]
    known = "Counted from imported contracts."
    coming = 'month=~"[0-9].+"'
    return [
        upright(
            Words(
                "Contracts whose cover ends, by month",
                f"The coming 24 months. {known} One whose end nobody told is unknown, above, and in no month.",
                "short",
            ),
            "month",
            Column("contracts", held("roadworthy_contract_ends", "month", where=coming)),
            look=Look(links=opened),
        ),
        upright(
            Words(
                "What ends, in pounds a year, by month",
                f"Value a year of the contracts that end in each of the coming 24 months, as far as it is told. {known} A "
                "contract whose value is not known adds nothing to its month.",
                "currencyGBP",
            ),
            "month",
            Column("a year", held("roadworthy_contract_ends_gbp", "month", where=coming)),
            look=Look(decimals=0, links=opened),
        ),
    ]


def benefits() -> list[Panel]:
    """Return the panels of what switching systems off saves."""
    steps = (
        "Identified, agreed, delivered, removed from budget: one state at a time, the last one for finance."
    )
    opened = [to_console("/benefits", "Open the benefits in the console")]
    states = {state: state for state in _STATES}
    panels: list[Panel] = [
        number(
            Words(
                "Benefits by state",
                f"What was claimed of systems switched off. {steps} Where nobody has claimed any it is not known.",
                "short",
            ),
            Query(held("roadworthy_benefits", "state"), "{{state}}"),
            width=24,
            look=Look(height=5, links=opened),
        )
    ]
    for cashable, title, meaning in (
        ("yes", "Cashable savings by year", "Money that leaves, or can leave, a budget."),
        ("no", "Savings that are not cash, by year", "Worth something, and in no budget."),
    ):
        net = held("roadworthy_benefit_net_gbp", "year", "state", where=f'cashable="{cashable}"')
        text = (
            f"{meaning} Net of running old and new side by side, by financial year (named by the year it begins in). "
            f"{steps} A benefit whose double running is not known is left out."
        )
        words = Words(title, text, "currencyGBP")
        panels.append(banded(words, "year", net, "state", states, look=Look(decimals=0, links=opened)))
    return panels


def plan() -> list[Panel]:
    """Return the panels of the replacement plan and of what is cheap to do."""
    return [*_plan_itself(), *_cheap_things()]


def _plan_itself() -> list[Panel]:
    opened = [to_console("/replacement", "Open the plan in the console")]
    known = "Worked out when the last plan was made, from the register, agents and the plan's own prices"
    made = selector("roadworthy_books_timestamp_seconds", 'what="plan"')
    return [
        number(
            Words(
                "Net benefit of the replacement plan",
                f"Over the plan's years, at its likely values. {known}. Without a plan it is not known.",
                "currencyGBP",
            ),
            Query(held("roadworthy_plan_net_gbp"), "net"),
            look=Look(decimals=0, links=opened),
        ),
        number(
            Words(
                "Age of the plan",
                "Since it was made. The prices and devices of an old plan are old; without a plan it is not known.",
                "s",
            ),
            Query(f"time() - max({made})", "age"),
            look=Look(decimals=0, links=opened),
        ),
        bars(
            Words(
                "What the plan does with items",
                f"{known}. Fixed: held by a lease or an exception; apart: no net can be told, because something of them is "
                "not known; no_offer: nothing offered fits.",
                "short",
            ),
            Query(f"sort_desc({held('roadworthy_plan_items', 'action')})", "{{action}}"),
            look=Look(links=opened),
        ),
    ]


def _cheap_things() -> list[Panel]:
    opened = [to_console("/replacement", "Open the plan in the console")]
    return [
        bars(
            Words(
                "Avoidable electricity of 28 days, in pounds",
                "At the tariff of the supply that feeds each site, of the last 28 whole local days. sleep_fails is a part of "
                "unused_on, so they are never added. A kind without a price, or without devices to look at, is not known.",
                "currencyGBP",
            ),
            Query(f"sort_desc({held('roadworthy_avoidable_gbp', 'kind')})", "{{kind}}"),
            look=Look(
                decimals=0,
                links=[to_console(f"/avoidable?kind={label('kind')}", "Open its devices in the console")],
            ),
        ),
        bars(
            Words(
                "Tickets on the ready lists",
                "Claims to make under warranty, SSDs to fit, unused devices to collect: the cheap things first. Items of "
                "which it is not known whether they belong there are on none.",
                "short",
            ),
            Query(f"sort_desc({held('roadworthy_ready_list_items', 'list')})", "{{list}}"),
            look=Look(links=opened),
        ),
    ]
