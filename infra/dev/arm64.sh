#!/bin/sh
# Finds what builds for arm64, and prints it as a variable of a shell: RUSTC. With `run` also EMULATOR, which runs the result
# where this machine cannot. Nothing is added to anybody's toolchain: where rustc has no arm64 standard library,
# Debian's rustc with both libraries is unpacked into .tools/arm64.
set -eu
cd "$(dirname "$0")/../.."
here=$PWD/.tools/arm64
target=aarch64-unknown-linux-gnu

say() { echo "arm64: $*" >&2; }
fail() { say "$*"; exit 1; }

# Downloads these packages, with lists and architectures of our own, and unpacks them into .tools/arm64.
unpack() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        fail "no $1 here, and no apt-get to download it; $remedy"
    fi
    mkdir -p "$here/lists/partial" "$here/cache/archives/partial" "$here/packages"
    options="-o Dir::State::lists=$here/lists -o Dir::Cache=$here/cache -o APT::Sandbox::User=root
        -o APT::Architectures::=amd64 -o APT::Architectures::=arm64"
    # shellcheck disable=SC2086 # Each option is a word.
    [ -n "$(ls "$here"/lists/*Packages* 2>/dev/null)" ] || apt-get $options update >/dev/null 2>&1 || true
    # shellcheck disable=SC2086 # As above.
    libraries=$(apt-cache $options depends --recurse --important "$1" 2>/dev/null |
        sed -n '/^libllvm[0-9]*$/p; /^libstd-rust-web-[0-9.]*$/p' | sort -u)
    # shellcheck disable=SC2086 # As above.
    (cd "$here/packages" && apt-get $options download -qq "$@" $libraries >/dev/null 2>&1) ||
        fail "apt-get cannot download $*; $remedy"
    for package in "$here"/packages/*.deb; do dpkg-deb -x "$package" "$here"; done
    rm -rf "$here/packages" "$here/cache"
}

remedy="run \`rustup target add $target\`"
if [ -d "$(rustc --print target-libdir --target $target)" ]; then
    rustc=$(rustc --print sysroot)/bin/rustc
else
    rustc=$here/bin/rustc
    if ! "$rustc" --version >/dev/null 2>&1; then
        say "rustc has no standard library for $target: unpacking Debian's rustc into .tools/arm64"
        unpack rustc-web libstd-rust-web-dev libstd-rust-web-dev:arm64
        mkdir -p "$here/bin"
        libraries=$(dirname "$(find "$here/usr/lib" -name 'librustc_driver-*.so')")
        cat >"$rustc" <<END
#!/bin/sh
LD_LIBRARY_PATH=$libraries exec $here/usr/bin/rustc "\$@"
END
        chmod +x "$rustc"
        "$rustc" --version >/dev/null || fail "Debian's rustc does not run here; $remedy"
    fi
fi
echo "RUSTC=$rustc"

[ "${1:-}" = run ] || exit 0
case $(uname -m) in aarch64 | arm64) exit ;; esac
emulator=$here/bin/qemu
if ! "$emulator" --version >/dev/null 2>&1; then
    remedy="install qemu-user-static, or build on an arm64 machine"
    say "unpacking Debian's qemu and arm64 libraries into .tools/arm64"
    unpack qemu-user-static libc6:arm64 libgcc-s1:arm64
    mkdir -p "$here/bin"
    printf '#!/bin/sh\nexec %s -L %s "$@"\n' "$here/usr/bin/qemu-aarch64-static" "$here" >"$emulator"
    chmod +x "$emulator"
    "$emulator" --version >/dev/null || fail "qemu does not run here; $remedy"
    # Of the other machines that it can be.
    find "$here/usr/bin" -name 'qemu-*-static' ! -name qemu-aarch64-static -delete
fi
echo "EMULATOR=$emulator"
