#!/bin/sh
# Builds what is deployed: for each architecture and program target/lambda/ARCHITECTURE/PROGRAM/bootstrap.zip, and beside
# it the program itself: `provision` is for the operator's machine, too.
#
#   infra/dev/build.sh [ARCHITECTURE] [PROGRAM]
#
# ARCHITECTURE is arm64, x86_64 or all; PROGRAM is post-confirmation, provision or all. Both are all without them.
# plain is no part of all: no-op and statement, with which `make bench` compares, without a zip.
set -eu
cd "$(dirname "$0")/../.."
fail() { echo "build: $*" >&2; exit 1; }

case ${1:-all} in all) architectures="arm64 x86_64" ;; arm64 | x86_64) architectures=$1 ;;
*) fail "the architecture is arm64, x86_64 or all, not $1" ;; esac
case ${2:-all} in all) programs="post-confirmation provision" ;; post-confirmation | provision | plain) programs=$2 ;;
*) fail "the program is post-confirmation, provision or all, not $2" ;; esac

infra/dev/tools.sh demo
export PATH="$PWD/.tools/python/bin:$PATH"

# OpenSSL would write down the time, and rustc the paths of its sources. docs/deployment.md says which paths still remain.
export SOURCE_DATE_EPOCH=315532800
export RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$PWD=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"

for architecture in $architectures; do
    (
        case $architecture in
        arm64)
            target=aarch64-unknown-linux-gnu
            found=$(infra/dev/arm64.sh)
            eval "$found"
            PATH=$(dirname "$RUSTC"):$PATH
            export RUSTC PATH
            ;;
        x86_64)
            target=x86_64-unknown-linux-gnu
            [ -d "$(rustc --print target-libdir --target $target)" ] ||
                fail "rustc has no standard library for x86_64; run \`rustup target add $target\`"
            ;;
        esac
        for program in $programs; do
            # cargo-lambda builds with Zig for an old glibc. It would add a target to rustup's toolchain by itself.
            (
                binaries="--bin $program"
                [ "$program" != plain ] || binaries="--bin no-op --bin statement"
                case $program in
                post-confirmation | plain)
                    profile=release
                    # That of Amazon Linux 2023, on which the function runs: fewer libraries to load than for an older one.
                    target=$target.2.34
                    # Its addresses are fixed: 40,000 that the loader would otherwise correct at each start.
                    export RUSTFLAGS="$RUSTFLAGS -C relocation-model=static"
                    # A panic ends the process, and a program without symbols has nothing to say of its stack.
                    export RUSTFLAGS="$RUSTFLAGS -C force-unwind-tables=no"
                    export OPENSSL_SRC_PERL="$PWD/infra/dev/openssl.sh"
                    # Cargo does not know it.
                    for built in "target/${target%.2.34}"/release/build/openssl-sys-*; do
                        [ ! "$OPENSSL_SRC_PERL" -nt "$built" ] || rm -rf "$built"
                    done
                    ;;
                provision) profile=operator ;;
                esac
                # shellcheck disable=SC2086 # Its words are arguments.
                cargo lambda build --skip-target-check --target "$target" --profile "$profile" --package "$program" \
                    $binaries --lambda-dir "target/lambda/$architecture"
            )
            [ "$program" = plain ] || python infra/dev/pack.py "target/lambda/$architecture/$program"
        done
    )
done
