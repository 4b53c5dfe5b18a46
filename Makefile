# make demo and make test need only Python 3.10 to 3.13, make and the package registries.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
FILES ?= recipes/english/samples

.PHONY: demo test test-oldest figures check bench docs clean

# Transcribes the recordings that come with the project, or yours: make demo FILES=talk.wav
demo: $(VENV)/.installed
	$(BIN)/asr transcribe $(FILES)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2

# The decoder alone, with the oldest supported numpy
test-oldest: $(VENV)-oldest/.installed
	$(VENV)-oldest/bin/python -m pytest -q tests/decode/test_decoder.py tests/decode/test_batch.py

# The figures of README and model cards that can be repeated in minutes; corpora: ASR_CORPORA, else ../shared/corpora
figures: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --run-slow tests/test_figures.py

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.installed-dev
	$(BIN)/python tools/benchmarks/training_step.py

# The documentation site, in build/site
docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@ $(VENV)/.installed

$(VENV)-oldest/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)-oldest
	$(VENV)-oldest/bin/python -m pip install --quiet "numpy==1.26.*" "numba>=0.60" pydantic PyYAML pytest hypothesis
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-oldest build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
