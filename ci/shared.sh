#!/usr/bin/env bash
# Checks servers that share their sessions: the layer and the stores over two servers and one engine, with an engine that is
# stopped, killed and started again; the command of the README; and the comparison of benches/, at a hundredth of its size.
# Needs redis-server or valkey-server, which it installs where apt-get can. Five minutes on two cores once the crates that it needs are compiled.
#   CLOAKROOM_ENGINE=/path/to/valkey-server ci/shared.sh     on another engine
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}

fail() {
    echo "error: $*" >&2
    exit 1
}

if [ -z "${CLOAKROOM_ENGINE:-}" ] && ! command -v redis-server && ! command -v valkey-server; then
    apt-get install -y redis-server || fail "redis-server is missing (Debian: the package redis-server)"
fi

# Each test starts an engine of its own. Those of the page are run by ci/browser.sh.
bash ci/with-tests cargo test -p cloakroom-tower --test shared -- --ignored --skip browser:: --test-threads=4
bash ci/with-tests cargo test -p cloakroom-tower-sessions --features redis --test shared -- --ignored --test-threads=4
bash ci/with-tests cargo test -p cloakroom-actix-session --features redis --test shared -- --ignored --test-threads=4

# The command of the README, on free ports: a login on one, a logout on the other, and Ctrl-C ends all of it.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PROFILE=dev PORTS="0 0" setsid bash adapters/tower/examples/shared.sh >"$work/said" 2>&1 &
demo=$!
for ((tries = 0; tries < 6000; tries++)); do
    mapfile -t ports < <(sed -n 's/^listening on http:\/\/127.0.0.1:\([0-9]*\)$/\1/p' "$work/said")
    [ "${#ports[@]}" -lt 2 ] || break
    kill -0 "$demo" 2>/dev/null || { cat "$work/said"; fail "the demo has ended"; }
    sleep 0.1
done
[ "${#ports[@]}" -eq 2 ] || { cat "$work/said"; fail "the demo does not listen on two ports"; }
# ask PORT METHOD PATH prints the status. The cookies of both ports are in one jar, as in a browser.
ask() {
    curl -sS -o "$work/body" -w '%{http_code}' -b "$work/jar" -c "$work/jar" -X "$2" -d user=ada "http://localhost:$1$3"
}
[ "$(ask "${ports[0]}" POST /login)" = 200 ] || fail "no login on the first port"
cp "$work/jar" "$work/kept"
[ "$(ask "${ports[1]}" POST /profile)" = 405 ] || fail "another answer to POST /profile"
[ "$(curl -sS -o "$work/body" -w '%{http_code}' -b "$work/kept" "http://localhost:${ports[1]}/profile")" = 200 ] ||
    fail "the login does not hold on the second port"
[ "$(ask "${ports[1]}" POST /logout)" = 204 ] || fail "no logout on the second port"
sleep 1
[ "$(curl -sS -o "$work/body" -w '%{http_code}' -b "$work/kept" "http://localhost:${ports[0]}/profile")" = 401 ] ||
    fail "the first port serves a session that has ended on the second one"
kill -INT -- -"$demo"
wait "$demo" || fail "the demo ends with status $?"
[ "$(grep -c '^goodbye' "$work/said")" -eq 2 ] || { cat "$work/said"; fail "not every server has said goodbye"; }
if pgrep -g "$demo" >/dev/null; then
    fail "something of the demo is left over"
fi

# The figures; it measures nothing.
cargo build -p cloakroom-benches --no-default-features --features shared --bin shared
timeout 120 "$target/debug/shared" run --rounds 1 --seconds 0.05 --out "$work/figures"
for file in shared.jsonl shared.md shared.svg; do
    [ -s "$work/figures/$file" ] || fail "no $file"
done
for kind in "in memory" "shared, without near cache" tower-sessions-redis-store; do
    grep -q "^| POST /visit: requests a second | $kind | [1-9]" "$work/figures/shared.md" || fail "no figures of: $kind"
done
