#!/usr/bin/env bash
# H3WB: whole-body joints for images of Human3.6M. What it is and how to get it: dataset.toml
# Also makes its variant, named after main.sh. The videos are those of Human3.6M, which needs an
# account (posepile/ds/h36m/fetch.py).
source "$(dirname "${BASH_SOURCE[0]}")/../../functions.sh"
begin h3wb "$@"

step download            -- python -m posepile.ds.h3wb.fetch
step videos              -- python -m posepile.ds.h36m.fetch --subjects S1,S5,S6,S7,S8 --kinds Videos,code
step extract --tasks 6   -- python -m posepile.ds.h36m.extract --subjects S1,S5,S6,S7,S8 --kinds Videos,code
step index               -- python -m posepile.ds.h3wb.index
step crops   --tasks 64  -- python -m posepile.ds.h3wb.main crops
step masks   --tasks 10 --gpu -- python -m posepile.segmentation crops h3wb
step pack                -- python -m posepile.ds.h3wb.main pack
