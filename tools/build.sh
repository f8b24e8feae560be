#!/usr/bin/env bash
# Builds the wheel and the source distribution into the folder given, with the locked build backend.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 1 ] || { echo "usage: build.sh FOLDER" >&2; exit 2; }
uv=$(actions/setup.sh --uv)
"$uv" build --no-config --quiet --require-hashes --build-constraints requirements/build.txt --out-dir "$1"
