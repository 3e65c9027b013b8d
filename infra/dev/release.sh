#!/bin/sh
# Makes a release of what infra/dev/build.sh has built: below target/dist what is published, in files, and NOTES.md about it.
#
#   infra/dev/release.sh [VERSION]
#   infra/dev/release.sh check [VERSION]    only says whether this version can be released
#
# VERSION may be the tag, such as v1.2.3. Without one it is the version in Cargo.toml.
set -eu
export LC_ALL=C
cd "$(dirname "$0")/../.."
fail() { echo "release: $*" >&2; exit 1; }

check=
[ "${1:-}" != check ] || { check=yes; shift; }
declared=$(sed -n '/^\[workspace.package\]/,/^\[workspace.dep/s/^version = "\(.*\)"/\1/p' Cargo.toml)
version=${1:-$declared}
version=${version#v}
[ "$version" = "$declared" ] ||
    fail "Cargo.toml has the version $declared, not $version: set version in [workspace.package], or tag v$declared"

# Up to the next version, without blank lines at both ends.
notes=$(awk -v version="$version" '
    /^## / { within = ($2 == version || $2 == "[" version "]"); next }
    within && (NF || begun) { begun = 1; print }' CHANGELOG.md)
[ -n "$notes" ] || fail "CHANGELOG.md has no section \"## $version\": put what is below \"## Unreleased\" there"

# cargo-binstall finds the archives by the address in the manifest. Only the forge knows what that is.
if [ -n "${GITHUB_REPOSITORY:-}" ]; then
    manifest=crates/provision/Cargo.toml address=$GITHUB_SERVER_URL/$GITHUB_REPOSITORY
    grep -qx "repository = \"$address\"" "$manifest" ||
        fail "$manifest names another repository, or none: write repository = \"$address\" below [package]"
fi
[ -z "$check" ] || { echo "release: $version can be released"; exit; }

rm -rf target/dist
files=$PWD/target/dist/files
mkdir -p "$files"
printf '%s\n' "$notes" >target/dist/NOTES.md

# The same files whenever and wherever they are made of the same programs.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
unpacked=$PWD/target/dist/unpacked

# Fails unless each of these files is there.
need() {
    for file in "$@"; do [ -e "$file" ] || fail "$file is missing: run infra/dev/build.sh"; done
}

# Packs the directory $1 of those that are unpacked.
pack() {
    tar -C "$unpacked" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
        --use-compress-program='gzip -9n' -cf "$files/$1.tgz" "$1"
}

need .tools/python/bin/python
.tools/python/bin/python infra/dev/components.py "$files"

# All architectures have the same; only this machine's own program runs here.
case $(uname -m) in aarch64 | arm64) here=arm64 ;; *) here=x86_64 ;; esac
need "target/lambda/$here/provision/bootstrap"
mkdir -p "$unpacked/completions"
install -m 755 "target/lambda/$here/provision/bootstrap" "$unpacked/provision"
# By these names the shells look for them.
"$unpacked/provision" completions bash >"$unpacked/completions/provision.bash"
"$unpacked/provision" completions zsh >"$unpacked/completions/_provision"
"$unpacked/provision" completions fish >"$unpacked/completions/provision.fish"
"$unpacked/provision" man "$unpacked/man" >/dev/null

for architecture in arm64 x86_64; do
    case $architecture in arm64) target=aarch64-unknown-linux-gnu ;; x86_64) target=x86_64-unknown-linux-gnu ;; esac
    built=target/lambda/$architecture
    need "$built/post-confirmation/bootstrap.zip" "$built/provision/bootstrap.zip" "$built/provision/bootstrap"

    # The function, for those who deploy it in a way of their own.
    cp "$built/post-confirmation/bootstrap.zip" "$files/bootstrap-$architecture.zip"

    # The operator's tool. cargo-binstall knows these names from crates/provision/Cargo.toml.
    name=provision-$target-v$version
    mkdir "$unpacked/$name"
    # Files that a workflow has handed on have lost the right to be executed.
    install -m 755 "$built/provision/bootstrap" "$unpacked/$name/provision"
    cp -r LICENSE README.md "$files/NOTICES.txt" "$unpacked/completions" "$unpacked/man" "$unpacked/$name"
    pack "$name"

    # The template, with the zips where it looks for them: `sam deploy` needs nothing else.
    name=deployment-$architecture-v$version
    mkdir -p "$unpacked/$name/infra"
    cp LICENSE "$files/NOTICES.txt" "$unpacked/$name"
    cp -r infra/template.yaml infra/iam "$unpacked/$name/infra"
    # samconfig.toml would be this operator's own.
    find infra -maxdepth 1 -name '*.toml' ! -name samconfig.toml -exec cp {} "$unpacked/$name/infra" \;
    sed -i "/^  Architecture:$/,/^    Default:/s/Default: .*/Default: $architecture/" "$unpacked/$name/infra/template.yaml"
    sed -n 's/^ *CodeUri: //p' infra/template.yaml | sort -u | while read -r zip; do
        mkdir -p "$(dirname "$unpacked/$name/infra/$zip")"
        cp "$built/$(basename "$(dirname "$zip")")/bootstrap.zip" "$unpacked/$name/infra/$zip"
    done
    pack "$name"
done
rm -rf "$unpacked"
(cd "$files" && sha256sum -- * >SHA256SUMS)
cat "$files/SHA256SUMS"
