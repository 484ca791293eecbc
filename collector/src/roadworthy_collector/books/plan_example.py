"""The annotated file of a replacement plan that `roadworthy plan example` prints. Every price in it is made up."""

from __future__ import annotations

EXAMPLE = """\
# What could be done, what it costs, and what there is to spend. Edit, then: roadworthy plan run this-file.toml
# A range is [low, likely, high]; a single number has no spread. What you leave out is not known, and items whose
# net then cannot be told are listed apart and counted. EVERY PRICE BELOW IS MADE UP: put yours in.

[terms]
first_year = 2026                     # the plan's first financial year begins 1 April of it
capital_pounds = [250000, 250000]     # one for each year; "no limit" where there is none
revenue_pounds = [40000, 40000]
horizon_years = 5                     # over how many years savings count
electricity_pence_per_kwh = [20, 24, 30]
kgco2e_per_kwh = [0.16, 0.18, 0.20]   # of the electricity saved; from your conversion factors
# installations_per_week = 25         # of all crews
# lots = true                         # devices of one model at one site together, or none of them
# freezes = [[2026-12-14, 2027-01-03]]

# [stock]                             # pieces that arrive in each year
# "laptops in the store" = [120, 0]

[weights]                             # what things are worth to you; shown with every net
pounds_per_hour = 25                  # loaded rate of a staff hour
hour_loss_ratio = 0.3                 # share of a waited hour that is lost
pounds_per_kgco2e = 0.25

[hours]                               # a wait longer than this is lost time
startup_seconds = 60
signin_seconds = 30

[electricity]
typical_where_not_measured = true     # makers' published figures of the class, marked so; false: not known

[scope]
kinds = ["desktop", "laptop"]
lifecycle_states = ["deployed"]

# What keeping costs a year in support and repair, pounds; the first entry that fits. Without one: not known.
[[support]]
kinds = ["laptop"]
pounds_per_year = [20, 40, 90]
[[support]]
kinds = ["desktop"]
pounds_per_year = [15, 30, 70]

# What could be done. "becomes" is a figure of its own a year, "times" a multiple of what it was, "unchanged" as it was.
[[option]]
name = "New laptop"
kind = "replace"                      # replace, ssd, ram or battery
fits = { kinds = ["laptop"], at_least_years = 3 }
capital_pounds = [620, 680, 760]
revenue_pounds = [40, 60, 90]         # preparing and installing it
support_pounds_per_year = { becomes = [10, 15, 30] }
hours = { times = [0.15, 0.25, 0.5] }
kwh = { becomes = [13, 19, 28] }
embodied_kgco2e = "laptop"            # makers' published range of the class, or a range of yours
life_years = 5

[[option]]
name = "SSD"
kind = "ssd"
fits = { kinds = ["laptop", "desktop"], system_disk = "hdd" }
capital_pounds = 0
revenue_pounds = [60, 75, 110]
support_pounds_per_year = "unchanged"
hours = { times = "ssd" }             # what is published of start-ups from an SSD
kwh = "unchanged"
embodied_kgco2e = [5, 10, 25]
life_years = 4
"""
