#!/usr/bin/env bash
# Runs the conformance probe against bin/bondy with probe.toml, where the probe
# is beside this checkout. Arguments are the probe's.
set -euo pipefail
cd "$(dirname "$0")/.."

tool=../shared/probe
if [ ! -d "$tool" ]; then
  echo "probe: there is no $tool beside this checkout: nothing was run"
  exit 0
fi
mkdir -p build
build="$PWD/build"
(cd "$tool" && go build -o "$build/probe" .)

data=$(mktemp -d)
bin/bondy serve --config scripts/probe.toml --data "$data" 2>"$data/log" &
router=$!
trap 'kill "$router" 2>/dev/null || true; wait "$router" || true; rm -rf "$data"' EXIT
until (exec 3<>/dev/tcp/127.0.0.1/18081) 2>/dev/null; do
  kill -0 "$router" 2>/dev/null || { cat "$data/log" >&2; exit 1; }
  sleep 0.1
done
"$build/probe" -ws ws://127.0.0.1:18080/ws -raw 127.0.0.1:18082 \
  -longpoll http://127.0.0.1:18080/wamp/longpoll -creds scripts/probe-credentials.json "$@"
