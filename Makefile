SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON = $(shell actions/setup.sh --dev)
RUN = PYTHONPATH=$(CURDIR) $(PYTHON)
# Where it is set, each of the thousands of commands that the tests start would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE
# Where unit and contract tests have their temp folders, thousands of them, for a moment each; they take half a GiB.
memory = $(shell df --block-size=1G --output=avail /dev/shm 2>/dev/null | awk 'NR == 2 && $$1 >= 2 { print "PYTEST_DEBUG_TEMPROOT=/dev/shm" }')
# The test files of a folder whose names hold what `only` says.
files = $(or $(wildcard tests/$(1)/test_*$(only)*.py),$(error tests/$(1) has no test_*$(only)*.py))

.PHONY: help demo test check unit slow contract e2e lint format fix golden pictures bench docs lock modules clean

help: ## what can be made
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: ## the whole chain on this machine, no account needed
	@$(RUN) -m s3c_lab demo

test: lint unit slow contract e2e ## everything CI runs

check: ## format, lint, types and import rules: seconds
	@$(RUN) -m tools.lint --quick

unit: ## the quick loop: no network, no programs (k=gate: those named so, slow ones too)
	@$(memory) $(RUN) -m pytest tests/unit --numprocesses 2 $(if $(k),-k '$(k)',-m 'not slow')

slow: ## the unit tests that `unit` leaves out
	@$(memory) $(RUN) -m pytest tests/unit --numprocesses 2 -m slow

# Three processes for the two cores of a runner: these tests wait a lot, for programs, a cluster, certificates that expire.
contract: ## recorded outputs, schemas, the actions under act (only=registry: some files)
	@$(memory) $(RUN) -m pytest $(if $(only),$(call files,contract),tests/contract) --numprocesses 3 --dist worksteal

# One process for each of two nodes and for the runner, and one for the rest.
e2e: ## the real programs on the lab
	@$(RUN) -m s3c_lab prepare # builds show their progress here, and take no processor from the tests
	@$(RUN) -m pytest tests/e2e --numprocesses 4

lint: ## ruff, mypy, import rules, actionlint, zizmor
	@$(RUN) -m tools.lint

format: ## rewrite the code as lint wants it
	@$(RUN) -m ruff format . && $(RUN) -m ruff check --fix .

fix: docs format ## whatever of lint a program can fix: generated files, code

golden: ## write the golden files of what people see anew
	@S3C_GOLDEN=write $(RUN) -m pytest tests/unit/report/test_golden.py

pictures: ## take the pictures of the documentation anew
	@$(RUN) -m tools.pictures

bench: ## our own time beside the bare programs' (only=scan,sign: some rows; images=6: of only=jobs)
	@$(RUN) -m tools.bench $(if $(only),--only $(only)) $(if $(images),--images $(images))

docs: ## write the generated parts of the READMEs and action.yml files anew
	@$(RUN) -m tools.docs && $(RUN) -m tools.licenses

lock: ## resolve the dependencies anew, with hashes
	@tools/lock.sh

modules: ## resolve the Go modules of the programs anew, with checksums
	@$(RUN) -m tools.modules

clean: ## remove what was made in the checkout (the cache stays)
	@rm -rf s3c-out .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis && find . -name __pycache__ -type d -prune -exec rm -rf {} +
