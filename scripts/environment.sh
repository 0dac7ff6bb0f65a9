# shellcheck shell=bash
# Sourced by the other scripts: makes the virtual environment .venv in the repository root and
# installs PosePile in it. Does nothing if that has been done since setup.py last changed.
#
# POSEPILE_PYTHON   interpreter to make it with (default: python3 if new enough, else a newer one)
# POSEPILE_VENV     where to make it (default: .venv)

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
VENV=${POSEPILE_VENV:-$PWD/.venv}

find_python() {
    local candidate
    for candidate in ${POSEPILE_PYTHON:-python3 python3.13 python3.12 python3.11 python3.10 python}; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2])' \
            2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "PosePile needs Python 3.10 or newer with the venv module. Install one, or name it in" \
        "the environment variable POSEPILE_PYTHON." >&2
    return 1
}

install_posepile() {
    local wanted done_mark python
    wanted=$(cksum <setup.py)
    done_mark="$VENV/posepile-installed"
    if [[ -f $done_mark && $(<"$done_mark") == "$wanted" ]]; then
        return
    fi
    python=$(find_python)
    echo "Installing PosePile in $VENV (a few minutes the first time) ..."
    "$python" -m venv "$VENV"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[test]'
    if ! "$VENV/bin/python" -c 'import cv2' 2>/dev/null; then
        # The usual build of OpenCV needs the system's window and OpenGL libraries, this one none.
        "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --force-reinstall \
            --no-deps opencv-python-headless
    fi
    # Compiled once here, kernels need not be compiled in every new process.
    "$VENV/bin/python" -W ignore -m deltacamera.precompile
    "$VENV/bin/python" -m posepile.precompile
    echo "$wanted" >"$done_mark"
}

install_posepile
export PATH="$VENV/bin:$PATH"
