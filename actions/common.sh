# Sourced by the scripts beside it and in bin/, by any POSIX shell. Until `clean_path` has run, they use what is built into
# the shell alone: PATH may lead into the workspace.

fail() {
    printf 's3c: %s\n' "$*" >&2
    exit 3
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
