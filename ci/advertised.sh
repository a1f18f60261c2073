#!/usr/bin/env bash
# Runs what the READMEs and documents tell people to run, to its end; a server is started, answers a request and is
# stopped. Fails for a command that neither this script nor another one of .ci/run runs, unless ci/advertised.py says
# why not. Builds what the tests have built. Half a minute on two cores after the tests.
#   ci/advertised.sh --list    shows what becomes of each command, and runs none
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

exec python3 ci/advertised.py "$@"
