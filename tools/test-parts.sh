#!/bin/sh
# Installs the Debian packages the tests use as real parts, when it can: as root, on Debian, with something missing.
# ROADWORTHY_TEST_APT=0 refuses; the tests then say at the end which of them could not run and why.
set -eu
packages=""
want() { command -v "$1" >/dev/null 2>&1 || packages="$packages $2"; }
want prometheus prometheus
want promtool prometheus
want chromium chromium
want systemd-nspawn systemd-container
want systemd-analyze systemd
want debootstrap debootstrap
want tinyproxy tinyproxy-bin
want dmidecode dmidecode
want prometheus-alertmanager prometheus-alertmanager
want prometheus-pushgateway prometheus-pushgateway
want victoria-metrics victoria-metrics
# Debian keeps PostgreSQL's own programs off PATH, and servers off that of many users.
PATH="$PATH:${ROADWORTHY_TEST_ELSEWHERE-$(echo /usr/lib/postgresql/*/bin | tr ' ' ':'):/usr/sbin}"
want initdb postgresql
want nginx nginx-light
want snmpd snmpd
want prometheus-snmp-exporter prometheus-snmp-exporter
packages=$(printf '%s\n' $packages | sort -u | tr '\n' ' ')
[ -n "${packages% }" ] || exit 0
if [ "${ROADWORTHY_TEST_APT:-1}" = 0 ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    exit 0
fi
echo "Installing Debian packages the tests need: $packages(ROADWORTHY_TEST_APT=0 refuses)"
# Nothing may start by itself on somebody's machine because tests were run on it.
policy="${ROADWORTHY_POLICY_FILE:-/usr/sbin/policy-rc.d}"
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT INT TERM
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of words on purpose
apt-get install -y -qq --no-install-recommends $packages
