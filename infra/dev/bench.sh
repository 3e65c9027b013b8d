#!/bin/sh
# Builds the function as it is deployed and measures it: beside its peers, which are installed, or with `scale` as the first
# option many processes of it at once. Without a further option it also writes what the documents show; any option, such as
# --quick or --output json, is passed on instead.
set -eu
cd "$(dirname "$0")/../.."

what=peers
[ "${1:-}" != scale ] || { what=scale && shift; }
case $(uname -m) in aarch64 | arm64) architecture=arm64 ;; *) architecture=x86_64 ;; esac
infra/dev/build.sh "$architecture" post-confirmation
target=${CARGO_TARGET_DIR:-target}
[ $# -gt 0 ] || set -- --docs
if [ "$what" = peers ]; then
    infra/dev/build.sh "$architecture" plain
    infra/dev/peers.sh
    set -- --plain "target/lambda/$architecture" "$@"
else
    infra/dev/tools.sh pgbouncer
fi
# Unoptimised: what its Runtime API adds to a call is within the figure of the function that does nothing.
cargo build --workspace --no-default-features --bin bench
exec "$target/debug/bench" "$what" --function "target/lambda/$architecture/post-confirmation/bootstrap" "$@"
