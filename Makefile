# `make help` lists the commands. PYTHON chooses the interpreter that .venv is made with (3.11 or newer).
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup train test lint tensorboard bench clean

help:  ## Show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: $(READY)  ## Create .venv and install Paribus from the pinned constraints

# torch first and by exact version, so that no other package's requirement can choose another build.
$(READY): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Paribus needs Python 3.11 or newer; choose one with: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check $$(grep '^torch==' constraints.txt) -c constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check hatchling editables -c constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation -c constraints.txt -e '.[dev]'
	@touch $(READY)

train: setup  ## Train the main experiment (digits_cnn) to a tested model; ARGS="..." adds overrides
	$(BIN)/paribus train $(ARGS)

test: setup  ## Run the tests
	$(BIN)/pytest -n 2 --dist worksteal $(ARGS)

lint: setup  ## Check style, types and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

tensorboard: setup  ## Show all runs in TensorBoard
	$(BIN)/tensorboard --logdir outputs

bench: setup  ## Measure speed and write docs/benchmarks.md
	$(BIN)/python scripts/benchmark.py

clean:  ## Remove .venv and caches; runs in outputs/ and data/ stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
