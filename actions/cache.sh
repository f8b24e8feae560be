#!/usr/bin/env bash
# Where the cache of one command is and the key it is kept under, as outputs of a step. A key is written once only: hence the
# command, which installs its own programs, and the day, because vulnerability data ages. (hashFiles sees only the caller's workspace, and the
# env context has not the runner's own variables.)
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
if command -v sha256sum >/dev/null; then sum=sha256sum; else sum="shasum -a 256"; fi
hash=$(cat "$root/requirements/runtime.txt" "$root"/s3c_actions/programs/pins.py "$root"/s3c_actions/programs/modules/*/go.mod | $sum | cut -c1-16)
prefix="s3c-1-${RUNNER_OS:-$(uname -s)}-${RUNNER_ARCH:-$(uname -m)}-"
{
    printf 'folder=%s\n' "${S3C_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/s3c}"
    printf 'key=%s%s-%s-%s\n' "$prefix" "$hash" "$1" "$(date -u +%F)"
    printf 'same-command=%s%s-%s-\n' "$prefix" "$hash" "$1"
    printf 'same-programs=%s%s-\n' "$prefix" "$hash"
    printf 'any=%s\n' "$prefix"
} >>"$GITHUB_OUTPUT"
