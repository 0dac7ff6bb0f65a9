#!/usr/bin/env bash
# MPI-INF-3DHP: one actor at a time, in a studio with 14 cameras. What it is and how to get it:
# dataset.toml, fetch.py. Also makes tdhp_full, with all cameras, joints and frames, and
# tdhp_full_mupots, which has MuPoTS-3D as validation and test data.
source "$(dirname "${BASH_SOURCE[0]}")/../../functions.sh"
begin tdhp "$@"

release=$DATA_ROOT/3dhp
step download            -- python -m posepile.ds.tdhp.fetch
case $POSEPILE_DATASET in
    tdhp_full*) step detect --tasks 224 --gpu -- python -m posepile.detection find "$release" \
        --pattern 'S*/Seq*/imageSequence/video_*.avi' \
        --out "$release/detections_full" --unless "$release/yolov4_detections_full" ;;
    *) step detect --tasks 64 --gpu -- python -m posepile.detection find "$release" \
        --pattern 'S*/Seq*/imageSequence/video_[0124-8].avi,TS*/imageSequence/*.jpg' --every 5 \
        --out "$release/detections" --unless "$release/yolov3_person_detections.pkl" ;;
esac
if [[ $POSEPILE_DATASET == tdhp_full_mupots ]]; then
    mupots=$DATA_ROOT/mupots
    step mupots          -- python -m posepile.ds.mupots.main download --name mupots_yolo
    step intrinsics      -- python -m posepile.ds.mupots.intrinsics
    step detect_mupots --tasks 16 --gpu -- python -m posepile.detection find "$mupots" \
        --pattern 'TS*/img_*.jpg' --out "$mupots/detections" \
        --unless "$mupots/yolov4_detections.pkl" --unless "$mupots/yolov3_detections.pkl"
fi
step crops   --tasks 224 -- python -m posepile.ds.tdhp.main crops
step pack                -- python -m posepile.ds.tdhp.main pack
