"""Packed datasets in the formats of other programs. What each format keeps: docs/exports.md.

>>> from posepile.export import export
>>> export(get_dataset('aspset'), 'parquet', '/data/aspset_parquet', splits=[TRAIN])

One module per format has ``write(source, out, ...)``; ``source.py`` gives it the examples and
images one at a time, and ``folder.py`` keeps account of the files that are done.
"""

from importlib import import_module

from posepile.errors import OptionError
from posepile.export.report import ExportReport

#: Name of each format, which is also that of its module, and what is written.
FORMATS = {
    'hdf5': 'one HDF5 file of annotations',
    'webdataset': 'a folder of tar shards with JPEGs and JSON',
    'coco': 'a folder with one COCO keypoint file per split, and the images',
    'humandata': 'a folder of HumanData files (npz) of MMHuman3D, and the images',
    'parquet': 'a folder of Parquet files with the images in them',
}


def export(dataset, to, out, splits=(0, 1, 2), images=True, shard_size=None) -> ExportReport:
    """Write a dataset in another format; what an interrupted export finished is kept.

    Args:
        dataset: a Pose3DDataset or Pose2DDataset, packed or in memory.
        to: one of :data:`FORMATS`.
        out: file (``hdf5``) or folder to write.
        splits: numbers of the splits to write, each once.
        images: False leaves the images out; their paths are always written.
        shard_size: most examples per file, where a format has several files per split; None
            for the usual number.

    Returns:
        What was written, and how often the format could not take something.

    Raises:
        OptionError: no such format, an option it does not have, or ``out`` holds other things.
        ArchiveError, RawDataError: an example or an image is damaged or missing.
    """
    if to not in FORMATS:
        raise OptionError(f'There is no format {to!r}; there are {", ".join(FORMATS)}.')
    options = {} if to == 'hdf5' else {'images': images}
    if shard_size is not None:
        if to in ('hdf5', 'coco'):
            raise OptionError(f'The format {to} has one file per split: there is no shard size.')
        if shard_size < 1:
            raise OptionError('The shard size has to be at least 1.')
        options['shard_size'] = shard_size
    from posepile.export.source import ExportSource

    source = ExportSource(dataset, splits)
    return import_module(f'posepile.export.{to}').write(source, out, **options)
