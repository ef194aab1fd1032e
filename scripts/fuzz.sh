#!/usr/bin/env bash
# Runs each fuzz target for FUZZTIME (60s), one after the other, or only those
# of the packages that are named:
#
#     scripts/fuzz.sh ./core/codec
set -euo pipefail
cd "$(dirname "$0")/.."

packages=("$@")
[ ${#packages[@]} -gt 0 ] || packages=(./...)

# Packages without a test file that mentions a target are not even compiled.
found=0
for dir in $(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' "${packages[@]}"); do
  grep -qs '^func Fuzz' "$dir"/*_test.go || continue
  targets=$(cd "$dir" && go test -list '^Fuzz' . | grep '^Fuzz')
  for target in $targets; do
    found=$((found + 1))
    echo "== ${dir#"$PWD"/} $target"
    (cd "$dir" && go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-60s}" -fuzzminimizetime 1x .)
  done
done
echo "$found fuzz targets passed"
