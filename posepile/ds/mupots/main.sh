#!/usr/bin/env bash
# MuPoTS-3D: several people in 20 short sequences, a benchmark. What it is and how to get it:
# dataset.toml. Also makes mupots_yolo, with the annotated people as validation data.
source "$(dirname "${BASH_SOURCE[0]}")/../../functions.sh"
begin mupots "$@"

release=$DATA_ROOT/mupots
step download            -- python -m posepile.ds.mupots.main download
step intrinsics          -- python -m posepile.ds.mupots.intrinsics
step detect --tasks 16 --gpu -- python -m posepile.detection find "$release" \
    --pattern 'TS*/img_*.jpg' --out "$release/detections" \
    --unless "$release/yolov4_detections.pkl" --unless "$release/yolov3_detections.pkl"
step crops   --tasks 20  -- python -m posepile.ds.mupots.main crops
step pack                -- python -m posepile.ds.mupots.main pack
