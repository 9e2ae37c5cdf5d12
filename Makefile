# Everything a fresh Debian or Ubuntu needs is Python 3.11+ with venv, and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PINS   := --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet

.DELETE_ON_ERROR:
.PHONY: run test lint types unit crash-test storm-test browser-test pictures requirements clean

run: $(VENV)/.run  ## the whole scenario, offline
	$(BIN)/python run.py config/local.yaml --non-interactive --cleanup=all

test: lint types unit  ## what CI runs

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy
	cd lambda && ../$(BIN)/mypy --strict *.py

unit: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto

crash-test: $(VENV)/.dev  ## kill the command at each of its AWS calls, and see it end well; takes half an hour
	$(BIN)/python tests/crash/harness.py

storm-test: $(VENV)/.dev  ## a fifth of all calls fails, AWS's slow truths are on, 20 seeds
	$(BIN)/python tests/storm/harness.py --seeds 1-20

browser-test: $(VENV)/.dev  ## the report in headless Chromium; needs chromium and chromium-driver
	$(BIN)/python -m pytest -rs tests/browser --screenshots build/screenshots

pictures: $(VENV)/.run  ## needs graphviz and fonts-liberation
	$(BIN)/python -m docs.pictures

resources/GeoSpatialPipeline.json: pipeline_templates/reverse_geocoding.json.j2 $(VENV)/.run
	$(BIN)/python -m geopipe_runner.pipeline.guide > $@

requirements: $(VENV)/.dev  ## renew the pins (hashes, no URLs)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile $(PINS) --extra emulator --extra parquet --extra report pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile $(PINS) --all-extras -c requirements/run.txt pyproject.toml -o requirements/dev.txt

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache

# Debian's python3 has the module venv but not what it needs, and fails half way: nothing of that may stay.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "$(PYTHON) is not Python 3.11 or later. Name one that is: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	echo "$(PYTHON) cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(VENV)/.run: $(VENV)/bin/python requirements/run.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	touch $@
