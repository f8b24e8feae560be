#!/usr/bin/env bash
# One locked environment for every action, the Makefile and the lab; a no-op when it is there.
# Prints the path of its Python. With --dev: the environment that also has the tests' packages.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
lock="$root/requirements/runtime.txt"
[ "${1:-}" != --dev ] || lock="$root/requirements/dev.txt"
cache="${S3C_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/s3c}"

say() { printf 's3c: %s\n' "$*" >&2; }

find_python() {
    local candidate
    for candidate in "${S3C_PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        [ -n "$candidate" ] || continue
        candidate=$(command -v "$candidate" 2>/dev/null) || continue
        if version=$("$candidate" -c 'import sys; assert sys.version_info >= (3, 11); print(sys.implementation.cache_tag)' 2>/dev/null); then
            python=$candidate
            return
        fi
    done
    say "no Python 3.11 or newer was found. Install one (on a runner: actions/setup-python), or name it in S3C_PYTHON."
    exit 3
}

# uv at the pinned version: from PATH, else into the cache by whatever this machine has to install a wheel with.
find_uv() {
    local want tools
    want=$(cat "$root/requirements/uv.in")
    want=${want#uv==}
    if command -v uv >/dev/null && [ "$(uv --version | cut -d' ' -f2)" = "$want" ]; then
        uv=$(command -v uv)
        return
    fi
    tools="$cache/tools/uv-$want"
    uv="$tools/bin/uv"
    [ ! -x "$uv" ] || return 0
    say "installing uv $want (checked by hash)"
    mkdir -p "$cache/tools"
    local temp
    temp=$(mktemp -d "$cache/tools/.uv.XXXXXX")
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null && ! "$python" -m pip --version >/dev/null 2>&1; then
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            say "this Python has neither venv nor pip: installing Debian's python3-venv"
            { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv; } >&2
        else
            say "this Python has neither venv nor pip. Install them (Debian: apt-get install python3-venv) or put uv $want on PATH."
            exit 3
        fi
    fi
    if "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --require-hashes --only-binary :all: \
            --target "$temp" -r "$root/requirements/uv.txt" >&2
    else
        "$python" -m venv "$temp/venv"
        "$temp/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
            --target "$temp" -r "$root/requirements/uv.txt" >&2
        rm -rf "$temp/venv"
    fi
    [ -x "$tools/bin/uv" ] || mv -T "$temp" "$tools" 2>/dev/null || true
    rm -rf "$temp"
    [ -x "$uv" ] || { say "uv could not be installed."; exit 3; }
}

find_python
if command -v sha256sum >/dev/null; then sum=sha256sum; else sum="shasum -a 256"; fi
key=$($sum <"$lock")
environment="$cache/env/$(basename "$lock" .txt)-$version-${key:0:16}"
# A restored cache may hold an environment whose interpreter this machine no longer has.
ready() { [ -e "$environment/.ready" ] && [ -x "$environment/bin/python" ]; }
if ! ready; then
    mkdir -p "$cache/env"
    # Two jobs of one machine may come here together: the second waits, then finds it made.
    if command -v flock >/dev/null; then
        exec 9>"$environment.lock"
        flock 9
    fi
    if ! ready; then
        find_uv
        say "setting up the environment ($(basename "$lock"), $version)"
        "$uv" venv --quiet --clear --no-project --python "$python" "$environment" >&2
        "$uv" pip install --quiet --python "$environment/bin/python" --require-hashes -r "$lock" >&2
        "$environment/bin/python" -m compileall -q "$environment/lib" >/dev/null 2>&1 || true
        touch "$environment/.ready"
    fi
fi
printf '%s\n' "$environment/bin/python"
