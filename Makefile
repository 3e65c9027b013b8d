.DEFAULT_GOAL := help
.PHONY: help demo demo-provision test check bench tools clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: tools ## Sign users up on this machine, with no AWS account, and see their rows
	@cargo build --quiet --workspace
	@target/debug/demo

demo-provision: tools ## Make a DB instance and delete it, with no AWS account
	@cargo build --quiet --workspace
	@target/debug/demo provision

test: ## Run every test
	@infra/test.sh

check: ## Check format, lints and documentation, warnings denied
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

bench: tools ## Measure cold and warm times beside a function that does nothing
	cargo build --release --package post-confirmation --example no_op
	cargo bench --package post-confirmation --bench start

tools: ## Install what the demo and the tests need into .tools
	@infra/tools.sh

clean: ## Remove everything that was built or installed here
	rm -rf target .tools
