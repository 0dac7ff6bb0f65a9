"""Which network to use, and where its weights are.

For simulated data these are the studio's own, which come with the package and know no real people;
for everything else the strongest of Ultralytics, downloaded at first use. ``--weights`` and the
environment variables POSEPILE_DETECTOR and POSEPILE_SEGMENTER name any other.
"""

import os
import os.path as osp
import tempfile
from dataclasses import dataclass

from posepile import paths
from posepile.errors import ArchiveError, BadFileError
from posepile.simulate.origin import MARKER

STUDIO = 'studio'
_STUDIO_FILES = {'detect': 'detector.pt', 'segment': 'segmenter.pt'}
_STRONGEST = {'detect': 'yolo26x.pt', 'segment': 'yolo26x-seg.pt'}
_VARIABLES = {'detect': 'POSEPILE_DETECTOR', 'segment': 'POSEPILE_SEGMENTER'}
_DOWNLOADS = 'https://github.com/ultralytics/assets/releases'


@dataclass(frozen=True)
class Weights:
    """A file of weights, and a remark for the user if there is something to know about it."""

    path: str
    note: str = ''


def choose_weights(task, named=None, simulated=False) -> Weights:
    """The weights for a task, downloaded if they must be.

    Args:
        task: ``'detect'`` or ``'segment'``.
        named: what the user asked for: a file, the name of one that Ultralytics offers, or
            ``'studio'``; None: what the environment variable says, else the default.
        simulated: whether all of the data is simulated.

    Raises:
        BadFileError: if the file is not there and cannot be downloaded.
    """
    named = named or os.environ.get(_VARIABLES[task])
    if named == STUDIO or (not named and simulated):
        if simulated:
            note = 'the data is simulated, so the people are sought with studio-trained weights'
        else:
            note = 'studio-trained weights do not know real people: only good for simulated data'
        return Weights(studio_weights(task), note)
    return Weights(_found(task, named or _STRONGEST[task]))


def studio_weights(task) -> str:
    """Path of the weights that come with the package, trained on simulated people only."""
    return osp.join(osp.dirname(__file__), 'studio_weights', _STUDIO_FILES[task])


def is_below_simulated(path) -> bool:
    """Whether a file or folder belongs to a simulated release, or is an archive made of one."""
    path = osp.abspath(path)
    if path.endswith('.barecat'):
        return _is_archive_simulated(path)
    folder = path if osp.isdir(path) else osp.dirname(path)
    while not osp.exists(osp.join(folder, MARKER)):
        folder, previous = osp.dirname(folder), folder
        if folder == previous:
            return False
    return True


def _is_archive_simulated(path):
    from posepile.storage.lazy import read_metadata

    annotations = osp.join(osp.dirname(path), 'annotations.barecat')
    if not osp.exists(annotations):
        return False
    try:
        metadata = read_metadata(annotations)
    except ArchiveError:  # of something else
        return False
    return bool(metadata.get('posepile', {}).get('simulated'))


def _found(task, named):
    """Path of existing weights, after downloading them if Ultralytics offers that name."""
    folder = weights_folder()
    for path in (named, osp.join(folder, named)):
        if osp.isfile(path):
            return path
    # The name of a file that is to be downloaded has no folder.
    return named if osp.dirname(named) else _downloaded(task, named, osp.join(folder, named))


def weights_folder() -> str:
    """Where downloaded weights are kept: ``$DATA_ROOT/weights``, else in the user's cache."""
    if os.environ.get('DATA_ROOT'):
        return osp.join(paths.data_root(), 'weights')
    cache = os.environ.get('XDG_CACHE_HOME') or osp.expanduser('~/.cache')
    return osp.join(cache, 'posepile', 'weights')


def _downloaded(task, name, path):
    from posepile.detection import ultralytics_setup  # noqa: F401 - before anything of Ultralytics
    from posepile.raw.locks import open_locked

    folder = osp.dirname(path)
    os.makedirs(folder, exist_ok=True)
    problem = 'Ultralytics offers none of that name'
    try:
        from ultralytics.utils.downloads import attempt_download_asset

        with open_locked(f'{path}.lock'):  # the tasks of a step start together
            if not osp.isfile(path):
                print(f'Downloading {name} to {path}', flush=True)
                # Ultralytics goes by the name, and leaves half a file there when killed.
                with tempfile.TemporaryDirectory(prefix='.download-', dir=folder) as temporary:
                    attempt_download_asset(osp.join(temporary, name))
                    os.replace(osp.join(temporary, name), path)
    except FileNotFoundError:  # there was nothing to download
        pass
    except Exception as e:  # noqa: BLE001 - whatever stands between us and the network
        problem = ' '.join(str(e).split())[:300] or type(e).__name__
    if not osp.isfile(path):
        raise BadFileError(
            path,
            f'the weights {name} are not there and could not be downloaded ({problem})',
            f'Get {name} from {_DOWNLOADS} and put it there, or name other weights with --weights '
            f'or {_VARIABLES[task]}.',
        )
    return path
