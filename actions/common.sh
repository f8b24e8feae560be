# Sourced by the scripts beside it and in bin/, by any POSIX shell. Until `clean_path` has run, they use what is built into
# the shell alone: PATH may lead into the workspace.

fail() {
    printf 's3c: %s\n' "$*" >&2
    exit 3
}

# Where s3c cannot work, it says so before it starts a program. Debian's package musl is no other libc: glibc is there too.
reject_unsupported() {
    if [ "${RUNNER_OS:-}" = Windows ] || [ "${OS:-}" = Windows_NT ]; then
        fail "it runs on Linux and macOS, not on Windows. Use another machine (on GitHub: runs-on: ubuntu-latest), or WSL."
    fi
    musl= glibc=
    for file in /lib/ld-musl-* /usr/lib/ld-musl-*; do [ ! -e "$file" ] || musl=yes; done
    for file in /lib/ld-linux* /lib64/ld-linux* /lib64/ld64* /usr/lib/ld-linux*; do [ ! -e "$file" ] || glibc=yes; done
    # Alpine with gcompat has the names of glibc's files.
    if [ -e /etc/alpine-release ] || { [ -n "$musl" ] && [ -z "$glibc" ]; }; then
        fail "this machine or container is Alpine or another Linux with musl, which s3c does not support: it is made for glibc." \
            "Use a container of Debian or Ubuntu (with Python 3.11), or none. Images that s3c works on may be Alpine's."
    fi
}

# The caller's checkout, as places.py has it: GITHUB_WORKSPACE, else git's top level, else the working folder; nothing where
# that would be the whole disk or the home folder.
find_workspace() {
    workspace=${GITHUB_WORKSPACE:-}
    if [ -z "$workspace" ]; then
        cwd=$(pwd -P 2>/dev/null) || cwd=
        workspace=$cwd
        while [ -n "$cwd" ]; do
            if [ -e "$cwd/.git" ]; then
                workspace=$cwd
                break
            fi
            cwd=${cwd%/*}
        done
        [ "$workspace" != / ] || workspace=
        if [ -n "${HOME:-}" ] && [ -n "$workspace" ]; then
            home=$(CDPATH='' cd -P -- "$HOME" 2>/dev/null && pwd -P) || home=$HOME
            case "$home/" in "$workspace"/*) workspace= ;; esac
        fi
    fi
    case "$workspace" in /?*) ;; *) workspace= ;; esac
    resolved=$workspace
    if [ -n "$workspace" ]; then
        resolved=$(CDPATH='' cd -P -- "$workspace" 2>/dev/null && pwd -P) || resolved=$workspace
    fi
}

# PATH without elements that are empty, relative or inside of the workspace.
clean_path() {
    find_workspace
    cleaned=
    rest=${PATH:-/usr/bin:/bin}:
    while [ -n "$rest" ]; do
        element=${rest%%:*}
        rest=${rest#*:}
        case "$element" in /*) ;; *) continue ;; esac
        real=$(CDPATH='' cd -P -- "$element" 2>/dev/null && pwd -P) || continue
        if [ -n "$workspace" ]; then
            case "$element/" in "$workspace"/*) continue ;; esac
            case "$real/" in "$resolved"/*) continue ;; esac
        fi
        cleaned=${cleaned:+$cleaned:}$element
    done
    PATH=${cleaned:-/usr/bin:/bin}
    export PATH
}
