"""Every threshold of boards and alerts, and the colours of states: nowhere else does a number become a colour.

Rules are files Prometheus reads, so their numbers stand in them; `ALERTS` says which those have to be, made of the same
levels the boards show, and a test reads the rules' queries and compares. Colours are Grafana's named ones, which it shifts between its dark and its light theme, and none stands alone: the
figure or the word is always beside it. Where a figure is also a band of the default rating rules it is the same one,
so that a board and a rating never disagree; an organisation that changes its rules keeps these as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

GOOD = "green"
LOOK = "orange"
ACT = "red"
PLAIN = "blue"
UNKNOWN = "purple"
QUIET = "text"


@dataclass(frozen=True)
class Levels:
    """A colour from below, and those from each step on. Steps are in the unit of the panel, rising."""

    base: str
    steps: tuple[tuple[float, str], ...] = ()

    def at(self, step: int) -> float:
        """Return where a step begins, counted from 0."""
        return self.steps[step][0]


def rising(look: float, act: float | None = None) -> Levels:
    """Return levels of a figure that is bad when it is high."""
    steps = ((look, LOOK),) if act is None else ((look, LOOK), (act, ACT))
    return Levels(GOOD, steps)


def falling(act: float, good: float) -> Levels:
    """Return levels of a figure that is bad when it is low."""
    return Levels(ACT, ((act, LOOK), (good, GOOD)))


# Grafana colours everything from 80 on red where a panel names no thresholds: so every panel names some.
NONE = Levels(PLAIN)
TEXT = Levels(QUIET)
ANY = Levels(GOOD, ((1, LOOK),))  # one is already something to look at
ANY_ACT = Levels(GOOD, ((1, ACT),))  # one is already something to act on

# Bands of the rating rules: 120 s slow, 300 s severe; half as long again as before has grown.
STARTUP_SECONDS = rising(120, 300)
SIGNIN_SECONDS = rising(60, 300)
GROWTH_RATIO = rising(1.2, 1.5)
FACTOR_SECONDS = rising(10, 30)
DISK_WEAR_RATIO = rising(0.8, 1.0)
BATTERY_HEALTH_RATIO = falling(0.4, 0.7)
BATTERY_CYCLES = rising(1000)

# How much is known. Under half it says little; nine in ten carries an argument.
COVERAGE_RATIO = falling(0.5, 0.9)
MATCH_RATIO = falling(0.8, 0.95)
MEASURED_RATIO = falling(0.25, 0.5)
# Under five a group is one person; under thirty one PC under repair moves the median.
COUNTED = falling(5, 30)
# From how many start-ups or sign-ins on a quantile is told: under that it is a single one of them.
LEAST_FOR_P90 = 10
LEAST_FOR_P99 = 100

LEGACY_RATIO = rising(0.1, 0.25)
# The books give no single figure above this share unclassified.
UNCLASSIFIED_RATIO = rising(0.05, 0.1)
ABOVE_TARGET_RATIO = rising(0.005, 0.05)  # within half a percentage point it is on the line
UTILISATION_RATIO = rising(0.8, 0.95)
UPTIME_SECONDS = rising(14 * 86_400, 35 * 86_400)  # a month of updates waits for a restart
YES = Levels(LOOK, ((1, GOOD),))
# Devices cannot use more than the meter saw.
METER_SHARE_RATIO = rising(0.9, 1.0)

# What is asked over the network.
POLL_SILENT_SECONDS = rising(1_800, 86_400)  # half an hour is six polls at the usual interval

# The collector itself.
AGE_SECONDS = rising(120, 300)  # roll-ups older than 300 s are not shown
TRANSACTION_SECONDS = rising(0.05, 0.5)
SCRAPE_SECONDS = rising(5, 10)  # Prometheus gives up after ten
QUEUE_RATIO = rising(0.5, 0.9)
ONE_HOLDER = Levels(ACT, ((1, GOOD), (2, ACT)))  # exactly one process holds the jobs
CERTIFICATE_LEFT_SECONDS = falling(7 * 86_400, 30 * 86_400)
FACTOR_SET_LEFT_SECONDS = falling(0, 30 * 86_400)

STATES: Mapping[str, str] = MappingProxyType(
    {"reporting": GOOD, "late": LOOK, "missing": ACT, "retired": QUIET}
)
VERDICTS: Mapping[str, str] = MappingProxyType(
    {
        "meets": GOOD,
        "needs attention": LOOK,
        "action required": ACT,
        "observing": PLAIN,
        "no data": UNKNOWN,
    }
)
SUPPORT: Mapping[str, str] = MappingProxyType(
    {
        "supported": GOOD,
        "ends within a year": LOOK,
        "extended": PLAIN,
        "ended": ACT,
        "no last day named": UNKNOWN,
        "unknown": UNKNOWN,
    }
)
QUALITIES: Mapping[str, str] = MappingProxyType(
    {"metered": "dark-green", "sensor": "green", "modelled": "yellow", "assumed": "orange"}
)
# What the values of a label are worth where bars of them stand side by side; the others are plain.
BANDS: Mapping[str, str] = MappingProxyType(
    {
        "ended": ACT,
        "within_90_days": ACT,
        "within_1_year": LOOK,
        "long_past": ACT,
        "past": LOOK,
        "does_not": ACT,
        "not_bought": ACT,
        "over": ACT,
        "bought": GOOD,
        "runs": GOOD,
        "meets": GOOD,
        "legacy": ACT,
        "not_legacy": GOOD,
        **dict.fromkeys(("unknown", "unknown_age", "no_date", "no_planned_life", "no_devices"), UNKNOWN),
        **dict.fromkeys(("not_applicable", "none"), QUIET),
    }
)
HEALTH: Mapping[str, str] = MappingProxyType(
    {"failing": ACT, "weak": ACT, "worn": LOOK, "good": GOOD, "unknown": UNKNOWN}
)
DEVICE_STATES: Mapping[str, str] = MappingProxyType(
    {
        "in use": GOOD,
        "idle": LOOK,
        "locked": "yellow",
        "asleep": PLAIN,
        "off": "super-light-blue",
        "unobserved": UNKNOWN,
    }
)

_A_DAY = 86_400
_GROUP, _ENOUGH = COUNTED.at(0), COUNTED.at(1)
# The numbers each alert compares with, as its query has them from left to right: {alert: {severity: numbers}}.
ALERTS: Mapping[str, Mapping[str, tuple[float, ...]]] = MappingProxyType(
    {
        # Times as slow as before, and by at least ten seconds.
        "RoadworthyStartupsSlower": {
            "info": (GROWTH_RATIO.at(0), 10, _ENOUGH),
            "warning": (GROWTH_RATIO.at(1), 10, _ENOUGH),
        },
        "RoadworthyModelStartupsSlower": {"warning": (GROWTH_RATIO.at(1), 10, _ENOUGH)},
        "RoadworthyStartupsVerySlow": {"warning": (STARTUP_SECONDS.at(0), _ENOUGH)},
        "RoadworthySigninsSlow": {"warning": (SIGNIN_SECONDS.at(0), _ENOUGH, _GROUP)},
        "RoadworthyDevicesSilent": {"warning": (5, 0.05)},  # devices, and a share of the site's
        "RoadworthyUndeployedDeviceReporting": {"critical": (0,), "warning": (0,)},
        "RoadworthyDisksFailing": {"warning": (0,)},
        "RoadworthyDisksWorn": {"info": (0,)},
        "RoadworthyBatteriesWeak": {"info": (0.1,)},
        "RoadworthySleepFails": {"info": (100,)},  # kWh in 28 days
        "RoadworthyCollectorDown": {"critical": (0,)},
        "RoadworthyAllCollectorsDown": {"critical": (0,)},
        "RoadworthyCollectorAbsent": {"critical": ()},
        "RoadworthyDeviceDetailDown": {"warning": (0, 0)},
        "RoadworthyRollupsStale": {"critical": (AGE_SECONDS.at(1),)},
        "RoadworthyJobsNotHeld": {"critical": (0,)},
        "RoadworthyJobFailing": {"warning": (0,)},
        "RoadworthyJobOverdue": {"warning": (2 * _A_DAY,)},
        "RoadworthyRollupBacklog": {"warning": (3 * _A_DAY,)},
        "RoadworthyDatabaseGrowing": {"warning": (1024**3, 1.25)},  # bytes, and times what it was
        "RoadworthyReportsRefused": {"warning": (0.05, 20)},  # a share, and how many in an hour
        "RoadworthyItemsRejected": {"warning": (10,)},
        "RoadworthyIngestQueueNearLimit": {"warning": (QUEUE_RATIO.at(0),), "critical": (QUEUE_RATIO.at(1),)},
        "RoadworthyIngestSlow": {"warning": (1,)},
        "RoadworthyReportsLate": {"warning": (7_200,)},
        "RoadworthyAgentsHoldBack": {"warning": (0.01,)},
        "RoadworthySiteFellSilent": {
            "warning": (0.5, 10)
        },  # of what was heard a week ago, and how many that were
        "RoadworthyClonesFound": {"info": (0,)},
        "RoadworthyRemoteWriteBehind": {"warning": (3_600,)},
        "RoadworthyRemoteWriteDropping": {"critical": (0,)},
        "RoadworthyRelayBehind": {"warning": (21_600,)},
        "RoadworthyRelayNearLimit": {"critical": (0.8,)},
        "RoadworthyRelayGivingUp": {"critical": (0,)},
        "RoadworthyRelayDevicesStopped": {"warning": (0,)},
        "RoadworthyPolledTargetDown": {"warning": (0,)},
        "RoadworthyCertificateEnding": {
            "warning": (CERTIFICATE_LEFT_SECONDS.at(1),),
            "critical": (CERTIFICATE_LEFT_SECONDS.at(0),),
        },
        "RoadworthySupportEnding": {"warning": (0,), "critical": (0,)},
        "RoadworthySupportEnded": {"warning": (0,)},
        "RoadworthyActionRequired": {"info": (LEGACY_RATIO.at(1), _GROUP)},
        "RoadworthyHardwareAgeing": {"info": (LEGACY_RATIO.at(1),)},
        "RoadworthyWarrantiesEnding": {"info": (0,)},
        "RoadworthyContractNoticeDue": {"warning": (0,)},
        "RoadworthyContractsEnding": {"info": (0,), "warning": (0,)},
        "RoadworthyUpsBatteryDue": {"warning": (0,)},
        # Percentage points; and April to September.
        "RoadworthyMaintenanceShareAboveTarget": {
            "info": (100 * ABOVE_TARGET_RATIO.at(0),),
            "warning": (100 * ABOVE_TARGET_RATIO.at(0), 10, 4),
        },
        "RoadworthySpendUnclassified": {"warning": (UNCLASSIFIED_RATIO.at(1),)},
        "RoadworthyExceptionsExpiring": {"warning": (0,)},
        "RoadworthyRegisterUnmatched": {"info": (MATCH_RATIO.at(0),)},
        "RoadworthyAvoidableElectricity": {"info": (250,)},  # kWh in 28 days
        "RoadworthyAvoidableShareHigh": {"warning": (0.1,)},
        "RoadworthyPowerOutOfFamily": {"info": (10,)},  # kWh in 28 days
        "RoadworthyDevicesAboveMeter": {"warning": (0,)},
        "RoadworthyMeterPeriodsMissing": {"warning": (48,)},
        "RoadworthyEnergyUndeclared": {"info": (10,)},  # kWh in a month
        "RoadworthyFactorsProvisional": {"info": (1,)},
        "RoadworthyFactorSetEnded": {"info": (-FACTOR_SET_LEFT_SECONDS.at(0),), "warning": (210 * _A_DAY,)},
        "RoadworthyDestructionCertificatesMissing": {"warning": (0,)},
    }
)
