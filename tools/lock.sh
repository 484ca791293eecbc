#!/bin/sh
# Resolves requirements.lock and requirements-dev.lock with uv, for every platform from Python 3.11 on.
# uv.lock is not kept: it records the index's address, and mirrors belong to the machine, not the project.
set -eu
cd "$(dirname "$0")/.."
command -v uv >/dev/null 2>&1 || { echo "lock: needs uv on PATH (pip install uv)" >&2; exit 1; }
members="agent/pyproject.toml inventory/pyproject.toml collector/pyproject.toml dashboards/pyproject.toml"
resolve() {
    # shellcheck disable=SC2086 # the members are words on purpose
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links --no-emit-package roadworthy-inventory \
        --group pyproject.toml:build "$@" $members
}
resolve -o requirements.lock
resolve -c requirements.lock --group pyproject.toml:dev -o requirements-dev.lock
