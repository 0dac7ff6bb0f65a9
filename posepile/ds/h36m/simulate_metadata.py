"""The ``metadata.xml`` of the simulated release."""

import xml.etree.ElementTree as ElementTree

from posepile.ds.h36m.simulate_cameras import (
    CAMERA_IDS,
    INTRINSICS,
    extrinsics,
    image_height,
)

ACTORS = 'Irina Lizuca Razvan Sergiu Carolina Rares Diana Catalin Paul Anis Andrei'.split()
ACTION_NAMES = (
    'Miscellaneous Directions Discussion Eating Greeting Phoning Posing Purchases Sitting '
    'SittingDown Smoking TakingPhoto Waiting Walking WalkingDog WalkingTogether'
).split()
#: How the files of each action are called, but for the number; see :func:`base_name` for S1.
FILE_STEMS = (
    '_ALL Directions Discussion Eating Greeting Phoning Posing Purchases Sitting SittingDown '
    'Smoking Photo Waiting Walking WalkDog WalkTogether'
).split()
#: The numbers after the names, of S1 to S11, for both subactions; - means none.
TAKE_NUMBERS = {
    1: ('1 2 1 1 1 1 1 1 1 2 1', '- 1 - - - - - - - 1 -'),
    2: ('1 1 1 1 1 1 1 1 1 1 1', '- - - - 2 - - - - - -'),
    3: ('1 1 1 1 2 1 1 1 1 1 1', '- - - - 3 - - - 2 2 2'),
    4: ('2 1 1 1 1 1 1 1 1 1 1', '- 2 2 - - 2 - - - - -'),
    5: ('1 1 1 1 1 1 1 1 1 1 2', '- - - - 2 - - - - - -'),
    6: ('1 1 1 1 1 1 2 1 1 1 3', '- - - - - - - - - - 2'),
    7: ('1 1 1 1 1 2 1 1 1 1 1', '- - 2 - - - - - - - -'),
    8: ('1 1 1 1 1 1 1 1 1 1 1', '- - - - - - - - - - -'),
    9: ('1 1 1 1 1 1 1 1 1 1 1', '2 - - - - 2 - - - - -'),
    10: ('2 2 1 1 - 1 - - - - -', '- 3 - 2 1 - 1 1 1 1 1'),
    11: ('1 1 1 1 1 1 1 1 1 2 2', '- - - - - - - - - - -'),
    12: ('1 1 1 1 - - - 1 1 1 1', '- - - - 2 1 1 - - - -'),
    13: ('1 1 1 1 1 3 1 1 1 1 1', '- - - - 2 - 2 - - - -'),
    14: ('1 1 1 1 1 1 1 1 1 1 1', '- - 2 - - - 2 - - - -'),
    15: ('1 1 1 1 1 1 1 1 1 1 1', '- - - - - - - - - - -'),
    16: ('1 1 1 2 1 1 1 1 1 1 1', '- - - 3 - - - 2 - - -'),
}
_MOCAP_PER_VIDEO_FRAME = 4


def base_name(subject, action, subaction):
    """Name of a take's files, such as ``Directions 1``."""
    stem = FILE_STEMS[action - 1]
    if subject == 1:
        stem = {'Photo': 'TakingPhoto', 'WalkDog': 'WalkingDog'}.get(stem, stem)
    number = TAKE_NUMBERS[action][subaction - 1].split()[subject - 1]
    return stem if number == '-' else f'{stem} {number}'


def write_metadata(path, n_frames):
    """Write the file.

    Args:
        n_frames: (subject, action, subaction) -> (frames of each of the four videos, pose rows).
            Takes that are not in it are said to have none.
    """
    root = ElementTree.Element('a')
    _add_mapping(ElementTree.SubElement(root, 'mapping'))
    _add_frames(ElementTree.SubElement(root, 'frames'), n_frames)
    for name, subjects in (
        ('train_subjects', '[1 7 8 9 11]'),
        ('val_subjects', '[5 6]'),
        ('test_subjects', '[2 3 4 10]'),
    ):
        ElementTree.SubElement(root, name).text = subjects
    numbers = [
        *(x for c in range(4) for s in range(1, 12) for x in extrinsics(s)[c].tolist()),
        *(x for row in INTRINSICS for x in row),
    ]
    ElementTree.SubElement(root, 'w0').text = f'[{" ".join(f"{x:.15g}" for x in numbers)}]'
    index2id = ElementTree.SubElement(ElementTree.SubElement(root, 'dbcameras'), 'index2id')
    _add_all(index2id, 'item', CAMERA_IDS)
    _add_all(ElementTree.SubElement(root, 'actionnames'), 'item', ACTION_NAMES)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding='UTF-8', xml_declaration=True)


def _add_mapping(mapping):
    subjects = range(1, 12)
    _add_row(mapping, ['Action', 'subaction', *(f'S{s}' for s in subjects)])
    for action in range(1, 17):
        for subaction in (1, 2):
            names = (base_name(s, action, subaction) for s in subjects)
            _add_row(mapping, [action, subaction, *names])
    _add_row(mapping, ['Action', 'subaction', *ACTORS])
    _add_row(mapping, ['', '', *(_sizes_text(s) for s in subjects)])


def _sizes_text(subject):
    return '[' + ';'.join(f'{image_height(subject, c)} 1000' for c in range(4)) + ']'


def _add_frames(frames, n_frames):
    for subject in range(1, 12):
        cells = ['']
        for action in range(1, 17):
            for subaction in (1, 2):
                of_videos, n_poses = n_frames.get((subject, action, subaction), ([0] * 4, 0))
                # The motion capture seldom ends together with a frame of the videos.
                n_mocap = n_poses * _MOCAP_PER_VIDEO_FRAME + (subject % 4 if n_poses else 0)
                cells.append(f'[{" ".join(map(str, [*of_videos, n_mocap]))}]')
        _add_row(frames, cells)


def _add_row(table, cells):
    _add_all(ElementTree.SubElement(table, 'tr'), 'td', cells)


def _add_all(parent, tag, texts):
    for text in texts:
        ElementTree.SubElement(parent, tag).text = str(text)
