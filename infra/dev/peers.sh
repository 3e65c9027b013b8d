#!/bin/sh
# Installs what `make bench` compares the function with into .tools/peers, and nothing anywhere else. Does nothing when all
# is there. A peer that cannot be installed is left out: its directory then holds the file `missing`, with the reason.
#
# A peer is a directory with `package`, what its team uploads, and the same packed as `package.zip`.
set -eu
cd "$(dirname "$0")/../.."
sources=$PWD/crates/bench/peers
peers=$PWD/.tools/peers
go=1.19

say() { echo "peers: $*" >&2; }

# Installs the peer $1, as the function install_$1 does, unless it is there already, made of the same sources $2.
install() {
    here=$peers/$1
    # shellcheck disable=SC2086 # Each directory is a word.
    made_of=$(cd "$sources" && cat $2 "../../../infra/dev/peers.sh" | cksum)
    if [ "$(cat "$here/installed" 2>/dev/null)" = "$made_of" ]; then return; fi
    say "installing $1 into .tools/peers/$1"
    rm -rf "$here"
    mkdir -p "$here/package"
    # A process of its own, which ends at the first error: within a condition the shell would go on.
    if infra/dev/peers.sh "$1" >"$here/log" 2>&1; then
        # Last, so that an interrupted installation is none.
        echo "$made_of" >"$here/installed"
    else
        say "$1 is left out: $(tail -n 1 "$here/log")"
        tail -n 1 "$here/log" >"$here/missing"
    fi
}

# What Lambda's runtime for Python brings along.
python_runtime() {
    if cmp -s "$sources/python/runtime.txt" "$peers/python/runtime.txt"; then return; fi
    rm -rf "$peers/python"
    python3 -m venv "$peers/python"
    "$peers/python/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps \
        --requirement "$sources/python/runtime.txt"
    cp "$sources/python/runtime.txt" "$peers/python"
}

# Installs a function in Python, with what it requires.
python_function() {
    python_runtime
    "$peers/python/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps --only-binary=:all: \
        --target "$here/package" --requirement "$sources/$1/requirements.txt"
    cp "$sources/$1/function.py" "$sources/python/user_event.py" "$here/package"
    "$peers/python/bin/python" -m compileall -q "$here/package"
    pack
}

install_psycopg2() { python_function psycopg2; }
install_psycopg3() { python_function psycopg3; }

install_node() {
    command -v npm >/dev/null || { echo "npm is missing" >&2; exit 1; }
    mkdir "$here/source"
    cp "$sources"/node/*.js "$sources"/node/*.json "$here/source"
    cd "$here/source"
    npm ci --silent --no-audit --no-fund
    # One small file starts faster than many.
    node_modules/.bin/esbuild runtime.js --bundle --minify --platform=node --target=node20 --external:pg-native \
        --log-level=error --outfile="$here/package/runtime.js"
    pack
}

# Debian's Go and libraries: a machine without an own Go can build it, and the version is known.
install_go() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        echo "no apt-get here to download Debian's Go" >&2
        exit 1
    fi
    debian=$peers/debian
    if [ ! -e "$debian/installed" ]; then
        rm -rf "$debian"
        mkdir -p "$debian/packages"
        libraries="golang-github-jackc-pgx-v4-dev golang-github-aws-aws-sdk-go-v2-dev"
        apt-cache show golang-$go-go >/dev/null 2>&1 || apt-get update >/dev/null 2>&1 || true
        # shellcheck disable=SC2086 # Each library is a word.
        libraries=$(apt-cache depends --recurse --important $libraries | sed -n '/^golang-.*-dev$/p' | sort -u)
        # shellcheck disable=SC2086 # As above.
        (cd "$debian/packages" &&
            apt-get download -qq -o APT::Sandbox::User=root golang-$go-go golang-$go-src $libraries) || {
            echo "apt-get cannot download golang-$go-go and its libraries" >&2
            exit 1
        }
        for package in "$debian"/packages/*.deb; do dpkg-deb -x "$package" "$debian"; done
        rm -rf "$debian/packages"
        touch "$debian/installed"
    fi
    cd "$sources/go"
    GOROOT=$debian/usr/lib/go-$go GOPATH=$debian/usr/share/gocode GOCACHE=$debian/cache GO111MODULE=off CGO_ENABLED=0 GOFLAGS='' \
        "$debian/usr/lib/go-$go/bin/go" build -trimpath -ldflags '-s -w' -o "$here/package/bootstrap" .
    pack
}

# Packs what the peer's team uploads.
pack() {
    cd "$here/package"
    python3 -m zipfile -c "$here/package.zip" ./*
}

case ${1:-} in
'')
    install psycopg2 'python/* psycopg2/*'
    install psycopg3 'python/* psycopg3/*'
    install node 'node/*'
    install go 'go/*'
    ;;
*)
    here=$peers/$1
    "install_$1"
    ;;
esac
