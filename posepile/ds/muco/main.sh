#!/usr/bin/env bash
# MuCo-3DHP: composites of four people each, cut out of MPI-INF-3DHP by a program of our own; those
# that the authors' program has made in $DATA_ROOT/muco are used as they are. What it is and how to
# get it: dataset.toml, fetch.py. Also makes muco_3dhp_200k, muco_17_150k and muco_full, named after
# main.sh; the last two have MuPoTS-3D as validation and test data.
source "$(dirname "${BASH_SOURCE[0]}")/../../functions.sh"
begin muco "$@"

release=$DATA_ROOT/muco
mupots=$DATA_ROOT/mupots
case $POSEPILE_DATASET in
    muco_3dhp_200k) images='**/0?????.jpg,**/1?????.jpg' ;;
    muco_17_150k) images='**/0?????.jpg,**/1[0-4]????.jpg' ;;
    *) images='**/??????.jpg' ;;
esac

step download              -- python -m posepile.ds.muco.fetch
step arrange               -- python -m posepile.ds.muco.arrange
step frames     --tasks 176 -- python -m posepile.ds.muco.frames
step composites --tasks 300 -- python -m posepile.ds.muco.composites
step detect     --tasks 64 --gpu -- python -m posepile.detection find \
    "$release" --pattern "$images" --out "$release/detections" \
    --unless "$release/yolov4_detections.pkl" --unless "$release/yolov3_detections.pkl"
if [[ $POSEPILE_DATASET == muco_17_150k || $POSEPILE_DATASET == muco_full ]]; then
    step mupots            -- python -m posepile.ds.mupots.main download --name mupots_yolo
    step intrinsics        -- python -m posepile.ds.mupots.intrinsics
    step detect_mupots --tasks 16 --gpu -- python -m posepile.detection find \
        "$mupots" --pattern 'TS*/img_*.jpg' --out "$mupots/detections" \
        --unless "$mupots/yolov4_detections.pkl" --unless "$mupots/yolov3_detections.pkl"
fi
step crops      --tasks 300 -- python -m posepile.ds.muco.main crops
step pack                  -- python -m posepile.ds.muco.main pack
