#!/bin/sh
# Runs `s3c "$@"` in the locked environment, isolated (-I): neither PYTHONPATH nor a module in the caller's workspace is
# imported, and no variable of ours is seen by the programs that s3c starts.
set -eu
case "$0" in */*) here=${0%/*} ;; *) here=. ;; esac
here=$(CDPATH='' cd -P -- "$here" 2>/dev/null && pwd -P) || { printf 's3c: call %s by its path.\n' "$0" >&2; exit 3; }
. "$here/common.sh"
reject_unsupported
clean_path
# Whoever runs this machine may name a mirror for every job: an input that is empty leaves it.
if [ -n "${S3C_ACTION_PROGRAMS_MIRROR:-}" ]; then
    S3C_PROGRAMS_MIRROR=$S3C_ACTION_PROGRAMS_MIRROR
    export S3C_PROGRAMS_MIRROR
fi
unset S3C_ACTION_PROGRAMS_MIRROR
python=$("$here/setup.sh") || exit $?
exec "$python" -Iu "$here/s3c.py" "$@"
