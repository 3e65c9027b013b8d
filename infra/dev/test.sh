#!/bin/sh
# Runs every test, and those of the database also on the oldest and on the newest PostgreSQL. Without PgBouncer, or
# without these servers, the tests that need them are left out, and the last lines say so; with EVERY_TEST=1 that is an
# error.
set -eu
cd "$(dirname "$0")/../.."
infra/dev/tools.sh

left_out=
leave_out() {
    [ -z "${EVERY_TEST:-}" ] || { echo "$2" >&2; exit 1; }
    left_out="${left_out}NOT RUN: $1: $2
"
}

skip='' servers='oldest newest'
why=$(infra/dev/tools.sh pgbouncer 2>&1) || { skip='--skip pgbouncer'; leave_out "the tests with PgBouncer" "$why"; }
why=$(infra/dev/tools.sh postgresql 2>&1) || { servers=''; leave_out "the tests on other PostgreSQL servers" "$why"; }

# shellcheck disable=SC2086 # Its words are arguments.
cargo test --workspace -- $skip
for server in $servers; do
    bin=$PWD/.tools/postgresql-$server/bin
    echo "The tests of the database on the $server server: $("$bin/postgres" --version)"
    POSTGRESQL_BIN=$bin cargo test --workspace --test contract --test login --test database -- --skip pgbouncer
done
printf %s "$left_out"
