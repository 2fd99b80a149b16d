# `make` lists the targets. Each makes .venv first if pyproject.toml or constraints.txt changed.
# ARGS goes to the command: make run ARGS='-p 9090', make test ARGS='tests/store -x'.

PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
READY := .venv/.ready
JH2 := build/jh2
HTTP2_TESTS ?= $(wildcard tests/wire/test_http2*.py tests/fuzz/test_http2*.py \
	tests/test_http2*.py tests/e2e/test_http2*.py)

.PHONY: help run demo test test-speed check bench autobahn soak screenshots docs clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 14

run: $(READY) ## open the terminal with a proxy on 127.0.0.1:8080
	@$(BIN)/rama $(ARGS)

demo: $(READY) ## the same with a bundled origin and sample traffic; needs no network
	@$(BIN)/rama demo $(ARGS)

test: $(READY) ## every test but the long ones
	@$(BIN)/python -m pytest $(ARGS)

test-speed: $(READY) $(JH2) ## the tests of HTTP/2 on jh2, which the extra "speed" installs
	@PYTHONPATH=$(JH2) $(BIN)/python -c 'from rama_proxy.protocols import http2; assert http2.ENGINE == "jh2"'
	@PYTHONPATH=$(JH2) $(BIN)/python -m pytest $(HTTP2_TESTS) $(ARGS)

check: $(READY) ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(READY) ## CPU per exchange beside mitmdump (needs nginx, wrk and h2load)
	@$(BIN)/python -m tests.bench.compare $(ARGS)

autobahn: $(READY) ## WebSocket conformance, with and without the proxy (needs Python 2.7)
	@$(BIN)/python -m tests.bench.autobahn $(ARGS)

soak: $(READY) ## the long and heavy tests
	@$(BIN)/python -m pytest -m soak --timeout=0 $(ARGS)

screenshots: $(READY) ## take the README's pictures again
	@$(BIN)/python screenshots/take.py $(ARGS)

docs: $(READY) ## write the reference pages in docs/ again
	@$(BIN)/python docs/make_pages.py

clean: ## remove .venv and everything that was built
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .autobahn

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer was found." \
		"Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is not Python 3.11 or newer."; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments: its ensurepip is missing." \
		"On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing into .venv with $(PYTHON), about a minute the first time"
	@"$(PYTHON)" -m venv .venv
	@$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt pip
	@$(BIN)/python -m pip install --quiet -c constraints.txt --build-constraint constraints.txt \
		--editable . --group dev
	@touch $@

# Beside .venv, not in it: all other tests are for h2, which everybody has.
$(JH2): pyproject.toml constraints.txt | $(READY)
	@rm -rf $@
	@$(BIN)/python -m pip install --quiet -c constraints.txt --target $@ jh2
	@touch $@
