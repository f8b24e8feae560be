#!/bin/sh
# One locked environment for every action, the Makefile and the lab; a no-op when it is there and is what was recorded of it.
# Prints the path of its Python. With --dev: the environment that also has the tests' packages; with --uv: the path of uv.
# Finds a Python and hands over to environment.py, which runs isolated, outside of the workspace and without secrets.
set -eu
case "$0" in */*) here=${0%/*} ;; *) here=. ;; esac
here=$(CDPATH='' cd -P -- "$here" 2>/dev/null && pwd -P) || { printf 's3c: call %s by its path.\n' "$0" >&2; exit 3; }
. "$here/common.sh"
reject_unsupported
clean_path

# Relative folders are those of the caller.
if [ -n "${S3C_CACHE:-}" ]; then
    case "$S3C_CACHE" in /*) ;; *) S3C_CACHE=$(pwd -P)/$S3C_CACHE || fail "the working folder was removed: go to one that is there." ;; esac
fi
case "${S3C_PYTHON:-}" in /* | "") ;; */*) S3C_PYTHON=$(pwd -P)/$S3C_PYTHON || fail "the working folder was removed: go to one that is there." ;; esac
# A home that would be another folder in every working folder is none, as in folders.py.
case "${HOME:-}" in /* | "") ;; *) HOME= ;; esac
cd / || fail "this user may not enter the folder /."

# What is handed on: where things lie, how the network is reached, and which index has the packages.
seen='PATH HOME USER LOGNAME SUDO_UID LANG LC_ALL TMPDIR LD_LIBRARY_PATH DEBIAN_FRONTEND
    S3C_CACHE S3C_STATE XDG_CACHE_HOME XDG_STATE_HOME XDG_CONFIG_HOME XDG_CONFIG_DIRS
    PYENV_ROOT PYENV_VERSION ASDF_DIR ASDF_DATA_DIR
    http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY
    SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NIX_SSL_CERT_FILE
    PIP_CONFIG_FILE PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS PIP_NO_INDEX PIP_TRUSTED_HOST PIP_CERT PIP_CLIENT_CERT
    PIP_PROXY PIP_RETRIES PIP_TIMEOUT PIP_DEFAULT_TIMEOUT
    UV_INDEX UV_DEFAULT_INDEX UV_INDEX_URL UV_EXTRA_INDEX_URL UV_FIND_LINKS UV_OFFLINE UV_INSECURE_HOST UV_NATIVE_TLS
    UV_SYSTEM_CERTS UV_HTTP_TIMEOUT UV_HTTP_RETRIES UV_KEYRING_PROVIDER'

# run PYTHON ARGUMENT…: environment.py in that Python; 77 where it is too old.
run() {
    candidate=$1
    shift
    for name in $seen; do
        eval "value=\${$name:-}"
        [ -z "$value" ] || set -- "$@" "$name=$value"
    done
    # The variables stand behind the arguments (none or one): they go in front of the program.
    argument=
    case "${1:-}" in --*) argument=$1 && shift ;; esac
    command -p env -i "$@" "$candidate" -I -S -c '
import sys
if sys.version_info < (3, 11):
    sys.exit(77)
sys.path.insert(0, sys.argv[1])
from environment import main
main(sys.argv[2])' "$here" "$argument"
}

# attempt PYTHON ARGUMENT…: does the work in that Python and ends; returns where it is missing, too old or does not run.
attempt() {
    python=$(command -v "$1" 2>/dev/null) || return 0
    case "$python" in /*) ;; *) return 0 ;; esac
    shift
    code=0
    run "$python" "$@" || code=$?
    case $code in 0 | 3 | 130) exit "$code" ;; esac
}

if [ -n "${S3C_PYTHON:-}" ]; then
    attempt "$S3C_PYTHON" "$@"
    fail "S3C_PYTHON names $S3C_PYTHON, which is not a Python 3.11 or newer that runs here. Name another, or unset it."
fi
for name in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3 /usr/local/bin/python3 /opt/homebrew/bin/python3; do
    attempt "$name" "$@"
done
# What a hosted runner has beside the system's own, which is older on some.
tools=${RUNNER_TOOL_CACHE:-}
case "$tools/" in
"${workspace:-//}"/* | "${resolved:-//}"/*) ;;
/?*) for name in "$tools"/Python/3.1[1-9].*/*/bin/python3; do attempt "$name" "$@"; done ;;
esac
fail "no Python 3.11 or newer was found. Install one (on a runner: actions/setup-python), or name it in S3C_PYTHON."
