#!/usr/bin/env bash
# Starts two of the example server, which share their sessions, on the ports 3000 and 3001 (or those that PORTS names), and
# an engine for them: redis-server or valkey-server, whichever is installed. Uses the engine that REDIS_URL names instead, if
# it is set. Log in on one port, log out on the other, and the first one refuses you. Ctrl-C ends all of it. PROFILE=dev
# builds in less time, and serves more slowly.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

read -ra ports <<<"${PORTS:-3000 3001}"
profile=${PROFILE:-release}
built=${CARGO_TARGET_DIR:-target}/${profile/#dev/debug}
children=() work=

finish() {
    # Each server says goodbye. The engine goes last.
    for ((at = ${#children[@]} - 1; at >= 0; at--)); do
        kill "${children[at]}" 2>/dev/null || true
        wait "${children[at]}" 2>/dev/null || true
    done
    [ -z "$work" ] || rm -rf "$work"
}
trap finish EXIT
trap 'exit 0' INT TERM

# free prints a port that nothing uses.
free() {
    local port
    while port=$((20000 + RANDOM % 20000)); do
        (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

if [ -z "${REDIS_URL:-}" ]; then
    engine=$(command -v redis-server || command -v valkey-server) || {
        echo "error: install redis-server or valkey-server, or name an engine: REDIS_URL=redis://host:port $0" >&2
        exit 1
    }
    work=$(mktemp -d) port=$(free)
    "$engine" --port "$port" --bind 127.0.0.1 --save '' --appendonly no --maxmemory-policy noeviction --dir "$work" \
        >"$work/log" &
    children+=($!)
    for ((tries = 0; tries < 100; tries++)); do
        (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
        sleep 0.1
    done
    export REDIS_URL=redis://127.0.0.1:$port
    echo "the engine: $(basename "$engine"), on port $port"
fi

cargo build --profile "$profile" --example server -p cloakroom-tower
for port in "${ports[@]}"; do
    PORT=$port "$built/examples/server" &
    children+=($!)
done
wait -n
