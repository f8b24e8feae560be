#!/usr/bin/env bash
# The Python of `make`, with everything the tools need: `tools/python.sh -m ruff check`.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
PYTHONPATH=$root exec "$("$root/actions/setup.sh" --dev)" "$@"
