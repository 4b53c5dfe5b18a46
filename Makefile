# make demo and make test need only Python 3.10 to 3.13, make and the package registries.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
FILES ?= recipes/english/samples
# The versions that are known to work together with this Python
KNOWN := constraints/python$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])').txt
INSTALL := -m pip install --quiet --disable-pip-version-check

.PHONY: demo training whisper test test-base test-cluster test-oldest test-newest figures check bench docs dist test-dist constraints clean

# Transcribes the recordings that come with the project, or yours: make demo FILES=talk.wav
demo: $(VENV)/.installed
	$(BIN)/asr transcribe $(FILES)

# Adds what training and evaluation need, PyTorch for one
training: $(VENV)/.installed-train

# Adds what models on a Whisper encoder need, such as english-tiny
whisper: $(VENV)/.installed-whisper

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2

# Without torch: the tests of what runs a model; the others are skipped
test-base: $(VENV)-base/.installed
	$(VENV)-base/bin/python -m pytest -n 2

# Ray and a server of S3 on this machine; `make test` skips these
test-cluster: $(VENV)/.installed-cluster
	$(BIN)/python -m pytest tests/cluster tests/test_remote.py

# The decoder alone, with the oldest supported numpy
test-oldest: $(VENV)-oldest/.installed
	$(VENV)-oldest/bin/python -m pytest -q tests/decode/test_decoder.py tests/decode/test_batch.py

# The newest version of everything, for MINUTES; reports what broke and never fails: nothing here has changed then
MINUTES ?= 5
test-newest:
	$(PYTHON) tools/try_newest.py $(VENV)-newest --minutes $(MINUTES)

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

# Wheel and source archive
DIST ?= dist
dist: | $(BIN)/python
	$(BIN)/python $(INSTALL) build hatchling
	rm -rf $(DIST)
	$(BIN)/python -m build --no-isolation --outdir $(DIST)

# Installs both in fresh environments, which download what they need, and transcribes with them
test-dist: dist
	$(BIN)/python $(INSTALL) pytest packaging tomli
	ASR_DIST=$(abspath $(DIST)) $(BIN)/python -m pytest --noconftest -q tests/test_distribution.py

# Renews the record of known versions; tools/renew_constraints.py says how
constraints: | $(BIN)/python
	$(BIN)/python $(INSTALL) uv
	$(BIN)/python tools/renew_constraints.py

constraints/python.txt:
	@echo "there is no $(PYTHON); asr needs Python 3.10 to 3.13: make PYTHON=python3.13 ..." >&2; exit 1

constraints/python%.txt:
	@echo "asr needs Python 3.10 to 3.13, and $(PYTHON) is $*; name another: make PYTHON=python3.13 ..." >&2; exit 1

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# pip compiles one file after the other, and some environments forbid Python to keep what it compiles at the first start.
$(VENV)/.installed: pyproject.toml $(KNOWN) | $(BIN)/python
	$(BIN)/python $(INSTALL) --no-compile --constraint $(KNOWN) --editable .
	-$(BIN)/python -m compileall -q -j 0 $(VENV)/lib asr
	touch $@

$(VENV)/.installed-train: pyproject.toml $(KNOWN) | $(BIN)/python
	@echo "installing PyTorch and others, up to 5 GB: this takes a minute or more"
	$(BIN)/python $(INSTALL) --constraint $(KNOWN) --editable '.[train]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-whisper: pyproject.toml $(KNOWN) | $(BIN)/python
	$(BIN)/python $(INSTALL) --constraint $(KNOWN) --editable '.[whisper]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: pyproject.toml $(KNOWN) | $(BIN)/python
	$(BIN)/python $(INSTALL) --constraint $(KNOWN) --editable '.[dev]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-cluster: $(VENV)/.installed-dev
	$(BIN)/python $(INSTALL) --constraint $(KNOWN) --editable '.[test-cluster]'
	touch $@

$(VENV)/.installed-docs: pyproject.toml $(KNOWN) | $(BIN)/python
	$(BIN)/python $(INSTALL) --constraint $(KNOWN) --editable '.[docs]'
	touch $@ $(VENV)/.installed

$(VENV)-base/.installed: pyproject.toml $(KNOWN)
	$(PYTHON) -m venv $(VENV)-base
	$(VENV)-base/bin/python $(INSTALL) --constraint $(KNOWN) --editable '.[test]'
	touch $@

$(VENV)-oldest/.installed: pyproject.toml $(KNOWN)
	$(PYTHON) -m venv $(VENV)-oldest
	grep -v '^numpy==' $(KNOWN) > $(VENV)-oldest/known.txt
	$(VENV)-oldest/bin/python $(INSTALL) --constraint $(VENV)-oldest/known.txt "numpy==1.26.*" numba pydantic PyYAML pytest hypothesis
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-base $(VENV)-oldest $(VENV)-newest build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
