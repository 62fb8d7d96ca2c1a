PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo demo-tui test check bench bench-peers storm storm-fleet postgres crash browser fuzz tutorial partners spark clean

install: .venv/installed  ## Make .venv with everything that the other targets need.

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch .venv/installed

demo: install  ## The main job on simulated data: events in, a cohort to Mailchimp's sandbox, message events back.
	$(BIN)/hub demo

demo-tui: install  ## The terminal UI on the demo's home, with the sandbox running.
	$(BIN)/hub demo --tui

test: install  ## Every test that needs Python alone.
	$(BIN)/pytest -q -n auto

check: install  ## Style, types and import contracts.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install  ## Ratios against hand-written floors, in one run.
	$(BIN)/python -m benchmarks

bench-peers: install  ## A first delivery beside dlt and drt, which are installed into a folder of their own.
	$(BIN)/python -m benchmarks.syncing --only peers

storm: install  ## Slow: 300 runs to two partners killed at random instants in bad weather; each must end up with the cohort.
	$(BIN)/python -m checks.storm

storm-fleet: install  ## Slow: the same with three workers on a real PostgreSQL, of which one that runs a sync is killed 60 times.
	$(BIN)/python -m checks.storm --workers 3 --kills 60

postgres: install  ## Slow: the tests of what stands on the database, on a real PostgreSQL.
	HUB_TEST_DATABASE=postgresql $(BIN)/pytest -q -n 2 tests/store tests/sync tests/running tests/intake tests/people tests/inbound tests/connectors tests/cli tests/server plugins

crash: install  ## Slow: the server and its mover killed 200 times under load; every acknowledged event must be there once.
	$(BIN)/python -m checks.crash

browser: install  ## Slow, needs node and npm: the official mixpanel-browser against a hub.
	$(BIN)/python -m checks.browser

fuzz: install  ## Bytes from anywhere into the decoder for a minute; led by coverage with the extra `fuzz`.
	$(BIN)/python -m checks.fuzz

partners: install  ## Slow: the page of each partner word for word, against its sandbox, in a home of its own.
	$(BIN)/python -m checks.partners

tutorial: install  ## Slow, needs the package registry: the plugin tutorial word for word, and the example package, in a clean environment.
	$(BIN)/python -m checks.tutorial

spark: install  ## Slow, needs Java 17: a real cluster of Spark beside DuckDB; both must name the same people.
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,spark]'
	$(BIN)/python -m checks.spark

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache
