# The targets only call programs; most of them are in toolchain/. `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
# Images of your own are a model of their own, in a stack of its own: both have the name of the images' folder or file.
ifdef IMAGES
MODEL ?= $(shell basename "$$(cd "$(IMAGES)" 2>/dev/null && pwd || echo "$(IMAGES)")" | sed -E 's/\.[A-Za-z]+$$//; s/[^A-Za-z0-9._-]+/-/g; s/^[^A-Za-z0-9]+//; s/[^A-Za-z0-9]+$$//')
ifeq ($(origin STACK),undefined)
ifneq ($(shell cd stacks && test ! -e "Pulumi.$(MODEL).yaml" || grep -qE "^ +\"?$(MODEL)\"?:" "Pulumi.$(MODEL).yaml" || echo other),)
$(error there is a stack $(MODEL) already, without such a model: rename the images' folder, or say which stack: make … IMAGES=$(IMAGES) STACK=$(MODEL))
endif
STACK := $(MODEL)
endif
endif
# The stack `local` holds the example `textile`; every other example has a stack of its own name.
EXAMPLE ?= textile
STACK ?= $(patsubst textile,local,$(EXAMPLE))
ifeq ($(wildcard examples/$(EXAMPLE).py),)
$(error there is no example $(EXAMPLE); choose from $(patsubst examples/%/README.md,%,$(wildcard examples/*/README.md)))
endif
ARGS ?=
BIN := .venv/bin
# A stack without a policy configuration of its own uses that of prod.
POLICY_CONFIG = $(firstword $(wildcard policy/config/$(STACK).json) policy/config/prod.json)
# Whether the stack runs on this machine, according to its file; `make up IMAGES=…` creates it for this machine.
STACK_FILE = stacks/Pulumi.$(STACK).yaml
LOCAL = $(if $(wildcard $(STACK_FILE)),$(shell grep -sE "^ *vision-customization:platform: *[\"']?local" $(STACK_FILE)),$(IMAGES))
POLICY = $(if $(LOCAL),,--policy-pack .vision/policy --policy-pack-config $(POLICY_CONFIG))

# For commands that are for stacks in Azure alone: a mistyped name must not make a stack of its own.
IN_AZURE = $(if $(wildcard $(STACK_FILE)),,echo "$(STACK_FILE) does not exist. Name a stack that has a file."; exit 1;) \
	$(if $(LOCAL),echo "make $@ is for stacks in Azure. Name one: make $@ STACK=dev"; exit 1;)

# Image names are lower-case; repository names need not be.
VERSION ?= dev
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
REGISTRY ?= localhost/vision-customization
IMAGE ?= $(shell printf %s "$(REGISTRY)/vision-engine:$(VERSION)" | tr '[:upper:]' '[:lower:]')

.PHONY: help
help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort -t : -k 1,1 | awk -F ':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'
	@echo
	@echo "  IMAGES=my-photos declares a model of your own images first, in a stack of its own: make up IMAGES=my-photos."
	@echo "  EXAMPLE=detection chooses that example instead of textile, STACK=name that stack instead of local;"
	@echo "  ARGS='…' is passed on to pytest, the benchmark or pulumi."

# Only other targets call it, so it has no line in the list.
.PHONY: python
python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 9))' || \
		{ echo "make needs Python 3.9 or later as python3. Name one: make PYTHON=/path/to/python3 …"; exit 1; }

.PHONY: setup
setup: python ## Install everything that the stack needs into .venv and the cache.
	@$(PYTHON) -m toolchain.setup --stack $(STACK) $(if $(LOCAL),,--azure)

.PHONY: setup-all
setup-all: python ## Like setup, and also install what the tests and the stacks in Azure need.
	@$(PYTHON) -m toolchain.setup --azure

.PHONY: new
new: setup ## Declare a model of the labelled images in IMAGES, in a stack of its own: vision new.
	@$(if $(IMAGES),,echo "make new needs your images: make new IMAGES=my-photos"; exit 1;) \
		$(BIN)/vision new "$(MODEL)" --images "$(IMAGES)" --stack "$(STACK)" $(NEW_ARGS)

.PHONY: up
up: NEW_ARGS := --no-next
up: setup $(if $(IMAGES),new) ## Create or update the stack (local or Azure), train, evaluate and publish: pulumi up.
	@$(BIN)/python -m toolchain.stacks.stack create --stack $(STACK)
	@$(BIN)/pulumi up --yes --suppress-outputs --stack $(STACK) $(POLICY) $(ARGS) || \
		{ echo; echo "$(if $(LOCAL),Logs of the local platform: .vision/$(STACK)/*/log.txt. )Run \`make up\` again to continue."; exit 1; }
	@$(BIN)/python -m toolchain.stacks.stack show --stack $(STACK)

.PHONY: bootstrap
bootstrap: setup ## Create a stack in Azure without the steps that need a way into its private network; then connect, and run `make up`.
	@$(IN_AZURE) $(BIN)/python -m toolchain.stacks.stack create --stack $(STACK)
	@$(BIN)/pulumi up --yes --suppress-outputs --stack $(STACK) $(POLICY) --exclude-dependents --exclude '**BlobAccess**' $(ARGS)
	@echo "Connect this machine, or the runner, to the stack's network. Then run: make up STACK=$(STACK)"

.PHONY: preview
preview: setup ## Show what `make up` would do, and why; also writes .vision/<stack>/preview.md.
	@$(BIN)/python -m toolchain.stacks.stack create --stack $(STACK)
	@$(BIN)/python -m pipeline preview --stack $(STACK) $(POLICY) $(ARGS)

.PHONY: drift
drift: setup ## List what changed outside Pulumi since the last update; fails if anything did.
	@$(BIN)/python -m pipeline drift --stack $(STACK) $(ARGS)

.PHONY: refresh
refresh: setup ## Record changes made outside Pulumi in the stack's state; changes nothing else.
	@$(BIN)/pulumi refresh --yes --stack $(STACK) $(ARGS)

.PHONY: cost
cost: setup ## Estimate what a stack in Azure costs a month, by list prices; asks Azure nothing.
	@$(BIN)/python -m pipeline cost --stack $(STACK)

.PHONY: smoke
smoke: setup ## Bring a stack up in Azure, use it, take it down, and look for what is left; KEEP=1 keeps it, CLEAN=1 destroys what a run left.
	@$(IN_AZURE) $(BIN)/python -m toolchain.stacks.stack create --stack $(STACK)
	@$(BIN)/python -m pipeline smoke --stack $(STACK) $(if $(KEEP),--keep) $(if $(CLEAN),--clean) $(POLICY) $(ARGS)

.PHONY: comment
comment: setup ## Write the last preview to a comment of the pull request PULL_REQUEST.
	@$(BIN)/python -m pipeline comment --stack $(STACK) --pull-request "$(PULL_REQUEST)"

.PHONY: drift-issue-open drift-issue-close
drift-issue-open: setup ## Write the last drift check to an issue.
	@$(BIN)/python -m pipeline issue-open --stack $(STACK)
drift-issue-close: setup ## Close the issue that drift-issue-open wrote.
	@$(BIN)/python -m pipeline issue-close --stack $(STACK)

.PHONY: show
show: setup ## Print the stack's endpoint, models and datasets, and a curl command to try it.
	@$(BIN)/python -m toolchain.stacks.stack show --stack $(STACK)

.PHONY: studio
studio: setup ## Open the stack's web pages in a browser, signed in: vision studio.
	@$(BIN)/vision studio --stack $(STACK) $(ARGS)

.PHONY: screenshots
screenshots: setup browser ## Take pictures of every page of the Studio of a local stack that is up.
	@$(BIN)/python -m toolchain.browser.studio_pictures --stack $(STACK) $(ARGS)

.PHONY: policy
policy: setup ## List the deployed resources, and their violations of the policy pack.
	@$(BIN)/pulumi stack export --stack $(STACK) | $(BIN)/python -m policy.report /dev/stdin --config $(POLICY_CONFIG)

.PHONY: down
down: setup ## Destroy the stack, and stop all its processes.
	@status=0; $(BIN)/python -m toolchain.stacks.stack exists --stack $(STACK) || status=$$?; \
		if [ $$status = 0 ]; then $(BIN)/pulumi destroy --yes --stack $(STACK) $(ARGS) || exit 1; fi; \
		$(BIN)/python -m vision_customization.components.local.leftovers .vision/$(STACK) && { [ $$status = 0 ] || [ $$status = 3 ]; }

.PHONY: image image-digest
image: ## Build the engine's image; PUSH=1 pushes it, with its SBOM and provenance.
	@mkdir -p .vision
	@docker buildx build --tag "$(IMAGE)" --build-arg VERSION="$(VERSION)" --build-arg REVISION="$(REVISION)" \
		$(if $(PUSH),--push --sbom=true --provenance=mode=max,--load) --metadata-file .vision/image.json .
image-digest: ## Print the name and digest of the image built last.
	@$(PYTHON) -c 'import json; image = json.load(open(".vision/image.json")); \
		print("name=" + image["image.name"].rpartition(":")[0], "digest=" + image["containerimage.digest"], sep="\n")'

.PHONY: dist release-notes
dist: python ## Build the source archive and the wheel into dist/; TAG=v1.2.3 must be their version.
	@$(PYTHON) -m toolchain.setup --only studio
	@$(PYTHON) -m toolchain.publishing.release dist --tag "$(TAG)"
release-notes: python ## Write what CHANGELOG.md says of the version that TAG names to .vision/release-notes.md.
	@mkdir -p .vision
	@$(PYTHON) -m toolchain.publishing.release notes --tag "$(TAG)" > .vision/release-notes.md

.PHONY: github-release
github-release: release-notes ## Publish the release of TAG on GitHub, with the files in dist/ and its notes.
	@gh release create "$(TAG)" dist/vision_customization-* --verify-tag --title "$(TAG)" --notes-file .vision/release-notes.md

# Each process of a test run collects all tests, which takes seconds more where no byte code may be kept.
PYTEST = env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest
# Workers run at the lowest priority, so their tests run alone, afterwards.
PARALLEL = --numprocesses auto --dist loadfile --no-loadscope-reorder
# pytest exits with 5 if no test was selected.
OR_NONE = [ $$? = 5 ]

.PHONY: test test-unit test-processes test-stacks test-azure
test: lint ## Lint, and run all tests; with CI=true also those that take minutes.
	@$(PYTEST) $(PARALLEL) $(ARGS) || $(OR_NONE)
	@$(PYTEST) --alone $(ARGS) || $(OR_NONE)
test-unit: setup-all ## Run the tests that start no engine, storage, database, browser or Pulumi.
	@$(PYTEST) $(PARALLEL) --ignore tests/stacks/azure -m "not (stack or process or postgresql or browser)" $(ARGS)
test-processes: setup-all ## Run the tests that start the engine, Azurite, PostgreSQL or a browser.
	@$(PYTEST) $(PARALLEL) --ignore tests/stacks/azure -m "(process or postgresql or browser) and not stack" $(ARGS) || $(OR_NONE)
	@$(PYTEST) --alone $(ARGS) || $(OR_NONE)
test-stacks: setup-all ## Run the tests that run the Pulumi CLI, except those of Azure.
	@$(PYTEST) $(PARALLEL) --ignore tests/stacks/azure -m stack $(ARGS)
test-azure: setup-all ## Run the tests of the Azure stacks, against a stand-in for Azure.
	@$(PYTEST) $(PARALLEL) tests/stacks/azure $(ARGS)

.PHONY: postgresql
postgresql: ## Install PostgreSQL for the tests if it is missing; needs apt-get, and root or sudo.
	@.ci/postgresql

.PHONY: browser
browser: ## Install Chromium for the tests if it is missing; needs apt-get, and root or sudo.
	@.ci/chromium

.PHONY: lint
lint: setup-all ## Check style, format, spelling, types (also of the Studio's scripts) and the order of imports.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/codespell
	@$(BIN)/python -m toolchain.english
	@MYPY_CACHE_DIR="$$($(BIN)/python -c 'from common.cache_folder import cache_folder; print(cache_folder() / "mypy")')" $(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/tsc --project engine/studio/static

.PHONY: test-coverage
test-coverage: setup-all ## Run the tests of test-unit, and fail where they cover less than pyproject.toml says.
	@$(PYTEST) $(PARALLEL) --ignore tests/stacks/azure -m "not (stack or process or postgresql or browser)" \
		--cov --cov-report=term:skip-covered --cov-report=xml:.vision/coverage.xml $(ARGS)

.PHONY: docs
docs: setup-all ## Build the documentation's site into .vision/site; fails for a warning or a broken link.
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

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
clean: ## Remove the environment and everything that can be rebuilt; the stack must be down.
	@$(PYTHON) -m toolchain.clean
