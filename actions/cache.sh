#!/bin/sh
# cache.sh COMMAND: where the cache of one command is and the key it is kept under, as outputs of a step. A key is written
# once only: hence the command, which installs its own programs, and the day, because vulnerability data ages. (hashFiles sees
# only the caller's workspace, and the env context has not the runner's own variables.)
#
# With S3C_HOLDS (what the job has that signs or deploys, empty without): a job that holds a key restores nothing. What a
# cache holds was written by whoever ran a workflow before, and its archive may have any path in it.
set -eu
here=$(CDPATH='' cd -P -- "${0%/*}" 2>/dev/null && pwd -P) || { printf 's3c: call %s by its path.\n' "$0" >&2; exit 3; }
. "$here/common.sh"
clean_path
root=${here%/*}
if [ -n "${S3C_HOLDS:-}" ]; then
    echo "s3c: this job holds a key or a cluster's credentials: the cache is neither restored nor saved (docs/programs.md)." >&2
    printf 'folder=\n' >>"$GITHUB_OUTPUT"
    exit 0
fi
python=$("$here/setup.sh") || exit $?
folder=$("$python" -I "$here/cache.py") || fail "the cache folder could not be found; set S3C_CACHE."
if command -v sha256sum >/dev/null; then sum=sha256sum; else sum="shasum -a 256"; fi
hash=$(cat "$root/requirements/runtime.txt" "$root"/s3c_actions/programs/pins.py "$root"/s3c_actions/programs/modules/*/go.mod | $sum | cut -c1-16)
prefix="s3c-2-${RUNNER_OS:-$(uname -s)}-${RUNNER_ARCH:-$(uname -m)}-"
{
    printf 'folder=%s\n' "$folder"
    printf 'key=%s%s-%s-%s\n' "$prefix" "$hash" "$1" "$(date -u +%F)"
    printf 'same-command=%s%s-%s-\n' "$prefix" "$hash" "$1"
    printf 'same-programs=%s%s-\n' "$prefix" "$hash"
    printf 'any=%s\n' "$prefix"
} >>"$GITHUB_OUTPUT"
