# `make demo` and `make test` set up all they need in .venv. Python ≥ 3.11 and make are the only requirements.
PYTHON ?= python3
BIN := .venv/bin
PINS := .ci/constraints.txt
.DEFAULT_GOAL := help
.PHONY: help demo test quick browser coverage below fuzz peers bench pictures lint docs clean
PYTEST := $(BIN)/python -m pytest
PARALLEL := -n auto --maxprocesses 4 --dist worksteal
FUZZ_SECONDS ?= 300
FUZZ_SEED ?= $(shell date +%s)

help:            ## list the targets
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/'

demo: .venv/app  ## train a small residual CNN on handwritten digits; see runs/digits/report.html
	$(BIN)/minigrad train

test: .venv/dev  ## run every test, doctest and code block of the docs
	$(PYTEST) $(PARALLEL)

quick: .venv/dev ## run the tests that take less than a second each
	$(PYTEST) $(PARALLEL) -m "not slow"

browser: .venv/dev  ## build the page of mg.explain again, and drive it in Chromium; brings npm's packages and chromium
	tests/browser/run $(BIN)/python

coverage: .venv/dev ## run the tests twice as slowly, and list the lines and branches that none of them took
	$(PYTEST) $(PARALLEL) --cov --cov-report=term-missing

below: .venv/dev ## run what depends on the processor with fewer vector features than it has
	$(BIN)/python tests/processor.py $(PYTEST) $(PARALLEL) -m processor

fuzz: .venv/peers  ## draw new cases for FUZZ_SECONDS, from FUZZ_SEED on
	FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_SEED=$(FUZZ_SEED) $(PYTEST) $(PARALLEL) -m generated --keep-duplicates minigrad tests tests/peers/test_programs.py

peers: .venv/peers  ## compare with PyTorch
	$(PYTEST) $(PARALLEL) tests/peers

bench: .venv/bench  ## time minigrad beside its peers; ARGS="--repeat 3 --write" renews docs/performance.md
	$(BIN)/python tests/bench $(ARGS)

pictures: .venv/pictures  ## draw four models by minigrad and by others; renews docs/pictures_compared.md; needs dot and chromium
	$(BIN)/python tests/peers/pictures.py

lint: .venv/dev  ## format, style, types, floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/dev  ## renew the documents that tests write, where they are stale, and run every code block
	MINIGRAD_WRITE_DOCS=1 $(PYTEST) $(PARALLEL) tests/test_certificate.py tests/test_array_api.py tests/test_numpy.py tests/lab/test_lecture.py tests/optim/test_hyperparameters.py tests/test_docs.py

clean:           ## remove the environment, runs and caches
	rm -rf .venv .coverage runs .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/base:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "minigrad needs Python 3.11 or newer, this is %d.%d; run: make PYTHON=python3.12" % v[:2])'
	@echo "Setting up .venv: a minute or two, most of it NumPy, Numba and what the reports need"
	$(PYTHON) -m venv .venv
	@touch $@

.venv/app: pyproject.toml $(PINS) | .venv/base
	$(BIN)/pip install --disable-pip-version-check --progress-bar off -c $(PINS) -e '.[app]'
	@touch $@

.venv/dev: pyproject.toml $(PINS) | .venv/base
	$(BIN)/pip install --disable-pip-version-check --progress-bar off -c $(PINS) -e '.[app,dev]'
	@touch $@ .venv/app

.venv/peers: .venv/dev
	$(BIN)/pip install --disable-pip-version-check --progress-bar off -c $(PINS) -e '.[app,dev,peers]'
	@touch $@

.venv/bench: .venv/peers
	$(BIN)/pip install --disable-pip-version-check --progress-bar off -c $(PINS) -e '.[app,dev,peers,bench]'
	@touch $@

.venv/pictures: .venv/peers
	$(BIN)/pip install --disable-pip-version-check --progress-bar off -c $(PINS) -e '.[app,dev,peers,pictures]'
	@touch $@
