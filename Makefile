# Targets for people, pre-commit and CI alike.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench protos lock clean

help: ## print what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with everything that is needed

$(STAMP): requirements.txt pyproject.toml setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt
	PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## serve four drawn cameras over changing links, and show how it went
	$(BIN)/moonjelly demo --out runs/demo

test: setup ## run the whole test suite
	$(BIN)/python tests/run_all.py

lint: setup ## check style, types, import layers and generated code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python protos/generate.py --check

bench: setup ## run the benchmarks, results under benchmarks/results/
	$(BIN)/python benchmarks/run_all.py

protos: setup ## make the code in src/protos/ from protos/
	$(BIN)/python protos/generate.py

# The CUDA packages stay out of the lock: torch names its own where the index in use offers a CUDA build.
lock: ## pin requirements.txt from pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --no-header --no-annotate --extra dev --extra ssh --extra openvino --allow-unsafe \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file requirements.txt pyproject.toml
	sed -i -E -e '/^(cuda-|nvidia-|triton)/d' -e 's/\+cpu$$//' requirements.txt

clean: ## remove what was made here, the environment included
	rm -rf $(VENV) runs .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
