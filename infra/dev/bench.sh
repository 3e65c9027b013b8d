#!/bin/sh
# Builds the function as it is deployed, installs its peers, and measures them all. Without an option it also writes what
# docs/benchmarks.md shows; any option, such as --quick or --output json, is passed on instead.
set -eu
cd "$(dirname "$0")/../.."

case $(uname -m) in aarch64 | arm64) architecture=arm64 ;; *) architecture=x86_64 ;; esac
infra/dev/build.sh "$architecture" post-confirmation
infra/dev/peers.sh
target=${CARGO_TARGET_DIR:-target}
cargo build --workspace --release --no-default-features --bin no-op
# Unoptimised: what its stand-ins add to a call is within the figure of the function that does nothing.
cargo build --workspace --no-default-features --bin bench
[ $# -gt 0 ] || set -- --docs
exec "$target/debug/bench" --function "target/lambda/$architecture/post-confirmation/bootstrap" \
    --no-op "$target/release/no-op" "$@"
