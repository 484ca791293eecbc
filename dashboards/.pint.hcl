# How cloudflare/pint reads our rules (`make lint-go`). Nothing is switched off but what asks a running Prometheus, which
# --offline does. What it is told to ask for beside its own checks stands below.

rule {
  match {
    kind = "alerting"
  }

  annotation "summary" {
    severity = "bug"
    required = true
  }

  annotation "description" {
    severity = "bug"
    required = true
  }

  annotation "runbook_url" {
    severity = "bug"
    required = true
  }

  label "severity" {
    severity = "bug"
    value    = "critical|warning|info"
    required = true
  }

  # One missed scrape must wake nobody.
  for {
    severity = "bug"
    min      = "1m"
  }
}
