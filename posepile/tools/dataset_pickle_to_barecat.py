"""Convert a pickled dataset of earlier times to Barecat archives.

``python -m posepile.tools.dataset_pickle_to_barecat --input-path old.pkl --output-path
annotations.barecat [--images-path images.barecat]``
"""

import argparse
import sys

import simplepyutils as spu

import posepile
from posepile.datasets2d import Pose2DDataset
from posepile.errors import RawDataError
from posepile.paths import ensure_absolute_path
from posepile.program import run_program
from posepile.storage import codec, records
from posepile.storage.archive import ArchiveWriter
from posepile.storage.legacy_pickle import load_dataset_pickle
from posepile.storage.records import decode_skeleton as get_joint_info  # noqa: F401
from posepile.storage.records import dict_to_example3d as dict_to_example  # noqa: F401
from posepile.storage.records import example3d_to_dict as example_to_dict  # noqa: F401
from posepile.util import SPLIT_NAMES


def convert(input_path, output_path, images_path=None, module_name=None, compact=False):
    """Write the annotation archive of a pickled 3D or 2D dataset.

    Args:
        images_path: also collect the images, which are files below DATA_ROOT, in this archive.
        module_name: see :func:`posepile.storage.legacy_pickle.load_dataset_pickle`.
        compact: see :mod:`posepile.storage.records`.

    Raises:
        RawDataError: if the pickle cannot be read, or an image is missing.
        ArchiveError: if the disk is full.
    """
    dataset = load_dataset_pickle(input_path, module_name)
    kind = '2d' if isinstance(dataset, Pose2DDataset) else '3d'
    if images_path is not None:  # first, because the annotations mean that all is there
        _collect_images(dataset, images_path)
    with ArchiveWriter(output_path) as annotations:
        for key, example in spu.progressbar(_by_key(dataset), desc='Annotations'):
            record = records.ENCODERS[kind](example, compact)
            annotations.add(key, codec.pack(record))
        annotations.add('metadata.msgpack', codec.pack(_metadata(dataset, kind)))


def _by_key(dataset):
    """(record path, example), sorted; examples of one image are numbered in their order."""
    result = {}
    for split, examples in dataset.examples.items():
        numbers = {}
        for example in examples:
            number = numbers[example.image_path] = numbers.get(example.image_path, -1) + 1
            result[records.record_path(split, example.image_path, number)] = example
    return sorted(result.items(), key=lambda item: item[0])


def _metadata(dataset, kind):
    metadata = records.encode_skeleton(dataset.joint_info)
    for key, attribute in (
        ('train_bone_lengths', 'train_bones'),
        ('trainval_bone_lengths', 'trainval_bones'),
    ):
        if getattr(dataset, attribute, None) is not None:
            metadata[key] = getattr(dataset, attribute)
    counts = {name: len(dataset.examples[split]) for split, name in enumerate(SPLIT_NAMES)}
    metadata['posepile'] = dict(kind=kind, version=posepile.__version__, examples=counts)
    return metadata


def _collect_images(dataset, images_path):
    paths = sorted({example.image_path for example in dataset.iter_examples()})
    with ArchiveWriter(images_path) as images:
        for path in spu.progressbar(paths, desc='Images'):
            file = ensure_absolute_path(path)
            try:
                with open(file, 'rb') as f:
                    images.add(path, f.read())
            except FileNotFoundError as e:
                raise RawDataError(
                    file, 'there is no such image', 'Set DATA_ROOT to where the images lie.'
                ) from e


def main(argv=None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog='python -m posepile.tools.dataset_pickle_to_barecat',
        description='Convert a pickled dataset to Barecat archives.',
    )
    parser.add_argument('--input-path', required=True, help='the pickled dataset')
    parser.add_argument('--output-path', required=True, help='annotation archive to write')
    parser.add_argument('--images-path', help='image archive to write from the files')
    parser.add_argument(
        '--legacy-module-name', help='package of the pickled classes, if not posepile or data'
    )
    parser.add_argument('--compact', action='store_true', help='use float16 and int16')
    args = parser.parse_args(argv)
    return run_program(
        convert,
        args.input_path,
        args.output_path,
        args.images_path,
        args.legacy_module_name,
        args.compact,
    )


if __name__ == '__main__':
    sys.exit(main())
