# Everything runs in .venv, which the first target that needs it makes (tools/setup.sh). `make help` lists the targets.
SHELL := /bin/bash
BIN := .venv/bin
SOURCES := autodrive autodrive_nodes optimus_nodes launch test tools setup.py
OUT ?= out

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format bench evaluate clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | column -t -s "$$(printf '\t')"

setup:  ## make or update .venv; does nothing when nothing changed
	@tools/setup.sh

demo: setup  ## drive the simulated car for 60 s by vision alone; results in out/demo
	@$(BIN)/autodrive run car --seed 101 --duration 60 --out $(OUT)/demo

test: setup  ## the whole test suite; make test ARGS="-k shm" narrows it
	@$(BIN)/python -m pytest $(ARGS)

lint: setup  ## ruff and mypy, as pre-commit runs them
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy

format: setup  ## rewrite the sources as ruff wants them
	@$(BIN)/ruff check --fix $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

bench: setup  ## where the time of one driving tick goes
	@$(BIN)/autodrive run car --duration 20 --out $(OUT)/bench --json

evaluate: setup  ## drive ten unseen seeds in the unseen town and print the means
	@$(BIN)/autodrive evaluate car --seeds 101-110 --out $(OUT)/evaluate

clean:  ## remove .venv and everything that was built or recorded
	rm -rf .venv build install log $(OUT) *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
