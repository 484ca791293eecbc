"""The events a sign-in on Windows is told by: what is asked of the event log.

docs/probes/windows-events.md lists each of them with its fields and its traps. Of the events that carry an account
only the instants are read; names and SIDs are dropped where events are parsed, or never asked for.
"""

from __future__ import annotations

from roadworthy_agent.probes.startup.windows_log import QUESTIONS as START_UP_QUESTIONS
from roadworthy_agent.probes.startup.windows_log import SYSTEM, WINLOGON, Question

WINLOGON_LOG = "Microsoft-Windows-Winlogon/Operational"
PROFILE_LOG = "Microsoft-Windows-User Profile Service/Operational"
POLICY_LOG = "Microsoft-Windows-GroupPolicy/Operational"
SHELL_LOG = "Microsoft-Windows-Shell-Core/Operational"
WIFI_LOG = "Microsoft-Windows-WLAN-AutoConfig/Operational"
APPLICATION_LOG = "Application"

PROFILES = "Microsoft-Windows-User Profiles Service"
POLICY = "Microsoft-Windows-GroupPolicy"
SHELL = "Microsoft-Windows-Shell-Core"
WIFI = "Microsoft-Windows-WLAN-AutoConfig"
VPN = "RasClient"

POLICY_ENDS = (6000, 6001, 7000, 7001, 8000, 8001)
EXTENSION_ENDS = (5016, 6016, 7016)
DISCOVERED, NOT_DISCOVERED = 5326, 7326  # a domain controller: success and failure have numbers of their own

# Asked for start-ups too
PROFILE_QUESTION = Question(PROFILE_LOG, PROFILES, (1, 2, 67, 1001, 1002), 96, ("Session", "ProfileType"))
POLICY_QUESTION = Question(
    POLICY_LOG, POLICY, (4000, 4001, *POLICY_ENDS, 4016, *EXTENSION_ENDS, 5314, DISCOVERED, NOT_DISCOVERED), 256,
    (
        "IsMachine", "IsDomainJoined", "IsBackgroundProcessing", "IsAsyncProcessing", "IsServiceRestart", "ErrorCode",
        "IsConnectivityFailure", "CSEExtensionId", "CSEExtensionName", "IsExtensionAsyncProcessing", "IsSlowLink",
    ),
)  # fmt: skip
QUESTIONS = (
    Question(WINLOGON_LOG, WINLOGON, (1, 2), 64, ("Win32Status",)),
    Question(WINLOGON_LOG, WINLOGON, (811, 812), 256, ("Event", "SubscriberName")),
    PROFILE_QUESTION,
    POLICY_QUESTION,
    Question(SHELL_LOG, SHELL, (9705, 9706, 9707, 9708, 62170, 62171), 256, ("KeyName", "Command")),
    Question(WIFI_LOG, WIFI, (8001, 8003), 16),
    Question(APPLICATION_LOG, VPN, (20225, 20226), 16),
)  # fmt: skip
# The marks of start-ups too: a sign-in says which one it followed.
ALL_QUESTIONS = (*QUESTIONS, *(each for each in START_UP_QUESTIONS if each.channel == SYSTEM))
