"""The XML files of PASCAL VOC: which objects an image shows, and where."""

import glob
import os
import os.path as osp
from dataclasses import dataclass
from xml.etree import ElementTree

from posepile.errors import RawDataError

_REMEDY = 'Get it again from the raw release.'
_MOST_BYTES = 1 << 20  # real ones have a few kilobytes


@dataclass(frozen=True)
class VocObject:
    """An object of an image.

    Attributes:
        number: its place in the file, from 1; the value of its pixels in the label image.
        name: its class.
        is_difficult, is_truncated: as annotated.
        box: xmin, ymin, xmax, ymax; whole numbers of pixels that count from 1, all included.
    """

    number: int
    name: str
    is_difficult: bool
    is_truncated: bool
    box: tuple[int, int, int, int]

    @property
    def is_usable(self) -> bool:
        """Whether it may serve as an occluder: whole, clear, and nobody."""
        return self.name != 'person' and not self.is_difficult and not self.is_truncated

    def window(self, imshape, one_based=True) -> tuple[slice, slice]:
        """Rows and columns of the box in an image of the shape (height, width)."""
        height, width = imshape
        xmin, ymin, xmax, ymax = self.box
        first = 1 if one_based else 0
        return (
            slice(max(ymin - first, 0), min(max(ymax, 0), height)),
            slice(max(xmin - first, 0), min(max(xmax, 0), width)),
        )


@dataclass(frozen=True)
class VocAnnotation:
    """An XML file: name of the photograph, whether it is segmented, and its objects in order."""

    filename: str
    is_segmented: bool
    objects: list[VocObject]


def annotation_paths(release) -> list[str]:
    """All XML files of a release, sorted.

    Raises:
        RawDataError: if there are none.
    """
    found = sorted(glob.glob(osp.join(glob.escape(release), 'Annotations', '*.xml')))
    if not found:
        raise RawDataError(
            osp.join(release, 'Annotations'),
            'there are no XML files of PASCAL VOC 2012 here',
            'Run the download step, or unpack VOCdevkit/VOC2012 of the trainval archive there.',
        )
    return found


def read_annotation(path) -> VocAnnotation:
    """Read an XML file.

    Coordinates with decimals, as a few files have them, are cut off at the point.

    Raises:
        RawDataError: if it is damaged, or something is missing in it.
    """
    try:
        if os.path.getsize(path) > _MOST_BYTES:  # entities could make a small file large, too
            raise RawDataError(path, 'is too large for an annotation of PASCAL VOC', _REMEDY)
        root = ElementTree.parse(path).getroot()
        filename = _text(root, 'filename')
        if osp.basename(filename) != filename or filename in ('.', '..'):
            raise ValueError(f'filename {filename!r} is no name of a file')
        return VocAnnotation(
            filename=filename,
            is_segmented=int(_text(root, 'segmented')) != 0,
            # Parts of people (head, hand) lie below their object and are boxes as well.
            objects=[_read_object(i, o) for i, o in enumerate(root.findall('object'), start=1)],
        )
    except (ElementTree.ParseError, ValueError, OverflowError) as e:
        raise RawDataError(path, f'is no annotation of PASCAL VOC ({e})', _REMEDY) from e
    except OSError as e:
        raise RawDataError(path, f'cannot be read ({e.strerror})', _REMEDY) from e


def _read_object(number, element):
    box = element.find('bndbox')
    if box is None:
        raise ValueError(f'object {number} has no bndbox')
    return VocObject(
        number=number,
        name=_text(element, 'name'),
        is_difficult=_text(element, 'difficult', '0') != '0',
        is_truncated=_text(element, 'truncated', '0') != '0',
        box=tuple(int(float(_text(box, key))) for key in ('xmin', 'ymin', 'xmax', 'ymax')),
    )


def _text(element, key, default=None):
    text = element.findtext(key, default)
    if text is None:
        raise ValueError(f'{element.tag} has no {key}')
    return text.strip()
