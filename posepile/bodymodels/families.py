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
        n_shapes: number of leading columns of the shape directions that are betas, where the
            official file has more (expressions follow them); None if all are.
        files: official files by gender, relative to the folder of body models; the first that
            exists is used.
        kid_template: file of the mean infant of the same topology.
        homepage: where to get the files.
    """

    name: str
    joint_names: tuple
    n_vertices: int
    n_shapes: int | None
    files: dict
    kid_template: str
    homepage: str


_SMPL_JOINTS = (
    *('pelv', 'lhip', 'rhip', 'bell', 'lkne', 'rkne', 'spin', 'lank', 'rank', 'thor', 'ltoe'),
    *('rtoe', 'neck', 'lcla', 'rcla', 'head', 'lsho', 'rsho', 'lelb', 'relb', 'lwri', 'rwri'),
    *('lhan', 'rhan'),
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


FAMILIES = {
    'smpl': Family(
        name='smpl',
        joint_names=_SMPL_JOINTS,
        n_vertices=6890,
        n_shapes=None,
        files={gender: _smpl_files(gender) for gender in GENDERS},
        kid_template='smpl/kid_template.npy',
        homepage='https://smpl.is.tue.mpg.de (SMPL_python_v.1.1.0.zip)',
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
