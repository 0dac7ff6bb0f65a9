"""People that move: shape, clothes and motion in one object."""

import dataclasses
import functools

import numpy as np

from posepile.errors import OptionError
from posepile.simulate import figure, mesh
from posepile.simulate import motion as motion_module
from posepile.simulate.appearance import Appearance
from posepile.simulate.body import LANDMARK_INDEX, Body


@dataclasses.dataclass(frozen=True, eq=False)
class Performer:
    """A person in motion. World axes: right-handed, z up, ground at z = 0; mm.

    Attributes:
        body: shape and skeleton.
        look: clothes and colours.
        skeleton: the posed bones of all frames.
        fps: frames per second.
        props: static meshes that belong to the motion, such as the stool to sit down on.
    """

    body: Body
    look: Appearance
    skeleton: object
    fps: float
    props: tuple = ()

    @classmethod
    def random(
        cls, rng, motion='mixed', n_frames=30, fps=50, position=(0.0, 0.0), heading=0.0,
        static=False, pauses=(), speed=None, body=None, look=None,
    ):  # fmt: skip
        """A random person with a random motion of a given type.

        Args:
            rng: numpy Generator; it decides everything that is not given.
            motion: 'walk', 'reach', 'sit', 'swing' (golf, tennis, throw), 'kick', 'still' (only
                natural sway), 'mixed' (one thing after the other, with pauses) or 'pose' (for
                still images).
            n_frames: length of the clip.
            fps: frames per second.
            position: where the person stands, or walks past at the middle of the clip; mm.
            heading: direction the person faces, radians; 0 is world x, a quarter turn world y.
            static: keep exactly one pose in all frames.
            pauses: frame ranges (start, end) in which the pose is exactly constant.
            speed: walking speed in m/s.
            body, look: for the same person in several clips.

        Raises:
            OptionError: if the motion is unknown or there are no frames.
        """
        if n_frames < 1:
            raise OptionError(f'A clip needs at least one frame, not {n_frames}.')
        # Separate streams, so that the same seed gives the same person in any motion.
        body_rng, look_rng, motion_rng = rng.spawn(3)
        body = body or Body.random(body_rng)
        look = look or Appearance.random(look_rng, body.female)
        placement = motion_module.Placement(tuple(position), heading)
        skeleton = motion_module.random_skeleton(
            body, motion_rng, motion, n_frames, fps, placement, static, pauses, speed
        )
        props = (_stool(body, placement),) if motion == 'sit' else ()
        return cls(body, look, skeleton, fps, props)

    @property
    def n_frames(self):
        """Length of the clip."""
        return len(self.skeleton.positions)

    def landmarks(self, i_frame=None):
        """World position of all ``LANDMARKS``: (T, L, 3), or (L, 3) of one frame; mm."""
        return self._points(np.arange(len(LANDMARK_INDEX)), i_frame)

    def joints(self, names, i_frame=None):
        """World position of the named landmarks: (T, J, 3), or (J, 3) of one frame; mm.

        Raises:
            OptionError: if there is no landmark of some name.
        """
        return self._points(landmark_indices(names), i_frame)

    def _points(self, indices, i_frame):
        bones = self.body.landmark_bone[indices]
        local = self.body.landmark_rest[indices] - self.body.origins[bones]
        frames = slice(None) if i_frame is None else slice(i_frame, i_frame + 1)
        turned = self.skeleton.rotations[frames][:, bones] @ local[..., None]
        points = turned[..., 0] + self.skeleton.positions[frames][:, bones]
        return points if i_frame is None else points[0]

    @functools.cached_property
    def skin(self):
        """The surface in the rest pose with its bone weights."""
        return figure.build(self.body, self.look)

    def surface(self, i_frame):
        """World vertices (V, 3) in mm and unit normals (V, 3) of the dressed body in a frame."""
        return self.skin.posed(self.skeleton.rotations[i_frame], self.skeleton.positions[i_frame])

    def moved(self, rotation, translation):
        """The same performance elsewhere: points ``x`` become ``rotation @ x + translation``."""
        rotation = np.asarray(rotation, np.float64)
        skeleton = motion_module.pose.Skeleton(
            rotation @ self.skeleton.rotations,
            self.skeleton.positions @ rotation.T + np.asarray(translation, np.float64),
        )
        props = tuple(p.moved(rotation, np.asarray(translation, np.float64)) for p in self.props)
        result = dataclasses.replace(self, skeleton=skeleton, props=props)
        if 'skin' in self.__dict__:  # which depends on neither; building it takes the longest
            result.__dict__['skin'] = self.skin
        return result


def landmark_indices(names):
    """Indices into ``LANDMARKS`` of a list of names.

    Raises:
        OptionError: if there is no landmark of some name.
    """
    unknown = [n for n in names if n not in LANDMARK_INDEX]
    if unknown:
        raise OptionError(f'The studio has no landmarks called {", ".join(unknown)}.')
    return np.array([LANDMARK_INDEX[n] for n in names], int)


def _stool(body, placement):
    """A block under the seated pelvis of the ``sit`` movement."""
    leg = body.dims['hip']
    height = leg * (1 - 0.46) - 0.062 * body.stature
    back = -0.48 * leg
    c, s = np.cos(placement.heading), np.sin(placement.heading)
    x, y = placement.position
    centre = (x + c * back, y + s * back, height / 2)
    wood = mesh.Material((120, 84, 56), mesh.STRIPES_ALONG, (100, 70, 46), 90.0)
    return mesh.box(centre, (340, 400, height), wood, placement.heading, n_split=5)
