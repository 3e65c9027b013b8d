#!/bin/sh
# Runs every test. Where PgBouncer cannot be had, the test that needs it does not run, and the end says so;
# EVERY_TEST=1 makes that a failure.
set -eu
cd "$(dirname "$0")/../.."
infra/dev/tools.sh
if why=$(infra/dev/tools.sh pgbouncer 2>&1); then
    exec cargo test --workspace
fi
[ -z "${EVERY_TEST:-}" ] || { echo "$why" >&2; exit 1; }
cargo test --workspace -- --skip through_pgbouncer
echo "NOT RUN: the test through pgbouncer, because: $why"
