#!/bin/sh
# The linters other people check boards and rules with, over ours: grafana/dashboard-linter and cloudflare/pint.
# They are Go programs, so this is for a machine with Go and the Go module proxy in reach; `roadworthy dashboards lint`
# needs neither, and it is what CI runs. What is let pass stands, with its reason, in dashboards/.lint and
# dashboards/.pint.hcl. Ends with 1 if a linter finds something, with 2 if one could not be installed.
set -u
cd "$(dirname "$0")/.." || exit 2
DASHBOARD_LINTER=github.com/grafana/dashboard-linter@v0.3.0
PINT=github.com/cloudflare/pint/cmd/pint@v0.86.0
PACKAGE=dashboards/src/roadworthy_dashboards
command -v go >/dev/null 2>&1 || { echo "lint-go: needs Go on PATH (Debian: apt install golang-go)" >&2; exit 2; }
status=0

# Installs $1 into a folder of its own, named by its version, unless it is there. Go checks it against its checksums.
install() {
    bin="$PWD/.run/lint-go/$(echo "$1" | tr / -)"
    [ -n "$(ls "$bin" 2>/dev/null)" ] && return 0
    echo "lint-go: installing $1"
    said=$(GOBIN="$bin" GOFLAGS= go install "$1" 2>&1) && return 0
    printf '%s\n' "$said" >&2
    echo "lint-go: could not install $1 (above is what Go said); its check did not run" >&2
    return 1
}

if install "$DASHBOARD_LINTER"; then
    for board in "$PACKAGE"/rendered/*.json; do
        echo "dashboard-linter $board"
        "$bin/dashboard-linter" lint --strict --config dashboards/.lint "$board" || status=1
    done
else
    status=2
fi
if install "$PINT"; then
    echo "pint $PACKAGE/rules"
    "$bin/pint" --offline --config dashboards/.pint.hcl lint --min-severity=info --fail-on=warning "$PACKAGE/rules" ||
        [ "$status" = 2 ] || status=1
else
    status=2
fi
exit "$status"
