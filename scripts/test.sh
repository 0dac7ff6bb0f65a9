#!/usr/bin/env bash
# Installs PosePile in .venv and runs all tests, the slow ones too. Arguments go to pytest:
#   ./scripts/test.sh -m "not slow"

source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
exec python -m pytest --numprocesses auto --dist loadgroup "$@"
