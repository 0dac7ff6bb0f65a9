#!/usr/bin/env bash
# ASPset-510: outdoor sports, three calibrated views. What it is and how to get it: dataset.toml
source "$(dirname "${BASH_SOURCE[0]}")/../../functions.sh"
begin aspset "$@"

step download            -- python -m posepile.ds.aspset.main download
step crops  --tasks 64   -- python -m posepile.ds.aspset.main crops
step masks  --tasks 16 --gpu -- python -m posepile.segmentation crops aspset
step pack                -- python -m posepile.ds.aspset.main pack
