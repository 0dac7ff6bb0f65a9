"""PASCAL VOC 2012: its segmented objects, cut out, for training to put in front of people."""

import os.path as osp

from posepile import paths
from posepile.ds.pascal_voc.annotations import annotation_paths, read_annotation
from posepile.ds.pascal_voc.cutouts import cut_out, read_label_image
from posepile.errors import RawDataError
from posepile.pipeline import image_stages
from posepile.raw.images import read_image
from posepile.simulate.origin import is_simulated
from posepile.storage.image_collection import encode_cutout, open_images, write_images


def make_dataset(name='pascal_voc', one_based=True):
    """Open the packed cut-outs, an :class:`~posepile.storage.image_collection.ImageCollection`.

    Args:
        one_based: for ``pascal_voc``: False gives ``pascal_voc_0based``, see :func:`cutouts_of`.
    """
    if name == 'pascal_voc' and not one_based:
        name = 'pascal_voc_0based'
    return open_images(name, 'occluders')


def cutouts_of(annotation_path, one_based=True):
    """Yield (number, RGB (h, w, 3) uint8, opacity (h, w) float32) of an image's usable objects.

    Args:
        annotation_path: of its XML file. Images without segmentation have no objects.
        one_based: whether boxes count pixels from 1 and include their last ones, as they do.
            Earlier programs took them for slices that count from 0, which cuts the first row and
            column off and moves the window by a pixel.

    The number is that of the object in the file, from 1, and its value in the label image.

    Raises:
        RawDataError: if a file of it is missing or damaged.
    """
    annotation = read_annotation(annotation_path)
    objects = [o for o in annotation.objects if o.is_usable] if annotation.is_segmented else []
    if not objects:
        return
    release = osp.dirname(osp.dirname(annotation_path))
    stem = osp.splitext(annotation.filename)[0]
    labels = read_label_image(f'{release}/SegmentationObject/{stem}.png')
    image = read_image(f'{release}/JPEGImages/{annotation.filename}')
    if labels.shape != image.shape[:2]:
        raise RawDataError(
            f'{release}/SegmentationObject/{stem}.png',
            f'has {labels.shape[1]} x {labels.shape[0]} px, but its photograph has '
            f'{image.shape[1]} x {image.shape[0]}',
            'Get both again from the raw release.',
        )
    for o in objects:
        window = o.window(image.shape[:2], one_based)
        cutout = cut_out(image[window], labels[window] == o.number)
        if cutout is not None:
            yield o.number, *cutout


def pack(info):
    """The pack stage: all cut-outs into one archive."""
    release = osp.join(paths.data_root(), info.raw)
    report = {'images': 0, 'left out': []}

    def encoded():
        for path in annotation_paths(release):
            stem = osp.splitext(osp.basename(path))[0]
            try:
                for number, rgb, opacity in cutouts_of(path, **info.options):
                    yield f'{stem}_{number:02d}.png', encode_cutout(rgb, opacity)
            except RawDataError as e:
                report['left out'].append(str(e))

    report['images'] = write_images(info, encoded(), is_simulated(release))
    return report


def download(info):
    """The download stage."""
    from posepile.pipeline.fetch import fetch_dataset  # nothing else needs the network

    fetch_dataset(info)
    return {}


if __name__ == '__main__':
    image_stages.main(__file__, {'download': download, 'pack': pack})
