# Everything here is thin: what it does stands in toolchain/. `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
STACK ?= local
ARGS ?=
BIN := .venv/bin
# A stack without a policy configuration of its own is held to that of prod.
POLICY_CONFIG = $(firstword $(wildcard policy/config/$(STACK).json) policy/config/prod.json)
POLICY = $(if $(filter local,$(STACK)),,--policy-pack .vision/policy --policy-pack-config $(POLICY_CONFIG))

.PHONY: help
help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'
	@echo
	@echo "  STACK=name chooses another stack than local; ARGS='…' goes on to pytest, the benchmark or pulumi."

.PHONY: python
python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 9))' || \
		{ echo "make needs a python3 of 3.9 or later to start with: make PYTHON=/path/to/python3 …"; exit 1; }

.PHONY: setup
setup: python ## Get everything that the stack needs into .venv and the cache, once.
	@$(PYTHON) -m toolchain.setup $(if $(filter local,$(STACK)),,--azure)

.PHONY: setup-all
setup-all: python
	@$(PYTHON) -m toolchain.setup --azure

.PHONY: up
up: setup ## Start the local platform, train, evaluate and publish: pulumi up.
	@$(BIN)/python -m toolchain.stack create --stack $(STACK)
	@$(BIN)/pulumi up --yes --suppress-outputs --stack $(STACK) $(POLICY) $(ARGS) || \
		{ echo; echo "Logs of the local platform: .vision/$(STACK)/*/log.txt. \`make up\` goes on where it stopped."; exit 1; }
	@$(BIN)/python -m toolchain.stack show --stack $(STACK)

.PHONY: preview
preview: setup ## Say what `make up` would do, and why.
	@$(BIN)/python -m toolchain.stack create --stack $(STACK)
	@$(BIN)/pulumi preview --stack $(STACK) $(POLICY) $(ARGS)

.PHONY: show
show: setup ## Print what the stack offers, and a curl to try it with.
	@$(BIN)/python -m toolchain.stack show --stack $(STACK)

.PHONY: policy
policy: setup ## Show what the stack has deployed, and what of it violates the policy pack.
	@$(BIN)/pulumi stack export --stack $(STACK) | $(BIN)/python -m policy.report /dev/stdin --config $(POLICY_CONFIG)

.PHONY: down
down: setup ## Destroy the stack; no process stays behind.
	@! $(BIN)/python -m toolchain.stack exists --stack $(STACK) || $(BIN)/pulumi destroy --yes --stack $(STACK) $(ARGS)
	@$(BIN)/python -m components.leftovers .vision/$(STACK)

.PHONY: test
test: lint ## Lint, types and all tests: what CI runs.
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: lint
lint: setup-all ## Lint, format check and types.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

.PHONY: format
format: setup ## Format the code and fix what ruff can fix.
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: bench
bench: setup ## Measure accuracy and speed.
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: lock
lock: setup-all ## Pin the latest packages that pyproject.toml and toolchain/locks allow.
	@$(BIN)/python -m toolchain.lock

.PHONY: clean
clean: ## Remove the environment and all that can be made again; the stack must be down.
	@$(PYTHON) -m toolchain.clean
