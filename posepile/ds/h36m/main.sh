#!/usr/bin/env bash
# Human3.6M: one actor in a studio, four cameras. What it is and how to get it: dataset.toml
# Also makes its variants, named after main.sh.
source "$(dirname "${BASH_SOURCE[0]}")/../../functions.sh"
begin h36m "$@"

step download            -- python -m posepile.ds.h36m.fetch
step extract --tasks 7   -- python -m posepile.ds.h36m.extract
step boxes   --tasks 64  -- python -m posepile.ds.h36m.boxes
step crops   --tasks 64  -- python -m posepile.ds.h36m.main crops
case $POSEPILE_DATASET in
    h36m | h36m_incorrect_S9 | h36m_partial | h36m_protocol1) ;; # are without masks
    *) step masks --tasks 18 --gpu -- python -m posepile.segmentation crops h36m ;;
esac
step pack                -- python -m posepile.ds.h36m.main pack
