#!/usr/bin/env bash
# INRIA Holidays: photographs without people, put behind people in training.
# What it is and how to get it: dataset.toml
source "$(dirname "${BASH_SOURCE[0]}")/../../functions.sh"
begin inria_holidays "$@"

raw=$DATA_ROOT/inria_holidays

step download            -- python -m posepile.ds.inria_holidays.main download
step shrink   --tasks 16 -- python -m posepile.ds.inria_holidays.main shrink
step detect   --tasks 4 --gpu -- python -m posepile.detection find "$raw/jpg_small" \
    --pattern '??????.jpg' --out "$DATA_ROOT/.posepile/inria_holidays/detect/found" \
    --unless "$raw/yolov4_person_detections.pkl" --unless "$raw/yolov3_person_detections.pkl"
step pack                -- python -m posepile.ds.inria_holidays.main pack
step tidy                -- python -m posepile.ds.inria_holidays.main tidy
