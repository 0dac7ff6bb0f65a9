#!/usr/bin/env bash
# From a clone to a dataset: installs PosePile in .venv, simulates the raw release of ASPset-510,
# runs its pipeline, verifies and draws the result and reads it with a PyTorch DataLoader.
# Everything it makes lies in demo_data/ (or in $POSEPILE_DEMO_ROOT). Run it again: it is quick.

source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
export DATA_ROOT=${POSEPILE_DEMO_ROOT:-$PWD/demo_data}
mkdir -p "$DATA_ROOT"
exec python scripts/demo.py "$@"
