#!/bin/sh
# Runs every test. Without PgBouncer the tests that need it are skipped, and the last line says so; with
# EVERY_TEST=1 that is an error.
set -eu
cd "$(dirname "$0")/../.."
infra/dev/tools.sh
if why=$(infra/dev/tools.sh pgbouncer 2>&1); then
    exec cargo test --workspace
fi
[ -z "${EVERY_TEST:-}" ] || { echo "$why" >&2; exit 1; }
cargo test --workspace -- --skip pgbouncer
echo "NOT RUN: the tests with PgBouncer: $why"
