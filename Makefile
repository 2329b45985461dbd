# Every target makes or reuses .venv by itself; nothing but Python 3.11+, git and make is needed.
# PYTHON=/path/to/python3.12 chooses the interpreter, ARGS="..." adds arguments to demo, up, drill, scenarios, tests and bench.
# PROCESSES=0 runs the tests in one process, as a debugger wants it.

SHELL := /bin/sh
VENV ?= .venv
PROCESSES ?= 3
BIN := $(VENV)/bin
export VENV PYTHON
# Compiled modules are kept, also where the environment says no: else every process that a test, a drill or the stack
# starts compiles the whole house anew, and the tests rewrite each assertion once more in each process.
export PYTHONDONTWRITEBYTECODE :=
LOCKS := requirements.lock requirements-dev.lock sandbox/tryton/requirements.lock
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links
PYTEST := $(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup setup-run setup-dev demo up drill scenarios random-lives machine test test-long check docs lock bench bench-causes matrix histories clean bench-heavy bench-waiting bench-stock bench-stock-latency

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-19s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: setup-dev ## make .venv with everything for development

setup-run:
	@sh sandbox/install.sh run

setup-dev:
	@sh sandbox/install.sh dev

demo: setup-run ## 24 orders from storefront to ERP and back, checked to the cent
	@$(BIN)/orderwright demo $(ARGS)

up: setup-run ## the whole stack on this machine until Ctrl-C
	@$(BIN)/orderwright up $(ARGS)

drill: setup-run ## every failure drill in its quick size (minutes); one: make drill NAME=erp-down
	@$(BIN)/orderwright drill $(or $(NAME),all) --quick $(ARGS)

scenarios: setup-run ## the whole scenario catalogue on real systems (minutes); quick: make scenarios ARGS=--memory
	@$(BIN)/orderwright scenarios $(ARGS)

random-lives: setup-run ## lives that nobody wrote down, on real systems (minutes); ARGS="--random 100 --seed 7 --memory"
	@$(BIN)/orderwright scenarios $(or $(ARGS),--random 40)

test: setup-dev ## all tests but the long ones
	$(PYTEST) -m "not long and not drill" $(ARGS)

test-long: setup-dev ## the long ones: the whole house, fault matrices, Tryton's own ways, thousands of lives
	$(PYTEST) -m "long and not drill" $(ARGS)

check: setup-dev ## lint, types, import rules, docs, compose file, lock files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m config.documentation --check
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	@if grep -nE 'https?://|--(extra-)?index-url|--find-links|^-i ' $(LOCKS); then \
		echo "check: a lock file names an address; make it with 'make lock'" >&2; exit 1; fi
	@echo "check: all good"

docs: setup-dev ## write the generated parts of docs/ anew
	$(BIN)/python -m config.documentation

lock: setup-dev ## resolve the lock files anew (uses uv)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) --extra dev pyproject.toml -o requirements-dev.lock
	$(COMPILE) sandbox/tryton/requirements.in -o sandbox/tryton/requirements.lock

bench: setup-dev ## orders per second, latency, events and billable actions (minutes)
	$(BIN)/python -m bench.orders $(ARGS)

bench-causes: setup-dev ## healthy orders among 12 causes of trouble, each solved by one command (minutes)
	$(BIN)/python -m bench.causes $(ARGS)

bench-heavy: setup-dev ## events, billable actions and payload bytes of an order with much to it, beside the aims
	$(BIN)/python -m bench.heavy $(ARGS)

bench-waiting: setup-dev ## what 1,000 orders cost that wait in their return window: memory, cache, events
	$(BIN)/python -m bench.waiting $(ARGS)

bench-stock: setup-dev ## a full comparison of stock, 100,000 SKUs at 3 locations, against its throttle (20 minutes)
	$(BIN)/python -m bench.stock $(ARGS)

bench-stock-latency: setup-dev ## how soon stock shows in the store, and an order counts as in flight (5 minutes)
	$(BIN)/python -m bench.stock_latency $(ARGS)

matrix: setup-dev ## live through the whole fault matrix and write it into docs/fault-matrix.md (minutes)
	ORDERWRIGHT_WRITE_MATRIX=1 $(BIN)/python -m pytest tests/chaos/test_fault_matrix.py tests/chaos/test_stock_faults.py tests/chaos/test_wire_matrix.py $(ARGS)

machine: setup-dev ## random lives of orders against a simple model, 50,000 of them (an hour)
	$(BIN)/python -m tests.machine $(ARGS)

histories: setup-dev ## record workflow histories for tests/replay anew; read CONTRIBUTING first
	$(BIN)/python -m tests.replay.record $(ARGS)

clean: ## remove .venv, var/ (every local order!) and caches
	rm -rf $(VENV) var build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
