#!/usr/bin/env bash
# 3DPW: one or two people outdoors, filmed with a moving phone. What it is and how to get it:
# dataset.toml. Also makes tdpw_parametric, for which SMPL is needed: docs/body-models.md
source "$(dirname "${BASH_SOURCE[0]}")/../../functions.sh"
begin tdpw "$@"

release=$DATA_ROOT/3dpw
step download            -- python -m posepile.ds.tdpw.fetch
case $POSEPILE_DATASET in
    tdpw_parametric) step detect --tasks 16 --gpu -- python -m posepile.detection find \
        "$release/imageFiles" --pattern '*/*.jpg' --out "$release/detections" \
        --unless "$release/yolov4_detections.pkl" ;;
esac
step crops   --tasks 16  -- python -m posepile.ds.tdpw.main crops
step pack                -- python -m posepile.ds.tdpw.main pack
