"""Painted textures: grounds, skies with trees or houses, and the walls of rooms."""

import dataclasses

import cv2
import numpy as np

_ELEVATIONS = np.radians([-15.0, 75.0])
_LEVELS = 5


@dataclasses.dataclass(frozen=True, eq=False)
class Texture:
    """A square picture that repeats over the ground plane.

    Attributes:
        levels: list of (S, S, 3) float32, each a quarter of the size of the one before.
        mm_per_pixel: size of a pixel of the first level.
    """

    levels: list
    mm_per_pixel: float

    @classmethod
    def from_image(cls, image, mm_per_pixel):
        """Prepares a (S, S, 3) picture, S a power of 2 of at least 256."""
        levels = [np.asarray(image, np.float32)]
        while len(levels) < _LEVELS and levels[-1].shape[0] >= 8:
            h, w = levels[-1].shape[:2]
            levels.append(cv2.resize(levels[-1], (w // 4, h // 4), interpolation=cv2.INTER_AREA))
        return cls(levels, mm_per_pixel)

    def sample(self, x, y, footprint):
        """Colours (..., 3) float32 at ground points in mm; ``footprint`` = mm under one pixel."""
        level = np.log2(np.maximum(footprint / self.mm_per_pixel, 1e-3)) / 2
        level = np.clip(level, 0, len(self.levels) - 1.001).astype(np.float32)
        result = np.zeros((*x.shape, 3), np.float32)
        for i, picture in enumerate(self.levels):
            share = np.maximum(1 - np.abs(level - i), 0)
            used = np.flatnonzero(share.any(axis=1))
            if len(used) == 0:
                continue
            rows = slice(used[0], used[-1] + 1)
            size, step = picture.shape[0], self.mm_per_pixel * 4**i
            # cv2.remap cannot address a whole plane of repetitions: wrap by hand, pad the edge.
            u = ((x[rows] / step) % size).astype(np.float32)
            v = ((y[rows] / step) % size).astype(np.float32)
            padded = cv2.copyMakeBorder(picture, 0, 1, 0, 1, cv2.BORDER_WRAP)
            colours = cv2.remap(padded, u, v, cv2.INTER_LINEAR)
            result[rows] += share[rows, :, None] * colours
        return result


def noise(rng, shape, exponent=1.0):
    """Smooth periodic noise (rows, columns) with mean 0 and deviation 1, spectrum 1/f^exponent."""
    fy, fx = np.meshgrid(np.fft.fftfreq(shape[0]), np.fft.rfftfreq(shape[1]), indexing='ij')
    frequency = np.hypot(fy * shape[0], fx * shape[1])
    frequency[0, 0] = 1
    spectrum = rng.normal(size=frequency.shape) + 1j * rng.normal(size=frequency.shape)
    spectrum *= frequency**-exponent
    spectrum[0, 0] = 0
    values = np.fft.irfft2(spectrum, shape)
    return ((values - values.mean()) / values.std()).astype(np.float32)


def random_ground(rng, kind):
    """A ground that suits a kind of background."""
    n = 512
    fine, coarse = noise(rng, (n, n), 0.6)[..., None], noise(rng, (n, n), 1.6)[..., None]
    if kind == 'field':
        base = np.array([rng.uniform(70, 120), rng.uniform(120, 150), rng.uniform(50, 75)])
        image = base + fine * [13, 15, 9] + coarse * [14, 10, 5]
        return Texture.from_image(np.clip(image, 0, 255), 16.0)
    if kind == 'street':
        image = rng.uniform(95, 150) + fine * 9 + coarse * 6 + np.zeros(3)
        joints = 64 if rng.random() < 0.5 else 128
        if rng.random() < 0.7:  # paving
            image[::joints] -= 40
            image[:, ::joints] -= 40
        return Texture.from_image(np.clip(image, 0, 255), 8.0)
    if kind == 'room':
        if rng.random() < 0.6:  # floor boards
            image = _boards(rng, n) + fine * 5
        else:  # carpet
            image = rng.uniform(60, 190, 3) + fine * 9 + coarse * 4
        return Texture.from_image(np.clip(image, 0, 255), 4.0)
    image = rng.uniform(50, 200, 3) + fine * rng.uniform(5, 20, 3) + coarse * rng.uniform(10, 40, 3)
    return Texture.from_image(np.clip(image, 0, 255), 8.0)


def _boards(rng, n):
    base = np.array([rng.uniform(140, 190), rng.uniform(95, 130), rng.uniform(55, 85)])
    image = np.zeros((n, n, 3))
    grain = noise(rng, (n, n), 1.0)
    grain = cv2.blur(grain, (61, 1), borderType=cv2.BORDER_REFLECT)[..., None]
    height = 32
    for row in range(0, n, height):
        image[row : row + height] = base * rng.uniform(0.85, 1.12)
        image[row : row + 1] *= 0.55
        joint = rng.integers(0, n)
        image[row : row + height, joint : joint + 1] *= 0.6
    return image + grain * 16


def random_panorama(rng, kind):
    """(512, 2048, 3) uint8: azimuth over the columns, elevation -15 to 75 degrees upwards."""
    rows, columns = 512, 2048
    elevation = np.linspace(*np.degrees(_ELEVATIONS)[::-1], rows)[:, None]
    if kind == 'clutter':
        return _clutter(rng, rows, columns)
    blue = np.array([rng.uniform(90, 150), rng.uniform(140, 185), rng.uniform(200, 235)])
    height = np.clip(elevation / 60, 0, 1)[..., None]
    image = np.array([215, 225, 235]) * (1 - height**0.6) + blue * height**0.6
    clouds = np.clip(noise(rng, (rows, columns), 1.7) - rng.uniform(-0.3, 1.0), 0, 1)[..., None]
    image = image * (1 - 0.8 * clouds) + 245 * 0.8 * clouds
    horizon = np.argmin(np.abs(elevation[:, 0]))
    degree = rows / 90
    image[horizon:] = [120, 130, 110] if kind == 'field' else [130, 130, 130]
    hills = horizon - degree * (3 + 1.2 * noise(rng, (1, columns), 1.8)[0])
    _silhouette(image, hills, horizon, np.array([120, 140, 150]))
    trees = noise(rng, (1, columns), 1.3)[0] + 0.3 * noise(rng, (1, columns), 0.9)[0]
    tall = rng.uniform(3, 9)
    leaves = noise(rng, (rows, columns), 0.8)[..., None] * [11, 13, 8]
    tree_top = horizon - degree * (tall + 0.25 * tall * trees)
    if kind == 'street':
        _houses(rng, image, horizon, degree)
        tree_top += degree * 0.5 * tall
    green = np.array([rng.uniform(35, 65), rng.uniform(62, 92), rng.uniform(28, 45)])
    hidden = noise(rng, (1, columns), 1.5)[0] < (-0.3 if kind == 'street' else 3)
    _silhouette(image, np.where(hidden, tree_top, rows), horizon, green + leaves)
    return np.clip(image, 0, 255).astype(np.uint8)


def _silhouette(image, top_rows, horizon, colours):
    rows = np.arange(image.shape[0])[:, None]
    cover = np.clip(rows + 1 - top_rows, 0, 1) * (rows < horizon + 3)
    image += cover[..., None] * (colours - image)


def _houses(rng, image, horizon, degree):
    column, columns = 0, image.shape[1]
    while column < columns:
        width = int(rng.integers(60, 200))
        top = int(horizon - degree * rng.uniform(9, 34))
        wall = np.clip(rng.uniform(90, 215) + rng.normal(0, 18, 3), 0, 255)
        image[top : horizon + 3, column : column + width] = wall
        storey, bay = int(degree * rng.uniform(3.0, 4.2)), int(rng.integers(16, 30))
        glass = np.array([60, 75, 95]) * rng.uniform(0.6, 1.4)
        for row in range(top + storey // 3, horizon - storey // 2, storey):
            for start in range(column + bay // 3, min(column + width, columns) - bay // 2, bay):
                image[row : row + int(storey * 0.55), start : start + int(bay * 0.5)] = glass
        image[top : top + 3, column : column + width] *= 0.6
        column += width


def _clutter(rng, rows, columns):
    image = rng.uniform(40, 200, 3) + np.linspace(-40, 40, rows)[:, None, None] * rng.normal(
        0, 1, 3
    )
    image = image + noise(rng, (rows, columns), 1.5)[..., None] * rng.uniform(5, 25, 3)
    image = np.ascontiguousarray(np.clip(image, 0, 255), np.float32)
    for _ in range(60):
        colour = tuple(float(c) for c in rng.uniform(20, 235, 3))
        centre = (int(rng.integers(columns)), int(rng.integers(rows)))
        axes = (int(rng.integers(8, 90)), int(rng.integers(8, 90)))
        if rng.random() < 0.5:
            cv2.ellipse(image, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1)
        else:
            corner = (centre[0] + axes[0], centre[1] + axes[1])
            cv2.rectangle(image, centre, corner, colour, -1)
    return np.clip(image + rng.normal(0, 5, image.shape), 0, 255).astype(np.uint8)


def random_walls(rng):
    """(384, 4 * 1024, 3) uint8: four walls beside one another, bottom row last."""
    rows, columns = 384, 1024
    base = rng.uniform(150, 225) + rng.normal(0, 16, 3)
    walls = []
    for _ in range(4):
        wall = np.clip(base + noise(rng, (rows, columns), 1.6)[..., None] * 3, 0, 255)
        wall = np.ascontiguousarray(wall, np.float32)
        if rng.random() < 0.3:  # wallpaper
            wall[:, (np.arange(columns) // 24) % 2 == 0] *= 0.93
        wall[-14:] *= 0.7
        for start in rng.choice(6, 3, replace=False) * 165 + 20:
            _decorate(rng, wall, int(start))
        walls.append(wall)
    return np.concatenate(walls, axis=1).astype(np.uint8)


def _decorate(rng, wall, start):
    rows = wall.shape[0]
    kind = rng.choice(['window', 'door', 'picture', 'board'])
    if kind == 'door':
        wall[70:, start : start + 95] = rng.uniform(80, 190, 3)
        wall[66:70, start - 4 : start + 99] = 235
        wall[235:243, start + 80 : start + 88] = 60
    elif kind == 'window':
        wall[70:230, start : start + 150] = 240
        for left in (start + 8, start + 79):
            view = np.linspace(235, 160, 144)[:, None, None] * np.array([0.85, 0.95, 1.0])
            wall[78:222, left : left + 63] = view
    elif kind == 'picture':
        wall[110:215, start + 20 : start + 130] = rng.uniform(20, 90)
        art = noise(rng, (91, 96), 1.5)[..., None] * rng.uniform(10, 60, 3)
        wall[117:208, start + 27 : start + 123] = np.clip(rng.uniform(60, 200, 3) + art, 0, 255)
    else:
        wall[rows // 4 : rows // 2, start : start + 140] = rng.uniform(30, 230, 3)


def sample_panorama(panorama, rays):
    """Colours (h, w, 3) float32 of a panorama along (h, w, 3) rays."""
    rows, columns = panorama.shape[:2]
    x, y, z = (rays[..., i] for i in range(3))
    u = (np.arctan2(y, x) / (2 * np.pi) % 1.0) * columns
    v = (_ELEVATIONS[1] - np.arctan2(z, np.hypot(x, y))) / np.ptp(_ELEVATIONS) * (rows - 1)
    padded = cv2.copyMakeBorder(panorama, 0, 0, 0, 1, cv2.BORDER_WRAP)
    v = np.clip(v, 0, rows - 1).astype(np.float32)
    return cv2.remap(padded, u.astype(np.float32), v, cv2.INTER_LINEAR).astype(np.float32)


def sample_walls(walls, across, up, which):
    """Colours (h, w, 3) float32 at positions 0..1 on walls number ``which``."""
    rows, columns = walls.shape[0], walls.shape[1] // 4
    u = np.clip(across, 0, 1) * (columns - 1) + which * columns
    v = (1 - np.clip(up, 0, 1)) * (rows - 1)
    return cv2.remap(walls, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR).astype(
        np.float32
    )
