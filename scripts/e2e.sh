#!/usr/bin/env bash
# Runs bin/bondy with real clients and over emulated networks: the tests under
# cmd/internal/systest, and for them the npm packages of scripts/e2e. Those of
# scripts/e2e/python the tests install in build/ themselves. What cannot run here
# is said; where CI is set it is an error.
set -euo pipefail
cd "$(dirname "$0")/.."

missing() {
  echo "e2e: $1" >&2
  [ -z "${CI:-}" ]
}

if command -v node >/dev/null && command -v npm >/dev/null; then
  (cd scripts/e2e && npm ci --no-audit --no-fund)
else
  missing "node or npm is not installed: tests with npm clients are skipped"
fi
if [ "$(id -u)" != 0 ]; then
  missing "not root: tests in network namespaces are skipped"
fi
# Of what make test runs, too, the short form will do.
BONDY_BIN="$PWD/bin/bondy" go test -short -count=1 -timeout 20m -tags e2e ./cmd/internal/systest/...
