# make demo and make test need only Python 3.10 to 3.13, make and the package registries.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
FILES ?= recipes/english/samples

.PHONY: demo test figures check bench clean

# What is said in the recordings that ship with the project, or in yours: make demo FILES=talk.wav
demo: $(VENV)/.installed
	$(BIN)/asr transcribe $(FILES)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2

# The figures of README and cards, as far as that takes minutes; speech: ASR_CORPORA, else ../shared/corpora
figures: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --run-slow tests/test_figures.py

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.installed-dev
	$(BIN)/python tools/benchmark_training.py

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
