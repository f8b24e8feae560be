#!/usr/bin/env bash
# Runs `s3c "$@"` in the locked environment, isolated (-I): neither PYTHONPATH nor a module in the caller's workspace is
# imported, and no variable of ours is seen by the programs that s3c starts.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
python=$("$here/setup.sh")
exec "$python" -Iu "$here/s3c.py" "$@"
