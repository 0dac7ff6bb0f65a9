"""INRIA Holidays: its photographs without people, small and square, for training to put behind
people.

Below ``$DATA_ROOT/inria_holidays``: ``jpg/`` the photographs, ``jpg_small/`` the squares made of
them, ``non_person_images.txt`` the names of those in which a detector finds nobody.
"""

import contextlib
import os
import os.path as osp
import re

import cv2

from posepile import paths
from posepile.atomic import replacing
from posepile.detection import open_detections
from posepile.ds.inria_holidays.photographs import small_square
from posepile.errors import RawDataError
from posepile.pipeline import image_stages
from posepile.pipeline.fetch import fetch_dataset, is_unpacked
from posepile.program import array_task
from posepile.simulate.origin import is_simulated
from posepile.storage.image_collection import open_images, write_images
from posepile.util.improc import imwrite_jpeg

_NAME = re.compile(r'\d{6}\.jpg')
_LIST = 'non_person_images.txt'
#: What other tools left is used, the first that is there. The older name means the same.
_OTHER_DETECTIONS = ('yolov4_person_detections.pkl', 'yolov3_person_detections.pkl')


def make_dataset(name='inria_holidays'):
    """The packed backgrounds, a :class:`~posepile.storage.image_collection.ImageCollection`."""
    return open_images(name, 'backgrounds')


def download(info):
    """The download stage. Photographs that a person has put in place are used."""
    release = _release()
    archives = [osp.join(release, file.path) for file in info.files]
    is_ours = any(osp.exists(a) or osp.exists(f'{a}.part') or is_unpacked(a) for a in archives)
    n_placed = len(set(_names('jpg')) | set(_names('jpg_small')))
    if n_placed and not is_ours:
        print(f'{n_placed} photographs are in place already in {release}')
    else:
        fetch_dataset(info)
    return {}


def shrink(info):
    """The shrink stage, or a task's share of it: a square of each photograph.

    Squares whose originals are gone stay as they are.
    """
    originals = set(_names('jpg'))
    names = sorted(originals | set(_names('jpg_small')))
    if not names:
        raise RawDataError(
            osp.join(_release(), 'jpg'),
            'there are no photographs (six digits and .jpg) here',
            'Run the download step, or unpack jpg1.tar.gz and jpg2.tar.gz in the folder above.',
        )
    report = {'squares': 0, 'kept': 0, 'left out': [], 'notes': []}
    expected = info.expected['photographs']
    if len(names) != expected and not is_simulated(_release()):
        report['notes'].append(f'{len(names)} photographs, but the release has {expected}')
    i_task, n_tasks = array_task()
    if n_tasks > 1:
        cv2.setNumThreads(1)  # the other cores belong to the other tasks
    for name in names[i_task::n_tasks]:
        if name not in originals:
            report['kept'] += 1
            continue
        try:
            square = small_square(_read(f'jpg/{name}'), osp.join(_release(), 'jpg', name))
        except RawDataError as e:
            report['left out'].append(str(e))
            continue
        imwrite_jpeg(square, osp.join(_release(), 'jpg_small', name))
        report['squares'] += 1
    return report


def pack(info):
    """The pack stage: the list of squares in which nobody was found, and their archive."""
    found = open_detections(_detections_place())
    report = {'images': 0, 'with people': 0, 'left out': []}
    without_people = []
    for name in _names('jpg_small'):
        if name not in found:
            report['left out'].append(f'{name}: nobody has looked for people in it')
        elif len(found[name]) > 0:
            report['with people'] += 1
        else:
            without_people.append(name)
    list_path = osp.join(_release(), _LIST)
    with replacing(list_path) as partial, open(partial, 'w') as f:
        f.write('\n'.join(without_people))
    squares = ((name, _read(f'jpg_small/{name}')) for name in without_people)
    report['images'] = write_images(info, squares, is_simulated(_release()))
    return report


def tidy(info):
    """The tidy stage: delete the originals that the download stage has unpacked.

    Those that a person has put in place stay, and those of which there is no square.
    """
    report = {'deleted': 0}
    if not all(is_unpacked(osp.join(_release(), file.path)) for file in info.files):
        print('the photographs were not downloaded by this program, and stay')
        return report
    for name in sorted(set(_names('jpg')) & set(_names('jpg_small'))):
        os.remove(osp.join(_release(), 'jpg', name))
        report['deleted'] += 1
    with contextlib.suppress(OSError):  # something is left in it
        os.rmdir(osp.join(_release(), 'jpg'))
    return report


def _detections_place():
    for name in _OTHER_DETECTIONS:
        place = osp.join(_release(), name)
        if osp.exists(place):
            return place
    return osp.join(paths.step_dir('inria_holidays', 'detect'), 'found')


def _release():
    return osp.join(paths.data_root(), 'inria_holidays')


def _names(folder):
    """Names of the photographs in a folder of the release, sorted; none if it is not there."""
    folder = osp.join(_release(), folder)
    found = os.listdir(folder) if osp.isdir(folder) else []
    return sorted(name for name in found if _NAME.fullmatch(name))


def _read(path):
    with open(osp.join(_release(), path), 'rb') as f:
        return f.read()


if __name__ == '__main__':
    image_stages.main(
        __file__, {'download': download, 'shrink': shrink, 'pack': pack, 'tidy': tidy}
    )
