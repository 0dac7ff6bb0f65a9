"""The products of this folder, and what distinguishes them; they are named in ``dataset.toml``."""

import dataclasses
import os
from dataclasses import dataclass

from posepile.ds.h36m.metadata import PUBLIC_SUBJECTS
from posepile.errors import OptionError, UnknownDatasetError
from posepile.registry import read_dataset
from posepile.util import TEST, TRAIN, VALID


@dataclass(frozen=True)
class Variant:
    """One product.

    Attributes:
        name: of the product.
        all_joints: whether it has 25 joints instead of 17.
        masks: whether masks are attached.
        correct_S9: whether the shifted takes of S9 are put right.
        partial_visibility: whether crops are wide enough for truncation to be simulated later.
        train_subjects, valid_subjects, test_subjects: who belongs to which split.

    Raises:
        OptionError: if a subject is in two splits or has no public poses.
    """

    name: str = 'h36m'
    all_joints: bool = False
    masks: bool = False
    correct_S9: bool = True
    partial_visibility: bool = False
    train_subjects: tuple[int, ...] = (1, 5, 6, 7, 8)
    valid_subjects: tuple[int, ...] = ()
    test_subjects: tuple[int, ...] = (9, 11)

    def __post_init__(self):
        for field in _SUBJECT_FIELDS.values():
            object.__setattr__(self, field, tuple(sorted(getattr(self, field))))
        chosen = [s for split in _SUBJECT_FIELDS for s in self.subjects(split)]
        if len(set(chosen)) < len(chosen) or not set(chosen) <= set(PUBLIC_SUBJECTS):
            raise OptionError(
                f'{self.name}: the subjects {sorted(chosen)} of the splits have to be different '
                f'ones of {", ".join(map(str, PUBLIC_SUBJECTS))}.'
            )

    def subjects(self, split) -> tuple[int, ...]:
        """Numbers of the subjects in a split, ascending."""
        return getattr(self, _SUBJECT_FIELDS[split])

    @property
    def crops_folder(self):
        """Top folder of the crops' paths."""
        partial = '_partial' if self.partial_visibility else ''
        return f'h36m_downscaled{partial}' + ('' if self.correct_S9 else '_incorrect_S9')

    def options(self) -> dict:
        """All but the name, as plain data."""
        options = dataclasses.asdict(self)
        del options['name']
        return {k: list(v) if isinstance(v, tuple) else v for k, v in options.items()}


_SUBJECT_FIELDS = {TRAIN: 'train_subjects', VALID: 'valid_subjects', TEST: 'test_subjects'}


def list_variants() -> list[Variant]:
    """All products in ``dataset.toml``; ``h36m`` itself comes first.

    Raises:
        OptionError: if one of them has options that there are not.
    """
    variants = []
    for info in read_dataset(os.path.dirname(os.path.abspath(__file__))):
        unknown = set(info.options) - {f.name for f in dataclasses.fields(Variant)}
        if unknown:
            raise OptionError(f'{info.name} in dataset.toml has unknown options: {unknown}')
        variants.append(Variant(info.name, **info.options))
    return variants


def variant_named(name) -> Variant:
    """The product called ``name``.

    Raises:
        UnknownDatasetError: if there is none.
    """
    variants = {variant.name: variant for variant in list_variants()}
    if name not in variants:
        raise UnknownDatasetError(f'{name!r} is none of {", ".join(variants)}.')
    return variants[name]


def find_variant(name, train_subjects=None, valid_subjects=None, test_subjects=None) -> Variant:
    """The product that is like ``name`` but for the subjects that are not None.

    Raises:
        UnknownDatasetError: if there is none.
    """
    chosen = dict(
        train_subjects=train_subjects, valid_subjects=valid_subjects, test_subjects=test_subjects
    )
    chosen = {key: tuple(value) for key, value in chosen.items() if value is not None}
    wanted = dataclasses.replace(variant_named(name), **chosen)
    for variant in sorted(list_variants(), key=lambda v: v.name != name):
        if variant.options() == wanted.options():
            return variant
    options = ', '.join(f'{key} = {list(value)}' for key, value in chosen.items())
    raise UnknownDatasetError(
        f'No variant of h36m is {name} with {options}. Add a table [variants.NAME] with these '
        f'options to {os.path.dirname(os.path.abspath(__file__))}/dataset.toml, and make it: '
        'posepile run NAME.'
    )
