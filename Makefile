# `make help` lists the targets.

VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
CONTRACT_FUZZ := .venv-contract-fuzz
SETUP := deploy/setup
PINNED_PIP := 26.3
SERVER_PACKAGES := rabbitmq-server nginx libnginx-mod-http-js postgresql redis-server
TEST_PACKAGES := $(SERVER_PACKAGES) chromium openssl prometheus systemd
BENCH_PACKAGES := $(SERVER_PACKAGES) chromium curl openssl wrk

INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e .
# Of a machine that is busy with other things, a second chance; who needed it is told. No other failure has one.
ALONE = echo "Once more alone, what failed. What is PASSED now passed only alone:" && \
	$(BIN)/python -m pytest -q -n 0 -rp --maxfail 10 --last-failed --last-failed-no-failures none $(TESTS)
TESTS ?=
WORKERS ?= 4
N ?= 5000
SEED ?= 1
EXAMPLES ?= 8
KILLS ?= 200

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run demo test capacity chaos fuzz contract-fuzz names lint versions format vocabulary bench clean test-servers bench-tools
MAKEFLAGS += --no-print-directory
# What tests start and what they rewrite is compiled once, not in each process anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## Explain the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.for-run ## Start all services on this machine (Ctrl-C ends them)
	@$(BIN)/python -m services

demo: $(VENV)/.for-run ## The same, with a picture host of its own to look at
	@$(BIN)/python -m tests.providers.demo

test: $(VENV)/.for-test test-servers ## Run the tests with real servers; TESTS="tests/unit -k gate" picks some, WORKERS=6 shares them out, N=40000 asks nginx longer
	@$(BIN)/python -m pytest -n $(WORKERS) $(TESTS) || { [ $$? = 1 ] && $(ALONE); }

chaos: $(VENV)/.for-test test-servers ## Kill enrichers and fetchers KILLS times, under load, and one of three RabbitMQ nodes; KILLS=50 is sooner done, SEED=2 does it at other instants
	@KILLS=$(KILLS) SEED=$(SEED) CLUSTER=1 $(BIN)/python -m pytest -q tests/faults/test_chaos_enrichers.py tests/faults/test_killed_at_random.py \
		tests/faults/test_killed_on_objects.py tests/faults/test_killed_cluster_node.py

fuzz: $(VENV)/.for-test ## Break pictures in N ways and render them; N=20000 SEED=7 for others
	@$(BIN)/python -m tests.fuzz --count $(N) --seed $(SEED)

contract-fuzz: $(VENV)/.for-test $(CONTRACT_FUZZ)/.made ## Ask whatever both OpenAPI documents describe; EXAMPLES=100 SEED=7 for more and others
	@$(BIN)/python -m tests.contract_fuzz $(CONTRACT_FUZZ)/bin/schemathesis --examples $(EXAMPLES) --seed $(SEED)

names: $(VENV)/.for-test ## Read a thousand awkward names, by guessit alone and as a scan does
	@$(BIN)/python -m tests.awkward_names

lint: $(VENV)/.for-lint ## Check style, format, types and who may import whom
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m tests.house

versions: $(VENV)/.for-lint ## Tell which packages are newer than ours; fails when nobody has looked for 90 days
	@$(BIN)/python -m pip list --disable-pip-version-check --outdated
	@$(BIN)/python -m tests.house --versions

format: $(VENV)/.for-lint ## Put the code in its format, and correct what can be corrected safely
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

vocabulary: $(VENV)/.for-run ## Write what nginx must know of pictures' paths, from the table of them
	@$(BIN)/python -m shared.pictures.nginx_vocabulary >deploy/nginx/.vocabulary
	@mv deploy/nginx/.vocabulary deploy/nginx/vocabulary

capacity: $(VENV)/.for-test $(if $(filter 1,$(MEASURE) $(CHECK)),bench-tools) ## Say what sites need: cores, bytes, euros, waits; PICTURES=5e6 REQUESTS=3000 for one, MEASURE=1 with this machine's times, CHECK=1 beside a run
	@$(BIN)/python -m tests.capacity

bench: $(VENV)/.for-bench $(PEERS)/.made bench-tools ## Measure this machine (wrk; minutes). CHECK=1: fail for a miss; BASE=path: beside that checkout
	@$(BIN)/python -m tests.bench

clean: ## Remove the virtual environment and all caches; data stays
	@rm -rf $(VENV) $(PEERS) $(CONTRACT_FUZZ) *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find services shared tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp for each set of Python packages, so that a second time takes no time.

$(VENV)/.made: $(SETUP)/virtual-environment
	@PYTHON="$(PYTHON)" $(SETUP)/virtual-environment $(VENV) $(PINNED_PIP)
	@touch $@

$(VENV)/.for-run: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing what the services need"
	@$(INSTALL)
	@touch $@

$(VENV)/.for-test: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing what the tests need"
	@$(INSTALL) --group test
	@touch $@ $(VENV)/.for-run

$(VENV)/.for-lint: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing what the checks need"
	@$(INSTALL) --group test --group lint
	@touch $@ $(VENV)/.for-test $(VENV)/.for-run

$(VENV)/.for-bench: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing what the benchmark needs"
	@$(INSTALL) --group test --group bench
	@touch $@ $(VENV)/.for-test $(VENV)/.for-run

$(PEERS)/.made: pyproject.toml $(SETUP)/virtual-environment
	@echo "Installing what the benchmark compares us with"
	@PYTHON="$(PYTHON)" $(SETUP)/virtual-environment $(PEERS) $(PINNED_PIP)
	@$(PEERS)/bin/python -m pip install -qq --disable-pip-version-check --group peers
	@touch $@

$(CONTRACT_FUZZ)/.made: pyproject.toml $(SETUP)/virtual-environment
	@echo "Installing what makes requests up"
	@PYTHON="$(PYTHON)" $(SETUP)/virtual-environment $(CONTRACT_FUZZ) $(PINNED_PIP)
	@$(CONTRACT_FUZZ)/bin/python -m pip install -qq --disable-pip-version-check --group contract-fuzz
	@touch $@

test-servers:
	@$(SETUP)/debian-packages $(TEST_PACKAGES)

bench-tools:
	@$(SETUP)/debian-packages $(BENCH_PACKAGES)
