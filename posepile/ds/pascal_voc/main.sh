#!/usr/bin/env bash
# PASCAL VOC 2012: objects cut out of photographs, put in front of people in training.
# What it is and how to get it: dataset.toml. Also makes pascal_voc_0based, named after main.sh.
source "$(dirname "${BASH_SOURCE[0]}")/../../functions.sh"
begin pascal_voc "$@"

step download -- python -m posepile.ds.pascal_voc.main download
step pack     -- python -m posepile.ds.pascal_voc.main pack
