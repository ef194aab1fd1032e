#!/usr/bin/env bash
# Runs bin/bondy with real clients: the tests under cmd/internal/systest, and
# for them the npm packages of scripts/e2e. Without node there is nothing to
# run, which is an error where CI is set.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in node npm; do
  if ! command -v "$tool" >/dev/null; then
    echo "e2e: $tool is not installed; skipped" >&2
    [ -z "${CI:-}" ]
    exit
  fi
done
(cd scripts/e2e && npm ci --no-audit --no-fund)
BONDY_BIN="$PWD/bin/bondy" go test -count=1 -timeout 20m -tags e2e ./cmd/internal/systest/...
