#!/usr/bin/env bash
# Tests the page of the example server in Chromium: users log in from two browsers, see and end each other's sessions, and
# watch the store; and the page keeps its layout on screens of 390 and 320 pixels. Then two servers on two ports, which share
# their sessions. Then a session that is bound to one
# profile (adapters/dbsc), whose cookies are copied to another one. Skips with a message if there is no
# Chromium or no driver for it (Debian: the packages chromium and chromium-driver). A minute on two cores, once it is built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# first_of NAME... prints the path of the first program that is installed.
first_of() {
    local name
    for name in "$@"; do
        command -v "$name" && return
    done
    return 1
}

skip() {
    printf '\n*** SKIPPED: the page was not tested in a browser, because there is no %s here ***\n\n' "$1" >&2
    exit 0
}

CHROMIUM=${CHROMIUM:-$(first_of chromium chromium-browser google-chrome google-chrome-stable)} || skip Chromium
CHROMEDRIVER=${CHROMEDRIVER:-$(first_of chromedriver)} || skip chromedriver
export CHROMIUM CHROMEDRIVER
"$CHROMIUM" --version
# One after the other, because concurrent browsers slow each other down beyond the tests' deadlines.
bash ci/with-tests cargo test -p cloakroom-tower --test server browser:: -- --ignored --test-threads=1
# The page of two servers, if there is an engine for them (Debian: the package redis-server).
if [ -n "${CLOAKROOM_ENGINE:-}" ] || first_of redis-server valkey-server; then
    bash ci/with-tests cargo test -p cloakroom-tower --test shared browser:: -- --ignored --test-threads=1
else
    printf '\n*** SKIPPED: the page of two servers, because there is no redis-server here ***\n\n' >&2
fi
bash ci/with-tests cargo test -p cloakroom-dbsc --test browser -- --ignored --test-threads=1
