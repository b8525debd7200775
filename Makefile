# Two commands do all the set-up: `make demo` and `make test`.
# Needed beforehand: git, make, python3 >= 3.11 (as root on Debian, missing parts are installed).

PYTHON ?= python3
JOBS ?= 2
ROUNDS ?= 500
SEED ?= 1
VENV := .venv
BIN := $(VENV)/bin
# Where gitexp lies beside a foreign Git environment (a hook, a rebase) nothing of it may leak in.
unexport GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE

.PHONY: help demo test test-fast test-all test-chaos lint bench docs clean

help:  ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: $(VENV)/.installed  ## the README's example on a clone below build/demo
	@sh scripts/demo.sh

test: lint  ## what CI runs: lint and the suite, with samples of its sweeps
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

test-fast: $(VENV)/.installed-dev  ## the suite without tests over two seconds
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not slow"

test-all: lint demo bench  ## everything: the suite with every case, the example, the benchmarks
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --all

test-chaos: $(VENV)/.installed-dev  ## kill at random, 500 times; ROUNDS, SEED
	$(BIN)/python -m tests.chaos --rounds $(ROUNDS) --seed $(SEED)

lint: $(VENV)/.installed-dev  ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy examples/churn/prepare.py examples/churn/featurize.py \
		examples/churn/train.py examples/churn/evaluate.py
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.installed-dev  ## ratios against the tools beside us; BENCH=--full takes long
	$(BIN)/python benchmarks/bench.py $(BENCH)

docs: $(VENV)/.installed-dev  ## write the generated pages of docs/ anew
	$(BIN)/python docs/generate.py

clean:  ## remove what `make` made
	rm -rf $(VENV) build dist

$(VENV)/bin/python:
	sh scripts/make_venv.sh "$(PYTHON)" $(VENV)

# Not --quiet: it takes minutes, and what is downloaded is the only sign of life.
$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --disable-pip-version-check --editable .
	touch $@

# --group is understood from pip 25.1 on.
$(VENV)/.installed-dev: $(VENV)/.installed pyproject.toml
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --group dev
	@sh scripts/test_packages.sh
	touch $@
