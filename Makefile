# make demo and make test need only Python 3.10 to 3.13, make and the package registries.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
FILES ?= recipes/english/samples

.PHONY: demo test test-oldest figures check bench clean

# What is said in the recordings that ship with the project, or in yours: make demo FILES=talk.wav
demo: $(VENV)/.installed
	$(BIN)/asr transcribe $(FILES)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2

# The decoder alone, with the oldest numpy that it works with
test-oldest: $(VENV)-oldest/.installed
	$(VENV)-oldest/bin/python -m pytest -q tests/decode/test_decoder.py tests/decode/test_batch.py

# The figures of README and cards, as far as that takes minutes; speech: ASR_CORPORA, else ../shared/corpora
figures: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --run-slow tests/test_figures.py

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.installed-dev
	$(BIN)/python tools/benchmarks/training_step.py

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.installed

$(VENV)-oldest/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)-oldest
	$(VENV)-oldest/bin/python -m pip install --quiet "numpy==1.26.*" "numba>=0.60" pytest hypothesis
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-oldest build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
