#!/usr/bin/env bash
# Checks what would be published: that the package builds by itself, holds what a user needs and nothing else, and is small.
# Half a minute on two cores from scratch. Looks at the files as they are, committed or not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}

allowed='^(Cargo\.(toml|toml\.orig|lock)|\.cargo_vcs_info\.json|README\.md|CHANGELOG\.md|LICENSE-(MIT|APACHE)'
allowed+='|src/.+\.rs|examples/.+\.(rs|html|css|js)|docs/[^/]+\.md)$'
required=(Cargo.toml README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE src/lib.rs)
most_packed=$((256 * 1024))
most_unpacked=$((1024 * 1024))

fail() {
    echo "error: $*" >&2
    exit 1
}

list=$(cargo package -p cloakroom --allow-dirty --list)
strangers=$(grep -Ev "$allowed" <<<"$list" || true)
[ -z "$strangers" ] || fail "not for users, yet in the package:"$'\n'"$strangers"
for file in "${required[@]}"; do
    grep -qxF "$file" <<<"$list" || fail "missing from the package: $file"
done

cargo package -p cloakroom --allow-dirty

id=$(cargo pkgid -p cloakroom)
crate=$target/package/cloakroom-${id##*[#@]}.crate
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
tar -xzf "$crate" -C "$unpacked"
packed_bytes=$(wc -c <"$crate")
unpacked_bytes=$(find "$unpacked" -type f -print0 | xargs -0 cat | wc -c)
echo "$(wc -l <<<"$list") files, $packed_bytes bytes packed, $unpacked_bytes unpacked"
[ "$packed_bytes" -le "$most_packed" ] || fail "the package is larger than $most_packed bytes"
[ "$unpacked_bytes" -le "$most_unpacked" ] || fail "the unpacked package is larger than $most_unpacked bytes"
