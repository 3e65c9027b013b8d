#!/bin/sh
# Runs every test, and those of the database also on the oldest and on the newest PostgreSQL. Without PgBouncer, Valgrind or
# these servers, the tests that need them are left out, and the last lines say so; with EVERY_TEST=1 that is an error.
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
why=$(infra/dev/tools.sh cognito-local 2>&1) || {
    skip="$skip --skip with_cognito_local"
    leave_out "the tests with cognito-local" "$why"
}
why=$(infra/dev/tools.sh valgrind 2>&1) || {
    skip="$skip --skip call_of_the_deployed_function"
    leave_out "the count of instructions" "$why"
}
why=$(infra/dev/tools.sh postgresql 2>&1) || { servers=''; leave_out "the tests on other PostgreSQL servers" "$why"; }

# Most tests wait for a server or a clock more than they work.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$(($(getconf _NPROCESSORS_ONLN) * 2))}"

# Tests interrupt programs, and a program ignores what was ignored when it was started: under nohup, or in the background of a
# script, such tests would wait for ever.
run='env --default-signal=HUP,INT,QUIT'
$run true 2>/dev/null || run=''

case $(uname -m) in aarch64 | arm64) here=arm64 ;; *) here=x86_64 ;; esac
grep -q "\"$here\"" crates/bench/tests/counts.json || {
    skip="$skip --skip of_the_deployed_function"
    leave_out "the counts of the release function" "none are committed for $here; \`make counts\` writes them"
}

# The tests of what is deployed take the zip. Its last step keeps one core busy for minutes: the tests are built beside it.
$run infra/dev/build.sh "$here" post-confirmation &
zip=$!
# Both end before this does, whichever fails.
built=yes
$run cargo test --workspace --no-run || built=
wait "$zip"
[ "$built" ]

# shellcheck disable=SC2086 # Its words are arguments.
$run cargo test --workspace -- $skip
for server in $servers; do
    bin=$PWD/.tools/postgresql-$server/bin
    echo "The tests of the database on the $server server: $("$bin/postgres" --version)"
    # shellcheck disable=SC2086 # As above.
    POSTGRESQL_BIN=$bin $run cargo test --workspace --test contract --test login --test database -- --skip pgbouncer
done
printf %s "$left_out"
