# Two commands: `make run` and `make test`. Both stand on `make setup`, which does nothing when nothing has changed.
SHELL := bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

BIN := .venv/bin
# Named after what was installed, and where: a changed pin or a moved checkout is set up again.
INSTALLED := .venv/installed-$(shell (pwd; cat pyproject.toml requirements.lock) | cksum | cut -d ' ' -f 1)
SUITABLE := import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
# The first Python that really runs (a pyenv shim may not), is 3.11 to 3.13 and can make virtual environments.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c '$(SUITABLE)' 2> /dev/null && echo "$$python" && break; done)
NO_PYTHON := PEFT Atlas needs Python 3.11, 3.12 or 3.13 with its venv module: install one \
(Debian: apt install python3-venv; macOS: brew install python@3.13) and run this again.

# A browser that Playwright downloads stays inside the environment.
export PLAYWRIGHT_BROWSERS_PATH := 0
# The default model and data are on this machine; no run or test asks a model hub unless it is told to.
export HF_HUB_OFFLINE := $(if $(filter 1 true,$(PEFT_ATLAS_HUB_ENABLED)),0,1)

.PHONY: help setup assets run test check test-slow test-faults results strings licences docs screenshots browser lint audit

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(INSTALLED) ## install everything into .venv, with the default model and data; instant when done

$(INSTALLED):
	@$(BIN)/python -c '$(SUITABLE)' 2> /dev/null && exit 0; \
	python="$(PYTHON)"; test -n "$$python" || { echo "$(NO_PYTHON)" >&2; exit 1; }; \
	echo "make setup: making .venv with $$("$$python" --version)"; \
	"$$python" -m venv --clear .venv
	@echo "make setup: installing the packages of requirements.lock (PyTorch is the large one: minutes)"
	@$(BIN)/python -m pip install --disable-pip-version-check -c requirements.lock -e '.[worker,dev]'
	@echo "make setup: looking for the default models and data"
	@$(BIN)/python -m peft_core.assets
	@rm -f .venv/installed-* && touch $@
	@echo "make setup: done"

assets: setup ## fetch the other data sets too; with NAMES="movies smollm2" only those
	@$(BIN)/python -m peft_core.assets $(or $(NAMES),--all)

# HOST counts only where it was typed after `make`: some shells export a HOST of their own.
run: setup ## start the web pages and a worker; the first start queues the quickstart study
	@exec $(BIN)/peft-atlas up $(if $(filter command,$(origin HOST)),--host "$(HOST)") $(if $(PORT),--port "$(PORT)")

test: setup browser lint ## ruff, mypy, import-linter, bandit and the whole fast suite, browser tests included
	@$(BIN)/python -m pytest -m "not slow and not browser"
	@$(BIN)/python -m pytest -m "browser and not slow"

check: setup lint audit ## the same without the browser tests, and known vulnerabilities of the dependencies
	@$(BIN)/python -m pytest -m "not slow and not browser"

test-slow: setup browser ## the tests that take longer than ten seconds each
	@$(BIN)/python -m pytest -m slow

test-faults: setup ## every process killed, database locked and disk filled on purpose: half an hour
	@$(BIN)/python -m pytest -m faults

results: setup ## the documented studies in full size, into docs/results: hours
	@$(BIN)/python benchmarks/documented_runs.py --full-size

strings: setup ## bring the catalogue of translations up to date with the code
	@$(BIN)/python -m app.strings

docs: setup ## the documentation as a site that needs no network, into build/docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "make docs: open build/docs/index.html"

licences: setup ## list the licences of all dependencies, in docs/licences.md
	@$(BIN)/python -m tests.licences

screenshots: setup browser ## pictures of every page of the home folder, into docs/screenshots
	@$(BIN)/python benchmarks/screenshots.py

lint: setup
	@echo "ruff, mypy, import-linter and bandit"
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m bandit --quiet -c pyproject.toml -r app peft_core

# Without a network it says that it could not ask, and fails only under PEFT_ATLAS_AUDIT_REQUIRED=1.
audit: setup ## known vulnerabilities of the pinned packages, by pip-audit
	@$(BIN)/python -m tests.audit

# The only target that calls a system package manager: Debian's Chromium, else Playwright's, else a message.
browser: setup
	@type -P chromium chromium-browser google-chrome > /dev/null && exit 0; \
	root="sudo -n"; test "$$(id -u)" != 0 || root=""; \
	apt="$$root env DEBIAN_FRONTEND=noninteractive apt-get -qq"; \
	if type -P apt-get > /dev/null && $$root true 2> /dev/null; then \
		echo "make test: installing the package chromium with apt-get, for the browser tests"; \
		{ $$apt install -y --no-install-recommends chromium \
			|| { $$apt update && $$apt install -y --no-install-recommends chromium; }; } \
		&& type -P chromium > /dev/null && exit 0; \
	fi; \
	echo "make test: downloading Playwright's Chromium into .venv, for the browser tests"; \
	$(BIN)/python -m playwright install chromium \
		|| echo "make test: no Chromium could be installed, so the browser tests will be reported as skipped"
