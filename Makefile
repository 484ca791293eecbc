# One command per habit; CI uses the same ones. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help install run demo test test-compose dev lint format types lint-go generate lock faults security bench bench-ingest bench-scrape bench-bounded bench-agent bench-snmp gallery clean

TYPES := types-linux types-win32 types-darwin
.PHONY: parts $(TYPES)

VENV := .venv/bin
PYTEST_ARGS ?=
ARGS ?=
# Two workers more than the two cores of the machines they must pass on: tests start real servers, and for a third of
# their time wait for them. Each file stays on one, so that a run has one browser and its servers are started once.
WORKERS ?= 4

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  ROADWORTHY_PORT (8470) and ROADWORTHY_DATA (.run/data, .run/demo) change port and data folder."

install: ## Set up .venv with roadworthy and roadworthy-agent
	@tools/bootstrap.sh runtime

run: install ## Start the collector and an agent on this machine; Ctrl-C ends both
	@ROADWORTHY_DATA="$${ROADWORTHY_DATA:-.run/data}" exec $(VENV)/roadworthy up --with-agent

demo: install ## Start the collector with a simulated IT estate
	@ROADWORTHY_DATA="$${ROADWORTHY_DATA:-.run/demo}" exec $(VENV)/roadworthy demo

dev: ## Set up .venv with the test tools too
	@tools/bootstrap.sh dev

parts: dev
	@tools/test-parts.sh

test: parts ## Set up and run every test
	@$(VENV)/python -m pytest -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

lint: dev ## Ruff: rules and format; our own checker of dashboards and alerts
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/roadworthy dashboards lint

format: dev ## Ruff: repair what can be repaired
	@$(VENV)/ruff check --fix .
	@$(VENV)/ruff format .

types: $(TYPES) ## Mypy, strict, for Linux, Windows and macOS; with --jobs=2 two of them at once

# Each keeps what it found out by itself: what holds for one platform is of no use to another, and would be overwritten.
$(TYPES): types-%: dev
	@echo "mypy --platform $*"; $(VENV)/mypy --platform $* --cache-dir .mypy_cache/$*

test-compose: ## Bring deploy/compose up, ask whether it works, take it away (needs Docker and the images)
	@tools/test-compose.sh

lint-go: ## Check dashboards and alerts with dashboard-linter and pint too (needs Go and the Go module proxy)
	@tools/lint-go.sh

generate: dev ## Write the files made from code: metric catalogue, settings, dashboards
	@$(VENV)/python -m roadworthy_collector.metrics.generate
	@$(VENV)/python -m roadworthy_collector.settings_docs
	@$(VENV)/python -m roadworthy_collector.snmp.families
	@$(VENV)/roadworthy dashboards render

lock: ## Resolve the locks anew (needs uv); hashes, no index addresses
	@tools/lock.sh

faults: parts ## Kill it, fill its disk, take its database away: every fault at its full size
	@FAULTS=full $(VENV)/python -m pytest -n $(WORKERS) --dist loadfile tests/faults $(PYTEST_ARGS)

security: parts ## The test of every threat THREAT_MODEL.md names
	@$(VENV)/python -m pytest -n $(WORKERS) --dist loadfile $$(grep -o 'tests/[a-z_0-9/]*\.py' THREAT_MODEL.md | sort -u) $(PYTEST_ARGS)

gallery: parts ## Draw every board from a real Prometheus over the demo into docs/gallery
	@cd tests && ../$(VENV)/python -m support.gallery ../docs/gallery $(ARGS)

bench: dev ## Run the benchmarks of the store, each beside its peer or limit
	@for file in demo store layout rollup remote_write pages register_read register_import reconcile replacement books energy energy_report; do echo "== bench/$$file.py"; $(VENV)/python bench/$$file.py || exit 1; done

bench-ingest: dev ## Reports a second through a real collector; ARGS="--devices 10000 --seconds 20 --store postgresql"
	@$(VENV)/python bench/ingest.py $(ARGS)

bench-scrape: dev ## All shards of the device detail at 100,000 devices, beside prometheus_client
	@$(VENV)/python bench/scrape.py $(ARGS)

# Half of the time they wait, and CI has linters run beside them: whoever takes five minutes hangs.
bench-bounded: parts ## Small forms of both and of bench-snmp, as CI runs them: wrong results fail, slowness does not
	@timeout 300 $(VENV)/python bench/scrape.py --devices 2000 & scrape=$$!; \
	timeout 300 $(VENV)/python bench/ingest.py --bounded; ingest=$$?; wait $$scrape && exit $$ingest
	@timeout 300 $(VENV)/python bench/snmp.py --bounded

bench-snmp: dev ## Devices polled a minute by one core, beside snmp_exporter, and 1,000 of which 50 are dead
	@$(VENV)/python bench/snmp.py $(ARGS)

bench-agent: dev ## What the agent costs a device in a day, beside node_exporter and collectd
	@$(VENV)/python bench/agent.py

clean: ## Remove the environment and the run folders
	rm -rf .venv .run .mypy_cache .ruff_cache .pytest_cache .hypothesis
