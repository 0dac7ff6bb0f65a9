"""The bodies in files of predictions, a portion at a time, whatever the kind of file."""

import numpy as np

from posepile.ds.tdpw.bodies import Bodies
from posepile.ds.tdpw.predictions import check_complete, incomplete, read_tracks
from posepile.errors import BadFileError
from posepile.metrics.body_stream import read_body_stream

N_JOINTS, N_VERTICES, N_ORIENTED = 24, 6890, 9


class Batches:
    """The frames of a sequence that count, in portions.

    Iterating gives (person, frames), at most ``size`` at a time.
    """

    def __init__(self, sequence, size):
        self.size = size
        self._frames = [np.flatnonzero(track.is_valid) for track in sequence.tracks]

    def frames_of(self, person) -> np.ndarray:
        """All frames of a person that count."""
        return self._frames[person]

    def __iter__(self):
        for person, frames in enumerate(self._frames):
            for start in range(0, len(frames), self.size):
                yield person, frames[start : start + self.size]


def parametric_batches(path, sequence, batches, model):
    """Yield (person, frames, :class:`Bodies`) of SMPL parameters, with the neutral model.

    Args:
        batches: :class:`Batches` of the frames that count.
        model: :class:`~posepile.bodymodels.model.BodyModel`.
    """
    most = 1 << 16
    items = dict(pose=(3 * N_JOINTS,), betas=((10, most),), trans=(3,))
    tracks = read_tracks(path, sequence, items, batches.frames_of)
    for person, frames in batches:
        values = {key: np.float64(array[frames]) for key, array in tracks[person].items()}
        body = model(values['pose'], values['betas'][:, :10], values['trans'])
        yield person, frames, Bodies(body.joints, body.vertices, body.orientations)


def point_batches(path, sequence, batches, uncertainty_scale=1000):
    """Yield the same of joints and vertices in metres, perhaps with uncertainties as 4th number.

    Args:
        uncertainty_scale: by which uncertainties are multiplied to be mm.
    """
    items = dict(jointPositions=(N_JOINTS, (3, 4)), vertices=(N_VERTICES, (3, 4)))
    tracks = read_tracks(path, sequence, items, batches.frames_of)
    for person, frames in batches:
        points = [np.float64(array[frames]) for array in tracks[person].values()]
        uncertainties = [
            uncertainty_scale * p[..., 3] if p.shape[-1] == 4 else None for p in points
        ]
        joints, vertices = (1000 * p[..., :3] for p in points)
        yield person, frames, Bodies(joints, vertices, None, *uncertainties)


def joint_batches(path, sequence, batches, smooth=None):
    """Yield the same of joints alone, in metres.

    Args:
        smooth: function of (frames, 24, 3) joints of a person, all frames, that returns others.
    """
    items = dict(jointPositions=(N_JOINTS, 3))
    tracks = read_tracks(path, sequence, items, batches.frames_of)
    if smooth is not None:
        for person, track in enumerate(tracks):
            track['jointPositions'] = smooth(np.float64(track['jointPositions']))
            # What is missing in frames that do not count can reach others.
            check_complete(path, sequence, person, batches.frames_of(person), track)
    for person, frames in batches:
        yield person, frames, Bodies(1000 * np.float64(tracks[person]['jointPositions'][frames]))


def oriented_batches(path, sequence, batches, oriented):
    """Yield the same of joints in metres and the orientations of the joints ``oriented``."""
    items = dict(jointPositions=(N_JOINTS, 3), orientations=(N_ORIENTED, 3, 3))
    tracks = read_tracks(path, sequence, items, batches.frames_of)
    for person, frames in batches:
        values = {key: np.float64(array[frames]) for key, array in tracks[person].items()}
        orientations = np.full((len(frames), N_JOINTS, 3, 3), np.nan)
        orientations[:, list(oriented)] = values['orientations']
        yield person, frames, Bodies(1000 * values['jointPositions'], None, orientations)


_STREAM = {
    'joints': (N_JOINTS, 3),
    'vertices': (N_VERTICES, 3),
    'joint_uncertainties': (N_JOINTS,),
    'vertex_uncertainties': (N_VERTICES,),
}


def stream_batches(path, sequence, batches):
    """Yield the same of a stream with a dictionary for each frame.

    Of all people in it are ``joints`` and ``vertices`` in mm, ``joint_uncertainties`` and
    ``vertex_uncertainties`` in metres.
    """
    n_people = len(sequence.tracks)
    waiting = [([], []) for _ in range(n_people)]
    wanted = [set(batches.frames_of(person).tolist()) for person in range(n_people)]
    for i_frame, frame in enumerate(read_body_stream(path)):
        for person in range(n_people):
            if i_frame not in wanted[person]:
                continue
            wanted[person].remove(i_frame)
            frames, values = waiting[person]
            frames.append(i_frame)
            values.append(_of_person(path, sequence, i_frame, person, frame))
            if len(frames) == batches.size:
                yield person, np.array(frames), _joined(values)
                waiting[person] = [], []
    for person, left in enumerate(wanted):
        if left:
            raise incomplete(path, sequence, person, sorted(left), 'is missing')
    for person, (frames, values) in enumerate(waiting):
        if frames:
            yield person, np.array(frames), _joined(values)


def _of_person(path, sequence, i_frame, person, frame):
    values = []
    for key, shape in _STREAM.items():
        if key not in frame:
            problem = f'frame {i_frame} has no {key}'
            raise BadFileError(path, problem, f'Store all of {", ".join(_STREAM)}.')
        people = frame[key]
        if person >= len(people):
            raise incomplete(path, sequence, person, [i_frame], 'is missing')
        array = np.asarray(people[person], np.float64)
        if array.shape != shape:
            problem = f'{key} of a person has the shape {array.shape}, not {shape}'
            raise BadFileError(path, problem, 'Convert it.')
        if not np.all(np.isfinite(array)):
            raise incomplete(path, sequence, person, [i_frame], 'is not finite')
        values.append(array)
    return values


def _joined(values):
    joints, vertices, of_joints, of_vertices = map(np.stack, zip(*values, strict=True))
    return Bodies(joints, vertices, None, 1000 * of_joints, 1000 * of_vertices)
