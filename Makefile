# Set-up, running and checking. `make` alone tells what there is.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup setup-test run test faults looks bench format lock python

help: ## this list
	@echo "make TARGET [PYTHON=python3.12] [SETTING=value …]"
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

run: setup ## set up, build the pages, and serve portal, API and jobs
	@exec $(BIN)/python -m app serve

test: setup-test ## set up, then every check and test; one summary at the end
	@exec $(BIN)/python scripts/check.py

faults: setup-test ## the fault tests with their full counts
	@FAULT_COUNT=20 exec $(BIN)/python scripts/check.py faults outages models

looks: setup-test ## the browser tests, each page in both colours at both widths
	@ALL_LOOKS=1 exec $(BIN)/python scripts/check.py pages browser

bench: setup-test ## the benchmarks, beside floors and peers; also in var/bench/latest.json
	@exec $(BIN)/python -m bench $(BENCH)

setup: python ## only .venv/, as `make run` makes it
	@$(PYTHON) scripts/setup.py

setup-test: python ## .venv/ with the tests' tools too
	@$(PYTHON) scripts/setup.py --dev

format: setup-test ## put the code into the agreed form
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock: setup ## renew reflex.lock/ after Reflex or the pages' components changed
	@$(BIN)/python -m app.ui.build --relock

python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing. Install it with: apt-get install python3 python3-venv" >&2; exit 1; }
