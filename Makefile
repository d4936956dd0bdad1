# Two commands do all the set-up each by itself: `make run` (the closed loop) and `make test`.
VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin
OUT ?= runs/household

.PHONY: run test lint types check check-loop setup clean

run: setup
	$(BIN)/a3t run --out $(OUT) $(ARGS)

test: setup
	$(BIN)/python -m pytest $(ARGS)

lint: setup
	$(BIN)/ruff check src tests
	$(BIN)/ruff format --check src tests
	$(BIN)/lint-imports

types: setup
	$(BIN)/mypy

check: lint types test check-loop

# The default loop in small, from an empty run directory.
check-loop: setup
	rm -rf runs/ci
	$(BIN)/a3t run recipes/household-small.toml --out runs/ci

setup: $(VENV)/.ready

# torch first and pinned: anything looser pulls gigabytes of CUDA packages on a CPU machine.
$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "a3t needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf runs .pytest_cache .mypy_cache .ruff_cache
