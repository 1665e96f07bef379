# Everything runs in .venv, which the first target that needs it makes (tools/setup.sh). `make help` lists the targets.
SHELL := /bin/bash
BIN := .venv/bin
SOURCES := autodrive autodrive_nodes optimus_nodes launch test tools setup.py
OUT ?= out
DEMO_SEED ?= 111
FUZZ_S ?= 60
SAY ?= go to the green box

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format bench evaluate rtx gpu-check fuzz clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | column -t -s "$$(printf '\t')"

setup:  ## make or update .venv; does nothing when nothing changed
	@tools/setup.sh

demo: setup  ## the car drives 60 s by vision alone, then the humanoid does as it is told; results in out/demo
	@$(BIN)/autodrive run car --seed 101 --duration 60 --out $(OUT)/demo/car
	@$(BIN)/autodrive run humanoid --seed $(DEMO_SEED) --say "$(SAY)" --out $(OUT)/demo/humanoid

test: setup  ## the whole test suite, two files at a time; make test ARGS="-k shm" narrows it
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: setup  ## ruff and mypy, as pre-commit runs them
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy

format: setup  ## rewrite the sources as ruff wants them
	@$(BIN)/ruff check --fix $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

bench: setup  ## every benchmark beside its peer, a quarter of an hour; writes docs/performance.md
	@$(BIN)/autodrive bench all --page docs/performance.md

evaluate: setup  ## ten unseen seeds for the car, and ten for each kind of the humanoid's tasks; tables and means
	@$(BIN)/autodrive evaluate car --seeds 101-110 --out $(OUT)/evaluate/car
	@$(BIN)/autodrive evaluate humanoid --seeds 101-110 --task goto --out $(OUT)/evaluate/goto
	@$(BIN)/autodrive evaluate humanoid --seeds 101-110 --task bring --out $(OUT)/evaluate/bring

rtx: setup  ## build TensorRT-RTX engines of the shipped network, which needs no GPU; its package goes to build/rtx
	@$(BIN)/pip install --quiet --upgrade --target build/rtx -r requirements-gpu.txt
	@PYTHONPATH=build/rtx $(BIN)/python -m pytest test/test_engine_build.py

gpu-check: setup  ## all that needs a GPU: kernels, runtimes, latency; report in out/gpu (docs/engines.md: what to install)
	@$(BIN)/python -m autodrive.gpu_check --out $(OUT)/gpu

fuzz: setup  ## every parser of what comes from outside, FUZZ_S=60 seconds each; findings in out/fuzz; TARGETS="rig mcap" narrows it
	@$(BIN)/pip install --quiet --upgrade --only-binary :all: --target build/fuzz -r requirements-fuzz.txt || \
	  { echo "make fuzz: no wheel of atheris for this machine (Linux on x86_64 has one); skipped"; exit 0; }; \
	  PYTHONPATH=build/fuzz tools/fuzz.sh $(BIN)/python $(FUZZ_S) $(OUT)/fuzz $(TARGETS)

clean:  ## remove .venv and everything that was built or recorded
	rm -rf .venv build install log $(OUT) *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
