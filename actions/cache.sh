#!/bin/sh
# cache.sh COMMAND: what of the cache is kept between jobs and the key it is kept under, as outputs of a step. A key is written
# once only: hence the command, which installs its own programs, and the day, because vulnerability data ages. (hashFiles sees
# only the caller's workspace, and the env context has not the runner's own variables.)
#
# Kept are the archives of releases, which prove themselves by their hash, and Trivy's databases. With S3C_HOLDS=true, for a job
# that holds a key or a way into a cluster, nothing is: what another job saved may have any path in it.
set -eu
case "$0" in */*) here=${0%/*} ;; *) here=. ;; esac
here=$(CDPATH='' cd -P -- "$here" 2>/dev/null && pwd -P) || { printf 's3c: call %s by its path.\n' "$0" >&2; exit 3; }
. "$here/common.sh"
reject_unsupported
clean_path
root=${here%/*}
# The actions read inputs alone: a variable that seems to close a gate and does not is worth a warning.
for name in $(env | sed -n 's/^\(S3C_[A-Z0-9_]*\)=..*/\1/p' | sort -u); do
    case $name in S3C_CACHE | S3C_STATE | S3C_PYTHON | S3C_HOLDS | S3C_PROGRAMS_MIRROR) continue ;; esac
    printf '::warning title=s3c::%s\n' "$name is set in the environment, and an action does not read it: give the input under with:."
done
if [ "${S3C_HOLDS:-}" = true ]; then
    echo "s3c: this job holds a key, or a way into a cluster: the cache of GitHub Actions is not used (docs/programs.md)." >&2
    exit 0
fi
python=$("$here/setup.sh") || exit $?
folder=$("$python" -I "$here/cache.py") || fail "the cache folder could not be found; set S3C_CACHE."
if command -v sha256sum >/dev/null; then sum=sha256sum; else sum="shasum -a 256"; fi
hash=$(cat "$root/requirements/runtime.txt" "$root"/s3c_actions/programs/install/pins.py "$root"/s3c_actions/programs/install/modules/*/go.mod | $sum | cut -c1-16)
prefix="s3c-1-${RUNNER_OS:-$(uname -s)}-${RUNNER_ARCH:-$(uname -m)}-"
{
    printf 'paths<<S3C_PATHS\n'
    for part in archives trivy/db trivy/java-db; do printf '%s/%s\n' "$folder" "$part"; done
    printf 'S3C_PATHS\n'
    printf 'key=%s%s-%s-%s\n' "$prefix" "$hash" "$1" "$(date -u +%F)"
    printf 'same-command=%s%s-%s-\n' "$prefix" "$hash" "$1"
    printf 'same-programs=%s%s-\n' "$prefix" "$hash"
    printf 'any=%s\n' "$prefix"
} >>"$GITHUB_OUTPUT"
