#!/bin/sh
# Makes .venv and installs what the lock names, then the four members. Does nothing when that is already so.
# Usage: tools/bootstrap.sh runtime|dev      (PYTHON=/path/to/python3 chooses the interpreter)
set -eu
cd "$(dirname "$0")/.."
kind=${1:?runtime or dev}
case $kind in runtime) lock=requirements.lock ;; dev) lock=requirements-dev.lock ;; *) echo "bootstrap: runtime or dev, not $kind" >&2; exit 2 ;; esac

fail() { echo "roadworthy: $*" >&2; exit 1; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" >/dev/null 2>&1 || fail "PYTHON=$PYTHON is not a program here"
        new_enough "$PYTHON" || fail "$PYTHON is $("$PYTHON" --version 2>&1); Roadworthy needs Python 3.11 or newer"
        echo "$PYTHON"; return
    fi
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if command -v "$name" >/dev/null 2>&1 && new_enough "$name"; then echo "$name"; return; fi
    done
    fail "Roadworthy needs Python 3.11 or newer; here is $(python3 --version 2>/dev/null || echo none). Install it, or name one with PYTHON=/path/to/python3"
}

# What is installed is named by the files that decide it; a change in any of them installs again.
wanted=$(cat requirements.lock "$lock" agent/pyproject.toml inventory/pyproject.toml collector/pyproject.toml dashboards/pyproject.toml | cksum)
stamp=.venv/.roadworthy-$kind
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted $(pwd)" ]; then exit 0; fi

# The mark stands from before the first file until the last: an installation that was killed leaves it behind, and
# half an environment cannot be repaired from within. It holds our process id, so that a second command waits.
mark=.venv/.unfinished
# Whole or not there: whoever looked between its first moment and its content would take it for one left behind.
set_mark() { echo $$ > "$mark.$$" && mv "$mark.$$" "$mark"; }
if [ -f "$mark" ]; then
    owner=$(cat "$mark")
    if [ -n "$owner" ] && kill -0 "$owner" 2>/dev/null; then
        echo "Waiting for the installation of process $owner (if that is none: rm -rf .venv)"
        while [ -f "$mark" ] && kill -0 "$owner" 2>/dev/null; do sleep 1; done
        exec sh tools/bootstrap.sh "$kind"
    fi
    echo "The installation before was broken off; beginning again"
    rm -rf .venv
fi
# The programs in .venv/bin name their interpreter by its full path.
for held in .venv/.roadworthy-*; do
    if [ -f "$held" ]; then
        case $(cat "$held") in *" $(pwd)") ;; *) echo "This folder has moved; beginning again"; rm -rf .venv ;; esac
    fi
done
if [ ! -x .venv/bin/python ] || ! new_enough .venv/bin/python; then
    python=$(find_python) || exit 1
    echo "[1/3] Making .venv with $("$python" --version)"
    rm -rf .venv
    mkdir .venv
    set_mark
    # Without ensurepip, which some systems package apart, it prints ten lines of its own.
    "$python" -m venv .venv >/dev/null || {
        rm -rf .venv
        fail "$python cannot make a virtual environment; on Debian or Ubuntu: apt-get install python3-venv"
    }
fi
set_mark
echo "[2/3] Installing $(grep -c '==' "$lock") locked packages, every one checked against its hash"
# One filter: two in a row would keep the lines back until there are 4 KiB of them, and show no progress.
.venv/bin/python -m pip install --disable-pip-version-check --require-hashes --progress-bar on -r "$lock" |
    sed -E -e '/^(Requirement already satisfied|Looking in |Ignoring |Installing collected packages|\[notice\])/d' -e '/^ *$/d' -e 's/^/      /'
# A pipe hides pip's own exit code; ask it instead whether everything is there.
.venv/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes --no-index --no-deps -r "$lock" ||
    fail "the packages in $lock could not be installed; see the lines above"
echo "[3/3] Installing Roadworthy itself"
.venv/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation \
    -e agent -e inventory -e collector -e dashboards || fail "the members could not be installed; see the lines above"
echo "$wanted $(pwd)" > "$stamp"
rm "$mark"
