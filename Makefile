# Everything that this project does from a fresh clone; `make help` lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests start hundreds of commands: without bytecode each would compile the sources anew, a fifth of its start.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo tour gauntlet faults overload soak deployment test check promtool fuzz bench lint types unit format artefacts servers tools sbom audit lock clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort

$(VENV)/.ready: requirements/dev.lock pyproject.toml
	@scripts/venv "$(PYTHON)" "$(VENV)"
	@touch $@

servers: $(VENV)/.ready ## Fetch Kafka's jars into the user's cache, and prepare its start (Postgres and the JRE came with the wheels)
	@$(BIN)/python -m services.runtime.embedded.jars prepare

tools: $(VENV)/.ready ## Get promtool, Prometheus, amtool, blackbox_exporter, web servers, mail servers and Chromium (Debian packages), AsyncAPI's schema, axe-core and a table of AS numbers (npm), unpacked into the user's cache
	@scripts/debian-tools >/dev/null
	@scripts/debian-servers >/dev/null
	@scripts/debian-mailers >/dev/null
	@scripts/browser >/dev/null
	@scripts/asyncapi-schema >/dev/null
	@scripts/axe-core >/dev/null
	@scripts/asn-table "$(BIN)/python" >/dev/null

demo: servers ## Run the whole main job on a simulated internet, and check it against the truth
	@$(BIN)/takedown demo

tour: servers ## The demo with Prometheus beside it, kept running: a status page, alerts that fire, a league table as CSV
	@$(BIN)/python -m scripts.tour "$$(scripts/debian-tools)/prometheus" $(TOUR)

gauntlet: servers ## The demo's worst day, under each of five conditions: about ten minutes
	@$(BIN)/python -m tests.acceptance.gauntlet

faults: servers ## Kill, cut and fill everything 200 times (TAKEDOWN_FAULTS) by a schedule (TAKEDOWN_FAULTS_SEED), and hold the ledger against a clean fold
	@scripts/libfaketime >/dev/null || true
	@$(BIN)/python -m tests.faults

overload: servers ## Ten times the sustained rate for ten minutes: memory, looks, backlog, recovery
	@$(BIN)/python -m tests.faults overload

soak: servers ## A steady load for an hour: memory and descriptors stay where they are
	@$(BIN)/python -m tests.faults soak

deployment: servers ## Build the image, run every role of compose.yaml in it, check the chart and the units (Debian 12, root, Go)
	@$(BIN)/python -m tests.deployment

test: servers tools ## Run every test on real Kafka, Postgres and Prometheus
	@# The gauntlet by itself: its hours last three seconds, so that other tests beside it would be its delays.
	@$(BIN)/python -m pytest -q tests/acceptance/test_gauntlet.py
	@# Most tests wait more than they work: four workers keep two cores busy. The folders with long tests first: the end
	@# would wait for them. The other plays run in one row, and what runs beside them yields to them (tests/turns.py).
	@$(BIN)/python -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder --durations=12 \
	    --ignore tests/acceptance/test_gauntlet.py \
	    tests/acceptance tests/operations tests/integration tests/realservers tests/contract tests/unit

check: $(VENV)/.ready ## Lint, types, imports and unit tests: under a minute, no server
	@$(MAKE) --no-print-directory lint types unit

lint: $(VENV)/.ready
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .

types: $(VENV)/.ready
	@$(BIN)/mypy

unit: $(VENV)/.ready
	@$(BIN)/python -m pytest -q -n 2 tests/unit

promtool: tools ## Build the newest promtool (Go 1.26.7 or newer; 1 GB of modules, some minutes, once), and judge rules and metrics by it too
	@PROMTOOL="$$(scripts/newest-promtool)" $(BIN)/python -m pytest -q -n 0 tests/operations/test_monitoring.py

fuzz: servers ## Fuzz each reader of foreign bytes (FUZZ_MINUTES=1 each, FUZZ=names), then send 10,000 requests to the intake
	@$(BIN)/python -m tests.fuzzing --minutes $(or $(FUZZ_MINUTES),1) $(FUZZ)
	@$(BIN)/python -m tests.contract.intake_fuzz 10000

bench: servers tools ## Run the benchmarks, print their figures, write build/bench.json
	@$(BIN)/python -m tests.benchmarks

format: $(VENV)/.ready
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --fix --quiet .

artefacts: $(VENV)/.ready ## Write the generated files anew (schemas, references, dashboard)
	@$(BIN)/python -m scripts.write_artefacts

sbom: $(VENV)/.ready ## Write build/sbom.json: packages and jars with their hashes, as CycloneDX
	@$(BIN)/python -m scripts.sbom

audit: $(VENV)/.ready ## Compare the locked packages with known faults (pip-audit; where its service is out of reach an old copy, and never success)
	@scripts/audit "$(BIN)/python"

lock: ## Write the lock files anew (needs uv)
	@requirements/lock

clean: ## Remove what make made in this folder
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
