"""Download the annotations of H3WB that are missing.

$ python -m posepile.ds.h3wb.fetch

Files that are there are recognised by their names, wherever they lie below $DATA_ROOT/h3wb.
"""

import dataclasses
import os
import os.path as osp
import sys

from posepile.ds.h3wb.annotations import TEST_IMAGES_JSON, TRAINING_JSON, find_file, release_dir
from posepile.paths import check_data_root
from posepile.pipeline.fetch import fetch_dataset
from posepile.program import run_program
from posepile.registry import find_dataset

#: What is in an archive; other files are what they are called.
_CONTENTS = {'json.zip': (TRAINING_JSON, TEST_IMAGES_JSON)}


def main() -> int:
    """See the module's text."""
    return run_program(_run)


def _run():
    check_data_root()
    info = find_dataset(os.environ.get('POSEPILE_DATASET', 'h3wb'))
    missing = [file for file in info.files if not is_in_place(file)]
    fetch_dataset(dataclasses.replace(info, files=tuple(missing)))


def is_in_place(file) -> bool:
    """Whether what a :class:`posepile.registry.RawFile` consists of has been put in place.

    An archive that is still there is to be unpacked: whatever did so before was stopped.
    """
    folder = release_dir()
    if osp.exists(osp.join(folder, file.path)) and file.unpack is not None:
        return False
    names = _CONTENTS.get(file.path, (osp.basename(file.path),))
    return all(find_file(folder, name) for name in names)


if __name__ == '__main__':
    sys.exit(main())
