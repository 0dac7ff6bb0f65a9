"""Which datasets there are: reads the ``dataset.toml`` of every folder below ``posepile/ds``.

Nothing here imports a dataset's code or a heavy library, so that listing is instant. The format::

    name = "aspset"                 # of the product, and of its packed folder
    title = "ASPset-510"
    kind = "3d"                     # "3d" or "2d"; or "occluders" or "backgrounds", for images
                                    # that training mixes in: these have no joints and no splits
    year = 2021
    citation = "Nibali et al., ..."
    homepage = "https://..."
    licence = "CC0 1.0"
    access = "open, no registration"
    raw = "aspset"                  # folder of the raw release below DATA_ROOT
    groups = ["trainval"]           # optional: groups of files (below) that the product needs
    joints = 17
    splits = ["train", "val"]       # of "train", "val", "test"
    parameters = "none"             # optional: body-model parameters of the examples
    evaluation = true               # optional: whether the folder has a benchmark, eval.py

    [expected]                      # optional: counts of a complete product, for verification
    examples = 124221

    [variants.aspset_test]          # optional: a further product made by the same folder
    title = "..."                   # all but raw: as above unless given;
    expected = { examples = 9000 }  # only expected counts are not taken over
    options = { test = true }       # keyword arguments for the folder's make_dataset() and clips()

    [[files]]                       # optional, repeated: the files of the raw release
    path = "archives/x.tar.gz"      # where it lies, below the raw folder
    url = "https://..."             # optional: absent for what has to be placed by hand
    md5 = "..."                     # optional, likewise sha256 and size (bytes)
    raw = "aspset"                  # optional: its folder below DATA_ROOT, where not that above
    unpack = { into = "data", strip = 1 }  # optional: folder below raw, leading folders to drop;
                                    # with remove = true the archive is deleted afterwards
    provides = "data/videos"        # optional: what unpacking makes, below raw; if a person has
                                    # put that in place, the archive is not needed
    group = "trainval"              # optional: name shared by files that belong together; those
                                    # without a group are needed by every product
"""

import dataclasses
import os
import os.path as osp
import sys
from dataclasses import dataclass

from posepile.checked_table import NAME, CheckedTable, nearest
from posepile.errors import BadFileError, UnknownDatasetError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Products of poses, and products of images that training mixes into the others.
POSE_KINDS = ('3d', '2d')
IMAGE_KINDS = ('occluders', 'backgrounds')
#: The folder whose sub-folders are the datasets.
DATASETS_DIR = osp.join(osp.dirname(osp.abspath(__file__)), 'ds')


@dataclass(frozen=True)
class Unpack:
    """How an archive of a raw release is unpacked.

    ``into`` is a folder below raw, ``strip`` the number of leading folders to drop, and ``remove``
    tells whether the archive is deleted afterwards.
    """

    into: str = ''
    strip: int = 0
    remove: bool = False


@dataclass(frozen=True)
class RawFile:
    """One file of a raw release; ``url`` is None if a person has to place it."""

    path: str
    url: str | None = None
    md5: str | None = None
    sha256: str | None = None
    size: int | None = None
    raw: str = ''
    unpack: Unpack | None = None
    provides: str | None = None
    group: str = ''


@dataclass(frozen=True)
class DatasetInfo:
    """What ``dataset.toml`` says about one product, that is, a dataset or one of its variants.

    ``dataset`` is the name of the dataset itself, ``variant`` that of the variant or None, and
    ``name`` whichever of the two names the product. ``folder`` is the absolute path of the dataset
    folder and ``module`` its import name.
    """

    name: str
    dataset: str
    variant: str | None
    folder: str
    module: str
    title: str
    kind: str
    year: int
    citation: str
    homepage: str
    licence: str
    access: str
    raw: str
    joints: int = 0
    splits: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    parameters: str = 'none'
    evaluation: bool = False
    expected: dict = dataclasses.field(default_factory=dict)
    options: dict = dataclasses.field(default_factory=dict)
    files: tuple[RawFile, ...] = ()

    @property
    def has_poses(self) -> bool:
        """Whether the product has people with joints, and is no collection of images."""
        return self.kind in POSE_KINDS


def list_datasets(datasets_dir=None) -> list[DatasetInfo]:
    """All products, sorted by dataset; each dataset is followed by its variants.

    Args:
        datasets_dir: the folder to search, by default :data:`DATASETS_DIR`.

    Raises:
        BadFileError: if a ``dataset.toml`` breaks the format, or two products share a name.
    """
    datasets_dir = datasets_dir or DATASETS_DIR
    folders = sorted(e.path for e in os.scandir(datasets_dir) if e.is_dir())
    infos = {}
    for folder in folders:
        if not osp.exists(osp.join(folder, 'dataset.toml')):
            continue
        for info in read_dataset(folder):
            if info.name in infos:
                raise BadFileError(
                    osp.join(folder, 'dataset.toml'),
                    f'the name {info.name!r} is taken by {infos[info.name].folder}',
                    'Names of datasets and variants must be unique.',
                )
            infos[info.name] = info
    return list(infos.values())


def find_dataset(name, datasets_dir=None) -> DatasetInfo:
    """The dataset or variant called ``name``.

    Raises:
        UnknownDatasetError: if there is none; its text suggests the nearest names.
        BadFileError: if a ``dataset.toml`` breaks the format.
    """
    datasets_dir = datasets_dir or DATASETS_DIR
    # The usual case, a folder of the same name, spares reading all the others.
    folder = osp.join(datasets_dir, name)
    if NAME.fullmatch(name) and osp.exists(osp.join(folder, 'dataset.toml')):
        for info in read_dataset(folder):
            if info.name == name:
                return info

    infos = {info.name: info for info in list_datasets(datasets_dir)}
    if name in infos:
        return infos[name]
    hint = nearest(name, infos)
    raise UnknownDatasetError(
        f'There is no dataset called {name!r}.'
        + (f' Did you mean {" or ".join(hint)}?' if hint else '')
        + ' "posepile list" shows all.'
    )


def read_dataset(folder) -> list[DatasetInfo]:
    """Read ``dataset.toml`` of one folder: the dataset itself, then its variants.

    Raises:
        BadFileError: if the file is missing, is no TOML, or breaks the format; names the key.
    """
    folder = osp.abspath(folder)
    path = osp.join(folder, 'dataset.toml')
    try:
        with open(path, 'rb') as f:
            content = tomllib.load(f)
    except FileNotFoundError as e:
        raise BadFileError(path, 'does not exist', 'Every dataset folder needs one.') from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise BadFileError(path, f'is no valid TOML: {e}') from e

    table = CheckedTable(path, content)
    name = table.name('name')
    kind = table.choice('kind', POSE_KINDS + IMAGE_KINDS)
    of_poses = {}
    if kind in POSE_KINDS:
        of_poses = dict(joints=table.integer('joints'), splits=table.splits('splits'))
    base = DatasetInfo(
        name=name,
        dataset=name,
        variant=None,
        folder=folder,
        module=f'posepile.ds.{osp.basename(folder)}',
        title=table.string('title'),
        kind=kind,
        year=table.integer('year'),
        citation=table.string('citation'),
        homepage=table.string('homepage'),
        licence=table.string('licence'),
        access=table.string('access'),
        raw=table.relative_path('raw'),
        **of_poses,
        groups=table.strings('groups', ()),
        parameters=table.string('parameters', 'none'),
        evaluation=table.boolean('evaluation', False),
        expected=table.counts('expected'),
        files=tuple(_read_file(t, table.content['raw']) for t in table.tables('files')),
    )
    variants = table.table('variants')
    infos = [base]
    for variant in list(variants.content):
        variants.check_name(variant, variant)
        infos.append(_read_variant(base, variant, variants.table(variant)))
    table.finish()
    return infos


def _read_variant(base, name, table):
    info = dataclasses.replace(
        base,
        name=name,
        variant=name,
        title=table.string('title', base.title),
        kind=table.choice('kind', POSE_KINDS if base.has_poses else IMAGE_KINDS, base.kind),
        year=table.integer('year', base.year),
        citation=table.string('citation', base.citation),
        homepage=table.string('homepage', base.homepage),
        licence=table.string('licence', base.licence),
        access=table.string('access', base.access),
        joints=table.integer('joints', base.joints),
        splits=table.splits('splits', base.splits),
        parameters=table.string('parameters', base.parameters),
        evaluation=table.boolean('evaluation', base.evaluation),
        expected=table.counts('expected'),
        options=table.take('options', dict, 'a table', {}),
        groups=table.strings('groups', base.groups),
    )
    table.finish()
    return info


def _read_file(table, raw):
    unpack = None
    if 'unpack' in table.content:
        how = table.table('unpack')
        unpack = Unpack(
            how.relative_path('into', ''), how.integer('strip', 0), how.boolean('remove', False)
        )
        how.finish()
    file = RawFile(
        path=table.relative_path('path'),
        url=table.matching('url', r'(https?|ftp)://\S+', 'an http, https or ftp address'),
        md5=table.matching('md5', '[0-9a-f]{32}', '32 lower-case hexadecimal digits'),
        sha256=table.matching('sha256', '[0-9a-f]{64}', '64 lower-case hexadecimal digits'),
        size=table.integer('size', None),
        unpack=unpack,
        raw=table.relative_path('raw', raw),
        provides=table.relative_path('provides', None),
        group=table.string('group', ''),
    )
    table.finish()
    return file
