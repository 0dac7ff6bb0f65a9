#!/usr/bin/env bash
# COCO: people in photographs, in the image plane. What it is and how to get it: dataset.toml
# Also makes coco_multi, coco_reduced, coco_reduced_noface and coco_wholebody, named after main.sh.
source "$(dirname "${BASH_SOURCE[0]}")/../../functions.sh"
begin coco "$@"

step download            -- python -m posepile.ds.coco.main download
step crops   --tasks 64  -- python -m posepile.ds.coco.main crops
step pack                -- python -m posepile.ds.coco.main pack
