"""The catalogue's rows about what start-ups are made of, and whether they got slower."""

from __future__ import annotations

from roadworthy_collector.metrics.family import Kind, Metric

_OF = "Start-ups from off and restarts, not wake-ups from sleep; worked out every quarter of an hour."
_TOLD = "told by agents"


def _row(name: str, unit: str, text: str, *labels: str) -> Metric:
    return Metric(f"roadworthy_{name}", Kind.GAUGE, unit, text, _TOLD, labels)


def _by(group: str) -> tuple[Metric, ...]:
    return (
        _row(
            f"{group}_startup_phase_seconds",
            "seconds",
            f"Mean seconds of each phase over the start-ups of the last 28 days by {group}, of those that tell phases; "
            f"the phases of a {group} add up to its mean. Start-ups that tell phases of a sign-in (user_profile, "
            f"explorer_init, other_sign_in) count where five devices of the {group} tell them. {_OF}",
            group,
            "phase",
        ),
        _row(
            f"{group}_startup_recent_seconds",
            "seconds",
            f"Median start-up of the last 7 days by {group}; none of fewer than five. {_OF}",
            group,
        ),
        _row(
            f"{group}_startup_baseline_seconds",
            "seconds",
            f"Median start-up of the 28 days before those 7 by {group}; none of fewer than five. {_OF}",
            group,
        ),
    )


STARTUP_PARTS = (
    *_by("site"),
    *_by("model"),
    _row(
        "startup_factor_devices",
        "devices",
        "Devices whose start-ups of over 60 s in the last 28 days name a contributing factor; the 50 on most devices by "
        "name, those with any of the others as other. Devices at restricted sites are in none.",
        "factor",
    ),
    _row(
        "startup_factor_seconds",
        "seconds",
        "Mean seconds of a contributing factor in these start-ups: its own, else by how much it was slower than usual; "
        "left out where no agent says either.",
        "factor",
    ),
)
