#!/bin/sh
# Brings deploy/compose up under a name and on ports of its own, asks whether it works, and takes it away again.
# Outside .ci/run: it needs a Docker engine with Compose 2.20 or newer, and the images, from here or a registry.
set -eu
cd "$(dirname "$0")/../deploy/compose"

fail() { echo "test-compose: $*" >&2; exit 1; }
compose() { docker compose --env-file /dev/null --project-name roadworthy-test "$@"; }
# Docker chooses free ports.
export ROADWORTHY_PORT=0 PROMETHEUS_PORT=0 ALERTMANAGER_PORT=0 GRAFANA_PORT=0

docker info >/dev/null 2>&1 || fail "no Docker engine answers to 'docker info'; nothing was tried"
docker compose version >/dev/null 2>&1 || fail "docker has no Compose plugin; nothing was tried"
trap 'compose down --volumes >/dev/null 2>&1' EXIT

up() { compose up --detach --wait --wait-timeout 300 "$@" || { compose logs --tail 20; fail "it did not come up"; }; }
running() { compose ps --services --status running | sort | tr '\n' ' '; }

echo "== from nothing"
up --build
[ "$(running)" = "alertmanager collector grafana prometheus " ] || fail "running: $(running)"
port=$(compose port collector 8470)
case $port in 127.0.0.1:*) ;; *) fail "the console is published at $port" ;; esac
compose exec -T collector roadworthy enrol-key create --note test-compose >/dev/null
before=$(compose exec -T collector cat /secrets/admin-password | cksum)

echo "== they find each other"
compose exec -T collector python - <<'PYTHON'
import base64, json, pathlib, sys, time, urllib.error, urllib.request

password = pathlib.Path("/secrets/admin-password").read_text().strip()
basic = {"Authorization": "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()}


def ask(url, headers={}):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        return json.load(answer)


def prometheus(path):
    return ask(f"http://prometheus:9090/api/v1/{path}")["data"]


def scraped():
    targets = prometheus("targets")["activeTargets"]
    return [t["lastError"] or t["health"] for t in targets], bool(targets) and all(t["health"] == "up" for t in targets)


def evaluated():
    found = [r for group in prometheus("rules")["groups"] for r in group["rules"]]
    return [r["name"] for r in found if r["health"] != "ok"], bool(found) and all(r["health"] == "ok" for r in found)


def told():
    found = prometheus("alertmanagers")["activeAlertmanagers"]
    return found, len(found) == 1 and ask("http://alertmanager:9093/api/v2/status")["cluster"]["status"] == "disabled"


def shown():
    found = sorted(one["uid"] for one in ask("http://grafana:3000/api/search?type=dash-db", basic))
    return found, len(found) == len(list(pathlib.Path("/opt/roadworthy").glob("lib/*/site-packages/roadworthy_dashboards/rendered/*.json")))


# The first scrape comes within a minute, and a rule's first evaluation within its group's five.
for check, seconds in ((told, 60), (shown, 120), (scraped, 120), (evaluated, 400)):
    until = time.monotonic() + seconds
    while True:
        try:
            seen, fine = check()
        except (OSError, ValueError) as error:
            seen, fine = error, False
        if fine or time.monotonic() > until:
            break
        time.sleep(2)
    print(f"{check.__name__}: {'yes' if fine else f'no: {seen}'}")
    if not fine:
        sys.exit(1)
PYTHON

echo "== stopped cleanly, and what was there is there again"
compose stop
for service in alertmanager collector grafana prometheus; do
    code=$(docker inspect --format '{{.State.ExitCode}}' "$(compose ps --all --quiet "$service")")
    [ "$code" = 0 ] || fail "$service ended with $code"
done
compose down
up
[ "$(compose exec -T collector cat /secrets/admin-password | cksum)" = "$before" ] || fail "the password is another one"
compose exec -T collector roadworthy enrol-key list --format json | grep -q test-compose || fail "the key is gone"
echo "test-compose: all of it works"
