#!/usr/bin/env bash
# Checks what would be published: that each package builds by itself, on the others as they would be published; that it holds what a user needs, its examples among it, and
# nothing else; and that it is small. Two minutes on two cores from scratch. Looks at the files as they are, committed or not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
crates=(cloakroom cloakroom-tower cloakroom-tower-sessions cloakroom-actix-session cloakroom-dbsc cloakroom-codec cloakroom-persist cloakroom-redis)

allowed='^(Cargo\.(toml|toml\.orig|lock)|\.cargo_vcs_info\.json|README\.md|LICENSE-(MIT|APACHE)'
allowed+='|src/.+\.(rs|lua)|examples/.+\.(rs|html|css|js)|CHANGELOG\.md|docs/[^/]+\.md)$'
required=(Cargo.toml README.md LICENSE-MIT LICENSE-APACHE src/lib.rs)
most_packed=$((384 * 1024))
most_unpacked=$((1408 * 1024))

fail() {
    echo "error: $*" >&2
    exit 1
}

packages=()
for crate in "${crates[@]}"; do
    packages+=(-p "$crate")
    list=$(cargo package -p "$crate" --allow-dirty --list)
    strangers=$(grep -Ev "$allowed" <<<"$list" || true)
    [ -z "$strangers" ] || fail "not for users, yet in the package $crate:"$'\n'"$strangers"
    for file in "${required[@]}"; do
        grep -qxF "$file" <<<"$list" || fail "missing from the package $crate: $file"
    done
done
cargo package -p cloakroom --allow-dirty --list | grep -qxF CHANGELOG.md || fail "missing from the package cloakroom: CHANGELOG.md"

# cargo keeps an unpacked copy of each package on which another one is built, and what was built of it. It does not notice
# that the package has changed.
rm -rf "${CARGO_HOME:-$HOME/.cargo}"/registry/src/-*/cloakroom*
while read -r built; do
    rm -rf "$target/debug/.fingerprint/$(basename "$built" .d)"
done < <(grep -ls '/registry/src/-' "$target"/debug/deps/cloakroom*.d)
cargo package "${packages[@]}" --allow-dirty

# Always the same, so that what is built of it takes the place of what was built before.
unpacked=$target/package/unpacked
rm -rf "$unpacked"
mkdir -p "$unpacked"
members=() patches=()
for crate in "${crates[@]}"; do
    id=$(cargo pkgid -p "$crate")
    name=$crate-${id##*[#@]}
    packed=$target/package/$name.crate
    tar -xzf "$packed" -C "$unpacked"
    members+=("\"$name\",")
    patches+=("$crate = { path = \"$name\" }")
    # Where they are links, and links are not supported, their targets' names would be published.
    for license in LICENSE-MIT LICENSE-APACHE; do
        cmp "$license" "$unpacked/$name/$license" || fail "$crate would be published with another $license"
    done
    packed_bytes=$(wc -c <"$packed")
    unpacked_bytes=$(find "$unpacked/$name" -type f -print0 | xargs -0 cat | wc -c)
    echo "$name: $(find "$unpacked/$name" -type f | wc -l) files, $packed_bytes bytes packed, $unpacked_bytes unpacked"
    [ "$packed_bytes" -le "$most_packed" ] || fail "the package $crate is larger than $most_packed bytes"
    [ "$unpacked_bytes" -le "$most_unpacked" ] || fail "the unpacked package $crate is larger than $most_unpacked bytes"
done

# The examples, from what was packed and nothing else.
printf '%s\n' '[workspace]' 'resolver = "3"' "members = [${members[*]}]" '[patch.crates-io]' "${patches[@]}" >"$unpacked/Cargo.toml"
cp Cargo.lock "$unpacked"
CARGO_TARGET_DIR=$target cargo check --manifest-path "$unpacked/Cargo.toml" --workspace --examples --all-features
