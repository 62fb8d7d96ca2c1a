PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo demo-tui test check bench storm clean

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

storm: install  ## Slow: fifty runs killed at random instants; the partner must end up equal to the cohort.
	$(BIN)/python -m checks.storm

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache
