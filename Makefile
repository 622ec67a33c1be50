# Works on a machine that has Python 3.11 or newer, make and a compiler: everything else goes into .venv.

VENV  ?= .venv
BENCH ?= .venv-bench
JOBS  ?= 2

# The first interpreter that is new enough; `make PYTHON=/path/to/python` overrides it.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)

BIN := $(VENV)/bin
PIP := -m pip install -qq --disable-pip-version-check --no-input

# A stamp's name holds a checksum of what was installed, so that a changed lock installs again, whatever the file times.
RUN_LOCKS   := requirements/build.txt requirements/full.txt
DEV_LOCKS   := requirements/build.txt requirements/dev.txt
BENCH_LOCKS := requirements/build.txt requirements/base.txt requirements/bench.txt
checksum     = $(shell cat pyproject.toml $(1) 2>/dev/null | cksum | cut -d' ' -f1)
RUN_STAMP   := $(VENV)/.run-$(call checksum,$(RUN_LOCKS))
DEV_STAMP   := $(VENV)/.dev-$(call checksum,$(DEV_LOCKS))
BENCH_STAMP := $(BENCH)/.bench-$(call checksum,$(BENCH_LOCKS))
PEERS       := benchmarks/streaming/environments.toml
PEERS_STAMP := .bench/streaming/.peers-$(call checksum,$(PEERS))

.DEFAULT_GOAL := help
.PHONY: help demo test test-s3 check bench bench-stream bench-curation crash crash-curation truth order operators-evidence docs lock setup clean fmt fmt-check lint types contracts reference reference-check docs-build

help:
	@echo "make demo     the main job end to end, no network but for the first installation"
	@echo "make test     all tests"
	@echo "make test-s3  suites of stores and lakes on a real S3 service, Ceph's gateway (Debian 12, tools/radosgw)"
	@echo "make check    format, lint, strict types, import contracts, documentation, tests"
	@echo "make bench    measurements against the peers (own environment: $(BENCH))"
	@echo "make bench-stream  loaders against eight peers and the machine's limit, 15 minutes; QUICK=1 takes 3 (.bench/venv-stream-*)"
	@echo "make bench-curation  recipe runs against DuckDB, Daft, Polars and a process pool; QUICK=1 takes 3 minutes"
	@echo "make crash    kills, power cuts, races, bad stores and bit rot; exit code 1 if a lake loses anything (15 minutes)"
	@echo "make order    the order of streams: every topology, kills, a billion rows, nodes; exit code 1 on a violation (10 minutes)"
	@echo "make crash-curation  kills, crashes, hangs and edits of recipes; exit code 1 if a run loses or repeats anything (20 minutes)"
	@echo "make truth    identities, near duplicates and prompts against generated truth; exit code 1 if a bar is missed (15 minutes)"
	@echo "make operators-evidence  built-in operators against their oracles; exit code 1 if one is too far off (a minute)"
	@echo "make docs     the documentation as pages: docs/_build/html"
	@echo "make lock     pin what pyproject.toml and requirements/*.in ask for"
	@echo "make setup    .venv for development; make fmt: format; make clean: remove what make made"

# Directory, then one pip call per environment: with `-qq` pip prints errors only.
define install
	@test -n "$(PYTHON)" || { echo "Headrace needs Python 3.11 or newer; none found. Name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Installing the pinned packages into $(1) (once) ..."
	@test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
	@$(1)/bin/python $(PIP) $(foreach lock,$(2),-r $(lock))
	@$(1)/bin/python $(PIP) --no-deps --no-build-isolation -e .
	@rm -f $(1)/.run-* $(1)/.dev-* $(1)/.bench-*
	@touch $(3)
endef

# torch first and by itself: a lock would pull in its CUDA packages. The name of the stamp changes with the version.
TORCH := torch==2.13.0 torchdata==0.11.0

$(DEV_STAMP):
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing torch into $(VENV) (once) ..."
	@$(VENV)/bin/python $(PIP) $(TORCH)
	$(call install,$(VENV),$(DEV_LOCKS),$(DEV_STAMP) $(RUN_STAMP))

$(RUN_STAMP):
	$(call install,$(VENV),$(RUN_LOCKS),$(RUN_STAMP))

$(BENCH_STAMP):
	$(call install,$(BENCH),$(BENCH_LOCKS),$(BENCH_STAMP))

setup: $(DEV_STAMP)

demo: $(RUN_STAMP)
	@$(BIN)/headrace demo

test: $(DEV_STAMP)
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadgroup

# `make test-s3 ONLY="store contract"` runs one suite; ALSO="headrace doctor {lake}" one more command.
test-s3: $(DEV_STAMP)
	@$(BIN)/python -m tools.radosgw test --jobs $(JOBS) $(if $(ONLY),--only '$(ONLY)') $(if $(ALSO),--also '$(ALSO)')

check: fmt-check lint types contracts docs-build test

fmt: $(DEV_STAMP)
	@$(BIN)/ruff check --quiet --select I --fix .
	@$(BIN)/ruff format --quiet .

fmt-check: $(DEV_STAMP)
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check . ; echo "run: make fmt" >&2; exit 1; }

lint: $(DEV_STAMP)
	@$(BIN)/ruff check --quiet .

types: $(DEV_STAMP)
	@$(BIN)/mypy

contracts: $(DEV_STAMP)
	@$(BIN)/lint-imports --no-logo --cache-dir .import_linter_cache

reference: $(DEV_STAMP)
	@$(BIN)/python tools/generate_reference.py

reference-check: $(DEV_STAMP)
	@$(BIN)/python tools/generate_reference.py --check

docs-build: reference-check
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html

docs: reference
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

# `make bench ONLY=take_random` runs one.
bench: $(BENCH_STAMP)
	@$(BENCH)/bin/python -m benchmarks.run $(ONLY)

# `make bench-curation ONLY=curation_ledger` runs one; QUICK=1, or RECORD=1.
bench-curation: $(BENCH_STAMP)
	@$(BENCH)/bin/python -m benchmarks.run --curation $(if $(QUICK),--quick) $(if $(RECORD),--record) $(ONLY)

# Each peer has an environment of its own; one that cannot be installed is named in the table. QUICK=1, or RECORD=1.
bench-stream: $(DEV_STAMP) $(PEERS_STAMP)
	@$(BIN)/python -m benchmarks.streaming.bench $(if $(QUICK),--quick) $(if $(RECORD),--record)

$(PEERS_STAMP): $(DEV_STAMP)
	@$(BIN)/python -m benchmarks.streaming.environments
	@mkdir -p $(@D)
	@rm -f $(@D)/.peers-*
	@touch $@

# `make crash SEED=7` does the same again, `make crash ONLY=kill_matrix` runs one.
crash: $(DEV_STAMP)
	@command -v strace >/dev/null || echo "strace is not installed, so power cuts are left out: apt-get install strace" >&2
	@$(BIN)/python -m proofs.run --full --jobs $(JOBS) $(if $(SEED),--seed $(SEED)) $(ONLY)

# `make order SEED=7` does the same again, `make order ONLY=matrix` runs one.
order: $(DEV_STAMP)
	@$(BIN)/python -m proofs.order --full --jobs $(JOBS) $(if $(SEED),--seed $(SEED)) $(ONLY)

# `make crash-curation SEED=7` does the same again, `make crash-curation ONLY=kills` runs one.
crash-curation: $(DEV_STAMP)
	@$(BIN)/python -m proofs.curation --full --jobs $(JOBS) $(if $(SEED),--seed $(SEED)) $(ONLY)

# `make truth SEED=7` does the same again, `make truth ONLY=identity` runs one.
truth: $(DEV_STAMP)
	@$(BIN)/python -m proofs.truth --full --jobs $(JOBS) $(if $(SEED),--seed $(SEED)) $(ONLY)

# Compares every built-in operator with its oracle, and notes what came out for `headrace operators list --evidence`.
operators-evidence: $(DEV_STAMP)
	@$(BIN)/python -m proofs.operators --write

# Options that would write the address of a registry or of a local folder into a lock are off.
# `make lock` keeps the pins that still fit; `make lock UPGRADE=--upgrade` takes the newest.
COMPILE = CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --strip-extras --allow-unsafe --no-emit-index-url \
	--no-emit-find-links --no-emit-trusted-host --no-emit-options $(UPGRADE)

# By name, because an extra that refers to the project itself would put its folder into the lock.
EXTRAS := --extra audio --extra demo --extra hub --extra image --extra language --extra onnx --extra pandas \
	--extra polars --extra ray --extra server --extra tokens --extra video

lock: $(DEV_STAMP)
	$(COMPILE) -o requirements/build.txt requirements/build.in
	$(COMPILE) -o requirements/full.txt $(EXTRAS) pyproject.toml
	$(COMPILE) -o requirements/base.txt -c requirements/full.txt pyproject.toml
	$(COMPILE) -o requirements/dev.txt $(EXTRAS) --extra docs pyproject.toml requirements/dev.in
	$(COMPILE) -o requirements/bench.txt requirements/bench.in

clean:
	@rm -rf $(VENV) $(BENCH) build dist docs/_build .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find src tests tools benchmarks proofs -name __pycache__ -type d -prune -exec rm -rf {} +
