"""Which body models there are: their joints, sizes, and the names of their official files."""

import dataclasses

from posepile.errors import OptionError

GENDERS = ('male', 'female', 'neutral')


@dataclasses.dataclass(frozen=True)
class Family:
    """What all models of one type have in common.

    Attributes:
        name: the ``type`` in the parameters of examples.
        joint_names: short names of the joints in the order of the pose parameters; the root first.
        n_vertices: number of surface points.
        n_shapes: how many leading columns of the shape directions are betas, by the number of
            columns that an official file has (expressions follow them); None if all are, in any
            file.
        files: official files by the genders there are, relative to the folder of body models;
            the first that exists is used.
        kid_template: file of the mean infant of the same topology.
        keypoint_vertices: vertices that are keypoints of face, feet and fingertips, by name, in
            the order in which they follow the joints in the lists of joints of other programs.
        homepage: where to get the files.
    """

    name: str
    joint_names: tuple
    n_vertices: int
    n_shapes: dict | None
    files: dict
    kid_template: str
    keypoint_vertices: dict
    homepage: str


_SMPL_JOINTS = (
    *('pelv', 'lhip', 'rhip', 'bell', 'lkne', 'rkne', 'spin', 'lank', 'rank', 'thor', 'ltoe'),
    *('rtoe', 'neck', 'lcla', 'rcla', 'head', 'lsho', 'rsho', 'lelb', 'relb', 'lwri', 'rwri'),
    *('lhan', 'rhan'),
)
_FINGER_JOINTS = tuple(
    f'{side}{finger}{i}'
    for side in 'lr'
    for finger in ('index', 'middle', 'pinky', 'ring', 'thumb')
    for i in (1, 2, 3)
)
_FACE_JOINTS = ('jaw', 'leyehf', 'reyehf')

_KEYPOINTS = (
    *('nose', 'reye', 'leye', 'rear', 'lear', 'lto2', 'lto3', 'lhee', 'rto2', 'rto3', 'rhee'),
    *('lthu', 'lindex', 'lmiddle', 'lring', 'lpinky'),
    *('rthu', 'rindex', 'rmiddle', 'rring', 'rpinky'),
)
# SMPL-H has SMPL's surface.
_SMPL_VERTICES = (
    *(332, 6260, 2800, 4071, 583, 3216, 3226, 3387, 6617, 6624, 6787),
    *(2746, 2319, 2445, 2556, 2673, 6191, 5782, 5905, 6016, 6133),
)
_SMPLX_VERTICES = (
    *(9120, 9929, 9448, 616, 6, 5770, 5780, 8846, 8463, 8474, 8635),
    *(5361, 4933, 5058, 5169, 5286, 8079, 7669, 7794, 7905, 8022),
)


def _smpl_files(gender):
    letter = gender if gender == 'neutral' else gender[0]
    # Version 1.1.0 (2021) has all three; before it, the neutral model came with SMPLify.
    names = (
        f'basicmodel_{letter}_lbs_10_207_0_v1.1.0.pkl',
        f'SMPL_{gender.upper()}.pkl',
        f'basicmodel_{letter}_lbs_10_207_0_v1.0.0.pkl',
        f'basicModel_{letter}_lbs_10_207_0_v1.0.0.pkl',
    )
    folders = ('smpl', 'smpl/models', 'SMPL_python_v.1.1.0/smpl/models')
    return tuple(f'{folder}/{name}' for folder in folders for name in names)


def _smplh_files(gender):
    names = (f'SMPLH_{gender}.pkl', f'SMPLH_{gender.upper()}.pkl', f'{gender}/model.npz')
    in_archive = f'mano_v1_2/models/SMPLH_{gender}.pkl'
    return (*(f'smplh/{name}' for name in names), in_archive)


def _smplx_files(gender):
    names = (f'SMPLX_{gender.upper()}.npz', f'SMPLX_{gender.upper()}.pkl')
    folders = ('smplx', 'models_smplx_v1_1/models/smplx')
    return tuple(f'{folder}/{name}' for folder in folders for name in names)


# The pickles that came with MANO, of two genders and 10 betas.
_SMPLH = Family(
    name='smplh',
    joint_names=_SMPL_JOINTS[:22] + _FINGER_JOINTS,
    n_vertices=6890,
    n_shapes=None,
    files={gender: _smplh_files(gender) for gender in ('male', 'female')},
    kid_template='smpl/kid_template.npy',
    keypoint_vertices=dict(zip(_KEYPOINTS, _SMPL_VERTICES, strict=True)),
    homepage='https://mano.is.tue.mpg.de (mano_v1_2.zip)',
)

FAMILIES = {
    'smpl': Family(
        name='smpl',
        joint_names=_SMPL_JOINTS,
        n_vertices=6890,
        n_shapes=None,
        files={gender: _smpl_files(gender) for gender in GENDERS},
        kid_template='smpl/kid_template.npy',
        keypoint_vertices=dict(zip(_KEYPOINTS, _SMPL_VERTICES, strict=True)),
        homepage='https://smpl.is.tue.mpg.de (SMPL_python_v.1.1.0.zip)',
    ),
    'smplh': _SMPLH,
    # The release for AMASS, of three genders and 16 betas.
    'smplh16': dataclasses.replace(
        _SMPLH,
        name='smplh16',
        files={gender: (f'smplh16/{gender}/model.npz',) for gender in GENDERS},
        homepage='https://mano.is.tue.mpg.de (smplh.tar.xz)',
    ),
    'smplx': Family(
        name='smplx',
        joint_names=_SMPL_JOINTS[:22] + _FACE_JOINTS + _FINGER_JOINTS,
        n_vertices=10475,
        # Version 1.0 has 10 betas and 10 expressions, version 1.1 has 300 and 100. The others
        # are files from which some were left out.
        n_shapes={10: 10, 16: 16, 20: 10, 26: 16, 300: 300, 400: 300},
        files={gender: _smplx_files(gender) for gender in GENDERS},
        kid_template='smplx/kid_template.npy',
        keypoint_vertices=dict(zip(_KEYPOINTS, _SMPLX_VERTICES, strict=True)),
        homepage='https://smpl-x.is.tue.mpg.de (models_smplx_v1_1.zip)',
    ),
}


def family(name) -> Family:
    """The family of models of that name.

    Raises:
        OptionError: there is none.
    """
    if name not in FAMILIES:
        raise OptionError(
            f'{name!r} is no body model that can be used here. There is: {", ".join(FAMILIES)}.'
        )
    return FAMILIES[name]


def full_gender(gender) -> str:
    """``'male'``, ``'female'`` or ``'neutral'`` from these or their first letters.

    Raises:
        OptionError: it is none of them.
    """
    for known in GENDERS:
        if str(gender).lower() in (known, known[0]):
            return known
    raise OptionError(f'{gender!r} is no gender of a body model; there is: {", ".join(GENDERS)}.')
