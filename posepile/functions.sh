# shellcheck shell=bash
# What every main.sh begins with. It reads like a recipe:
#
#   source "$(dirname "${BASH_SOURCE[0]}")/../../functions.sh"
#   begin aspset "$@"
#   step download           -- python -m posepile.ds.aspset.main download
#   step crops   --tasks 64 -- python -m posepile.ds.aspset.main crops
#
# Environment variables of a person: DATA_ROOT, POSEPILE_PYTHON (interpreter), POSEPILE_EXECUTOR
# (local or slurm), POSEPILE_DETACH=1 (with slurm: submit everything and return), POSEPILE_JOBS (tasks
# at a time), POSEPILE_TASKS (tasks per step), POSEPILE_UNTIL (last step), POSEPILE_FORCE (steps to
# redo), POSEPILE_RETRY_FAILED=1 (failed tasks first), POSEPILE_KEEP=1 (keep what older code or
# commands made).
#
# The script is also run to see which steps it has: it must contain nothing beside them that may not
# happen twice.

if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 401)); then
    echo "posepile: error: bash 4.1 or later is needed, this is $BASH_VERSION" >&2
    exit 1
fi
[[ $- == *i* ]] || set -euo pipefail

# The installed package directory.
CODE_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
export CODE_DIR
# A file in the current directory must not take the place of a module (from Python 3.11 on).
export PYTHONSAFEPATH=1

# begin NAME [VARIANT]: name the product, and be its only runner until this script ends.
begin() {
    local checked
    if [[ -n ${POSEPILE_PLAN_FD:-} ]]; then
        export POSEPILE_DATASET=${2:-$1}
        # As below: commands that name it must be the same as when they are run.
        [[ ! -d ${DATA_ROOT:-} ]] || DATA_ROOT=$(cd "$DATA_ROOT" && pwd)
        return
    fi
    _posepile_python
    check_data_root
    DATA_ROOT=$(cd "$DATA_ROOT" && pwd)
    export DATA_ROOT
    checked=$("$POSEPILE_PYTHON" -m posepile.cluster begin "$0" "$@") || exit 1
    export POSEPILE_DATASET=${checked%%$'\n'*}
    exec {POSEPILE_LOCK_FD}<>"${checked#*$'\n'}"
    export POSEPILE_LOCK_FD
    # When one of these processes has ended, so do the running tasks.
    export POSEPILE_WATCH_PIDS="${POSEPILE_RUN_PID:-} $$"
    export POSEPILE_RUN_ID=${POSEPILE_RUN_ID:-$$.$(date +%s)}
    POSEPILE_SCRIPT=$(cd "$(dirname "$0")" && pwd)/${0##*/}
    export POSEPILE_SCRIPT
    "$POSEPILE_PYTHON" -m posepile.cluster lock "$POSEPILE_LOCK_FD" || exit 1
    if [[ -z ${POSEPILE_RESUME:-} ]]; then
        POSEPILE_RESUME=bash$(printf ' %q' "$POSEPILE_SCRIPT" "${@:2}")
        export POSEPILE_RESUME
    fi
}

# step NAME [--tasks N] [--gpu] [--cpus C] [--mem M] [--time T] [--max-parallel P] [--after STEP]
#     -- COMMAND: run what is not done of a step; the script ends here if it fails.
step() {
    if [[ -n ${POSEPILE_PLAN_FD:-} ]]; then
        printf '%s\0' "$#" "$@" >&"$POSEPILE_PLAN_FD"
        return
    fi
    if [[ -z ${POSEPILE_DATASET:-} ]]; then
        echo "posepile: error: step without begin in $0" >&2
        exit 1
    fi
    _posepile_attended "$POSEPILE_PYTHON" -m posepile.cluster step "$@" || exit $?
    if [[ ${POSEPILE_UNTIL:-} == "$1" ]]; then
        echo "$POSEPILE_DATASET: ends after step $1, as asked" >&2
        exit 0
    fi
}

# Find the interpreter, and put it first where scripts look for it.
_posepile_python() {
    POSEPILE_PYTHON=${POSEPILE_PYTHON:-$(command -v python || command -v python3 || true)}
    if ! "${POSEPILE_PYTHON:-false}" -c 'import posepile' 2>/dev/null; then
        # Not installed: the checkout that holds this file.
        export PYTHONPATH="${CODE_DIR%/*}${PYTHONPATH:+:$PYTHONPATH}"
        if ! "${POSEPILE_PYTHON:-false}" -c 'import posepile'; then
            echo "posepile: error: ${POSEPILE_PYTHON:-python} cannot import posepile; activate" \
                "its environment or set POSEPILE_PYTHON to the interpreter to use" >&2
            exit 1
        fi
    fi
    POSEPILE_PYTHON=$(command -v "$POSEPILE_PYTHON")
    POSEPILE_PYTHON=$(cd "$(dirname "$POSEPILE_PYTHON")" && pwd)/${POSEPILE_PYTHON##*/}
    export POSEPILE_PYTHON
    export PATH="${POSEPILE_PYTHON%/*}:$PATH"
}

# Run a command that is ended at once when this shell is asked to end, and return its status.
# (In the foreground it would learn only of what is typed on a terminal.)
_posepile_attended() {
    local pid status stopped=''
    "$@" <&0 &
    pid=$!
    # TERM in all cases, because a background process starts with INT ignored.
    trap 'stopped=130; kill "$pid" 2>/dev/null || true' INT
    trap 'stopped=143; kill "$pid" 2>/dev/null || true' TERM
    trap 'stopped=129; kill "$pid" 2>/dev/null || true' HUP
    while :; do
        status=0
        wait "$pid" || status=$?
        # A signal interrupts the waiting, too.
        kill -0 "$pid" 2>/dev/null || break
    done
    trap - INT TERM HUP
    return "${stopped:-$status}"
}

# --- helpers ---

# Exit unless DATA_ROOT is a directory to write to.
check_data_root() {
    local problem
    if [[ -z ${DATA_ROOT:-} ]]; then
        problem='The environment variable DATA_ROOT is not set.'
    elif [[ ! -d $DATA_ROOT ]]; then
        problem="DATA_ROOT=$DATA_ROOT is not an existing directory."
    elif [[ ! -w $DATA_ROOT || ! -x $DATA_ROOT ]]; then
        problem="DATA_ROOT=$DATA_ROOT is not writable for this user."
    else
        return 0
    fi
    echo "posepile: error: $problem Set it to the directory that holds (or shall hold) the" \
        "dataset directories: export DATA_ROOT=/path/to/data" >&2
    exit 1
}

# urlencode STR: print it with every byte outside a-zA-Z0-9.~_- as %XX.
urlencode() {
    local LC_ALL=C
    local string=$1 i char code
    for ((i = 0; i < ${#string}; i++)); do
        char=${string:i:1}
        case $char in
            [a-zA-Z0-9.~_-]) printf '%s' "$char" ;;
            *)
                printf -v code '%d' "'$char"
                printf '%%%02X' $((code & 255))
                ;;
        esac
    done
}

# ask PROMPT: repeat the question until the answer is y or n; print the answer.
ask() {
    local answer
    while :; do
        printf '%s [y/n] ' "$1" >&2
        read -r answer || return 1
        case $answer in
            [yY]) echo y && return ;;
            [nN]) echo n && return ;;
        esac
    done
}

# check_md5 FILE SUM: status only.
check_md5() {
    local sum
    sum=$(md5sum 2>/dev/null <"$1") || return 1
    [[ ${sum%% *} == "${2,,}" ]]
}

# mkdircd DIR: create a directory with its parents and go there.
mkdircd() {
    mkdir -p -- "$1" && cd -- "$1" || return
}

# extractrm FILE...: unpack archives into the current directory; delete each one on success.
extractrm() {
    local archive status=0
    for archive in "$@"; do
        if _posepile_extract "$archive"; then
            rm -- "$archive"
        else
            echo "extractrm: $archive was not unpacked and is kept" >&2
            status=1
        fi
    done
    return "$status"
}

_posepile_extract() {
    case ${1,,} in
        *.zip | *.tar | *.tar.* | *.tgz | *.tbz | *.tbz2 | *.txz)
            "${POSEPILE_PYTHON:-python}" -c \
                'import sys; from posepile.raw.unpack import unpack; unpack(sys.argv[1], ".")' "$1"
            ;;
        *.rar) unrar x -o+ -idq -- "$1" ;;
        *)
            echo "extractrm: $1 is of no known type (zip, tar, tar.*, rar)" >&2
            return 1
            ;;
    esac
}
