#!/usr/bin/env bash
# Builds the wheel and the source distribution into the folder given, with the locked build backend.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 1 ] || { echo "usage: build.sh FOLDER" >&2; exit 2; }
actions/setup.sh --dev >/dev/null
uv=$(command -v uv || echo "${S3C_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/s3c}"/tools/uv-*/bin/uv)
"$uv" build --quiet --require-hashes --build-constraints requirements/build.txt --out-dir "$1"
