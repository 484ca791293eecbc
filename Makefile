# One command per habit; CI uses the same ones. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help install run demo test dev lint format types generate lock bench bench-agent clean

VENV := .venv/bin
PYTEST_ARGS ?=
# Two workers: tests start real servers, and the machines they must pass on have two cores. Each file stays on one,
# so that a run has one browser and its servers are started once.
WORKERS ?= 2

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

test: dev ## Set up and run every test
	@tools/test-parts.sh
	@$(VENV)/python -m pytest -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

lint: dev ## Ruff: rules and format
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .

format: dev ## Ruff: repair what can be repaired
	@$(VENV)/ruff check --fix .
	@$(VENV)/ruff format .

types: dev ## Mypy, strict, for Linux, Windows and macOS
	@for platform in linux win32 darwin; do echo "mypy --platform $$platform"; $(VENV)/mypy --platform $$platform || exit 1; done

generate: dev ## Write the files made from code: metric catalogue, dashboards
	@$(VENV)/python -m roadworthy_collector.metrics.generate
	@$(VENV)/roadworthy dashboards render

lock: ## Resolve the locks anew (needs uv); hashes, no index addresses
	@tools/lock.sh

bench: dev ## Run the benchmarks, each beside its peer or limit
	@for file in bench/demo.py bench/ingest.py bench/shards.py; do echo "== $$file"; $(VENV)/python $$file || exit 1; done

bench-agent: dev ## What the agent costs a device in a day, beside node_exporter and collectd
	@$(VENV)/python bench/agent.py

clean: ## Remove the environment and the run folders
	rm -rf .venv .run .mypy_cache .ruff_cache .pytest_cache .hypothesis
