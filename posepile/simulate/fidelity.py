"""Does a product show what was simulated? Compares every example with the truth.

All geometry comes from ``reference_crop``, which shares nothing with the pipeline.
"""

import dataclasses
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import rlemasklib
from scipy.spatial.transform import Rotation

from posepile import paths
from posepile.simulate.marker_search import marker_displacements
from posepile.simulate.reference_crop import WholeImage, reference_crop, to_source_pixels
from posepile.simulate.truth import TruePerson, load_truth
from posepile.storage.lazy import Pose2DDatasetBarecat, open_dataset
from posepile.util import SPLIT_NAMES

_NEAREST = 100.0  # mm; projections of what is closer to the camera say little
_SMALLEST_MASK = 500  # crop pixels; the outline of smaller ones is most of their area
_MOST_NAMED = 5
_FINE_STEP = 0.005  # mm; float32 steps below this (up to 33 m from the origin) excuse no error


@dataclass(frozen=True)
class Tolerances:
    """The largest errors (for masks: the least overlap, and the least mean overlap of those that
    a network finds) that :meth:`FidelityReport.problems` takes for a faithful product."""

    joints_mm: float = 0.01
    camera_center_mm: float = 0.01
    projection_px: float = 0.05
    coords_px: float = 0.05
    reference_px: float = 0.05
    box_px: float = 0.5
    marker_px: float = 1.0
    markers_found: float = 1.0  # share of those looked for
    parameters: float = 1e-5  # radians and metres
    mask_iou: float = 0.97
    estimated_mask_iou: float = 0.85


@dataclass
class FidelityReport:
    """Outcome of :func:`check_product`.

    Attributes:
        examples: number of examples compared.
        missing, unexpected: paths of records that should be there, or should not.
        errors: largest error by quantity. ``joints_mm``: world joints; ``camera_center_mm``:
            optical centre; ``projection_px``: true joints seen by the stored camera and by the
            reference; ``coords_px``: joints of a 2D product; ``reference_px``: the reference's
            way through the source image and its direct projection; ``box_px``: edges of the box;
            ``marker_px``: drawn markers; ``parameters``: numbers of a body model. More than 33 m
            from the origin, what float32 cannot tell apart is left out of those in mm.
        where: record with the largest error, by quantity.
        wrong_validity, wrong_size, wrong_parameters: records with other missing joints, another
            image size, or parameters of another body.
        markers_sought, markers_found: drawn markers looked for, and found.
        masks: number of masks compared; ``mask_iou_min``, ``mask_iou_mean``: their overlap.
        missing_masks: records without the mask that the truth has.
        estimated_masks: number of masks compared that a network was to find;
            ``estimated_masks_found``: of these, where it found the person;
            ``estimated_mask_iou_mean``: their overlap, 0 where it did not.
    """

    name: str
    kind: str
    examples: int = 0
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    errors: dict[str, float] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    wrong_validity: list[str] = field(default_factory=list)
    wrong_size: list[str] = field(default_factory=list)
    wrong_parameters: list[str] = field(default_factory=list)
    markers_sought: int = 0
    markers_found: int = 0
    masks: int = 0
    mask_iou_min: float = 1.0
    mask_iou_mean: float = 1.0
    missing_masks: list[str] = field(default_factory=list)
    estimated_masks: int = 0
    estimated_masks_found: int = 0
    estimated_mask_iou_mean: float = 1.0

    def note_error(self, quantity, values, where):
        """Remember the largest of ``values``, if it is the largest so far; NaN is infinite."""
        values = np.asarray(values, np.float64)
        if values.size == 0:
            return
        error = float(np.max(np.where(np.isnan(values), np.inf, values)))
        if quantity not in self.errors or error > self.errors[quantity]:
            self.errors[quantity] = error
            self.where[quantity] = where

    def note_mask_iou(self, iou, where):
        if iou < self.mask_iou_min or self.masks == 0:
            self.mask_iou_min, self.where['mask_iou'] = iou, where
        self.mask_iou_mean = (self.mask_iou_mean * self.masks + iou) / (self.masks + 1)
        self.masks += 1

    def note_estimated_mask_iou(self, iou):
        """``iou`` None: there is no mask."""
        total = self.estimated_mask_iou_mean * self.estimated_masks + (iou or 0)
        self.estimated_masks += 1
        self.estimated_masks_found += iou is not None
        self.estimated_mask_iou_mean = total / self.estimated_masks

    def problems(self, tolerances=None) -> list[str]:
        """What is worse than the tolerances allow, in words; empty if nothing is."""
        tolerances = tolerances or Tolerances()
        lines = []
        for records, what in (
            (self.missing, 'examples are missing'),
            (self.unexpected, 'examples should not be there'),
            (self.wrong_validity, 'examples have other missing joints'),
            (self.wrong_size, 'images have another size'),
            (self.wrong_parameters, 'examples have parameters of another body'),
            (self.missing_masks, 'masks are missing'),
        ):
            if records:
                lines.append(f'{len(records)} {what}: {", ".join(records[:_MOST_NAMED])}')
        for quantity, error in self.errors.items():
            limit = getattr(tolerances, quantity)
            if error > limit:
                lines.append(
                    f'{quantity} is {error:.4g}, more than {limit:g}: {self.where[quantity]}'
                )
        if self.markers_found < tolerances.markers_found * self.markers_sought:
            lines.append(
                f'{self.markers_sought - self.markers_found} of {self.markers_sought} markers '
                f'were not found: {self.where["lost_marker"]}'
            )
        if self.mask_iou_min < tolerances.mask_iou:
            lines.append(
                f'a mask overlaps by {self.mask_iou_min:.3f}, less than {tolerances.mask_iou:g}: '
                f'{self.where["mask_iou"]}'
            )
        if self.estimated_mask_iou_mean < tolerances.estimated_mask_iou:
            lines.append(
                f'the {self.estimated_masks_found} masks that were found of '
                f'{self.estimated_masks} people overlap by {self.estimated_mask_iou_mean:.3f} on '
                f'average, less than {tolerances.estimated_mask_iou:g}'
            )
        if self.examples == 0:
            lines.append('there was nothing to compare')
        return lines

    def lines(self) -> list[str]:
        """The figures, one per line."""
        lines = [f'{self.examples} examples compared']
        lines += [f'{quantity}: at most {error:.4g}' for quantity, error in self.errors.items()]
        if self.markers_sought:
            lines.append(f'{self.markers_found} of {self.markers_sought} markers found')
        if self.masks:
            lines.append(
                f'{self.masks} masks overlap by at least {self.mask_iou_min:.3f}, '
                f'{self.mask_iou_mean:.3f} on average'
            )
        if self.estimated_masks:
            lines.append(
                f'{self.estimated_masks_found} masks were found of {self.estimated_masks} people '
                f'and overlap by {self.estimated_mask_iou_mean:.3f} on average'
            )
        return lines

    def as_dict(self) -> dict:
        """Plain data, for JSON."""
        return {**dataclasses.asdict(self), 'problems': self.problems()}


def check_product(name) -> FidelityReport:
    """Compare every example of the packed product ``name`` with the simulated truth.

    Raises:
        BadFileError: if there is no truth: the release is real, or was simulated elsewhere.
        ArchiveError: if the product is not packed, or is damaged.
    """
    truth = _by_record_path(load_truth(name))
    dataset = open_dataset(*paths.packed_paths(name))
    report = FidelityReport(name, '2d' if isinstance(dataset, Pose2DDatasetBarecat) else '3d')
    # Whoever packs without masks wants none.
    is_without = dataset.metadata.get('posepile', {}).get('masks', True) is None
    found = set()
    for example in dataset.iter_examples():
        found.add(example.path)
        if example.path not in truth:
            report.unexpected.append(example.path)
            continue
        person = truth[example.path]
        if is_without and person.is_mask_estimated:
            person.mask = None
        loaded = example.load()
        if person.is_cropped:
            crop = reference_crop(
                person.camera,
                person.box,
                person.imshape,
                person.expansion,
                person.turns,
                person.box_side,
                person.max_enlargement,
            )
        else:
            crop = WholeImage(person.imshape[::-1], person.box, person.camera)
        if report.kind == '3d':
            _compare_joints3d(report, example.path, loaded, person, crop)
            _compare_parameters(report, example.path, loaded.parameters, person.parameters)
        else:
            _compare_joints2d(report, example.path, loaded, person, crop)
        _compare_pixels(report, example.path, loaded, person, crop)
        report.examples += 1
    report.missing = sorted(set(truth) - found)
    return report


def _by_record_path(people) -> dict[str, TruePerson]:
    """The people by path of their record; those in one image are numbered in order."""
    result = {}
    counts = defaultdict(int)
    for person in people:
        stem = f'{SPLIT_NAMES[person.split]}/{person.crop_path}'
        result[f'{stem}_{counts[stem]:02d}.msgpack'] = person
        counts[stem] += 1
    return result


def _compare_joints3d(report, path, example, person, crop):
    true = person.joints
    stored = example.get_world_coords()
    if (stored is not None) != person.has_joints:
        report.wrong_validity.append(path)
    elif stored is not None and not _same_validity(stored, true):
        report.wrong_validity.append(path)
    if stored is not None:
        is_valid = _is_valid(true) & _is_valid(stored)
        report.note_error('joints_mm', _beyond_rounding(stored[is_valid], true[is_valid]), path)
    camera = example.camera
    center = np.asarray(person.camera['t'], np.float64)
    report.note_error('camera_center_mm', _beyond_rounding(camera.t, center), path)

    joints = true[_is_valid(true)] - center
    joints = joints[(joints @ crop.R.T)[:, 2] > _NEAREST]
    in_stored_camera = (joints + center - np.float64(camera.t)) @ np.float64(camera.R).T
    lens = camera.get_distortion_coeffs() if camera.has_distortion() else None
    stored = dict(K=np.float64(camera.intrinsic_matrix), distortion=lens)
    seen = to_source_pixels(stored, in_stored_camera)
    expected = crop.project(joints)
    if camera.has_distortion() and person.is_cropped:  # crops have none
        seen = np.full_like(seen, np.nan)
    report.note_error('projection_px', np.linalg.norm(seen - expected, axis=1), path)

    in_source = joints @ person.camera['R'].T
    is_ahead = in_source[:, 2] > _NEAREST
    source_pixels = to_source_pixels(person.camera, in_source[is_ahead])
    # Lens models hold, and can be inverted, within the image only.
    is_inside = np.all((source_pixels >= 0) & (source_pixels < person.imshape[::-1]), axis=1)
    if np.any(is_inside):
        around = crop.from_source(source_pixels[is_inside])
        errors = np.linalg.norm(around - expected[is_ahead][is_inside], axis=1)
        report.note_error('reference_px', errors, path)


def _compare_parameters(report, path, stored, true):
    stored, true = stored or {}, true or {}
    texts = {key for key, value in true.items() if isinstance(value, str)}
    if stored.keys() != true.keys() or any(stored[key] != true[key] for key in texts):
        report.wrong_parameters.append(path)
        return
    for key in true.keys() - texts:
        found, expected = (np.asarray(p[key], np.float64).ravel() for p in (stored, true))
        if found.shape != expected.shape:
            report.wrong_parameters.append(path)
            continue
        if key == 'pose':  # a half turn has two vectors
            found, expected = (
                Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix() for pose in (found, expected)
            )
        report.note_error('parameters', np.abs(found - expected), path)


def _compare_joints2d(report, path, example, person, crop):
    if not _same_validity(example.coords, person.joints):
        report.wrong_validity.append(path)
    is_valid = _is_valid(person.joints) & _is_valid(example.coords)
    expected = crop.from_source(np.float64(person.joints[is_valid]))
    errors = np.linalg.norm(example.coords[is_valid] - expected, axis=1)
    report.note_error('coords_px', errors, path)


def _compare_pixels(report, path, example, person, crop):
    def edges(box):
        return np.concatenate([box[:2], box[:2] + box[2:]])

    box = np.asarray(example.bbox, np.float64)
    report.note_error('box_px', np.abs(edges(box) - edges(crop.box)), path)
    if example.image.shape[1::-1] != tuple(crop.size):
        report.wrong_size.append(path)
        return
    if person.markers is not None:
        displacements = marker_displacements(example.image, crop, person.markers, person.imshape)
        is_found = _is_valid(displacements)
        report.markers_sought += len(displacements)
        report.markers_found += int(np.sum(is_found))
        if not np.all(is_found):
            report.where.setdefault('lost_marker', path)
        distances = np.linalg.norm(displacements[is_found], axis=1)
        report.note_error('marker_px', distances, path)
    if person.mask is not None:
        _compare_masks(report, path, example.mask, person, crop)


def _compare_masks(report, path, mask, person, crop):
    if mask is None and not person.is_mask_estimated:
        report.missing_masks.append(path)
        return
    # What a network has estimated is not compared to the pixel: every other one will do.
    step = 2 if person.is_mask_estimated else 1
    expected = _mapped_mask(rlemasklib.decode(person.mask), person.camera, crop, step)
    if np.sum(expected) * step**2 <= _SMALLEST_MASK:
        return
    iou = None
    if mask is not None:
        found = rlemasklib.decode(mask)[::step, ::step] != 0
        iou = float(np.sum(found & expected) / np.sum(found | expected))
    if person.is_mask_estimated:
        report.note_estimated_mask_iou(iou)
    else:
        report.note_mask_iou(iou, path)


def _mapped_mask(mask, camera, crop, step=1):
    """Bool: the source mask at the source pixel nearest to each ``step``-th crop pixel's place."""
    if isinstance(crop, WholeImage):
        return mask[::step, ::step] != 0
    grid = np.meshgrid(*(np.arange(0, length, step) for length in crop.size))
    pixels = np.stack(grid, -1).reshape(-1, 2)
    if camera is None:
        source = (pixels - (crop.K[:2, 2] + 0.5 * crop.scale)) / crop.scale
    else:
        rays = np.ones((len(pixels), 3))
        rays[:, :2] = (pixels - crop.K[:2, 2]) @ np.linalg.inv(crop.K[:2, :2]).T
        source = to_source_pixels(camera, rays @ crop.R @ camera['R'].T)
    x, y = np.rint(source).astype(int).T
    is_inside = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
    result = np.zeros(len(pixels), bool)
    result[is_inside] = mask[y[is_inside], x[is_inside]] != 0
    return result.reshape(grid[0].shape)


def _is_valid(points):
    return np.all(np.isfinite(points), axis=-1)


def _same_validity(a, b):
    return a.shape == b.shape and np.array_equal(_is_valid(a), _is_valid(b))


def _beyond_rounding(stored, true):
    """Absolute differences; in worlds so large that float32 is coarse, those beyond its steps."""
    step = np.spacing(np.abs(true).astype(np.float32)).astype(np.float64)
    step[step < _FINE_STEP] = 0
    return np.maximum(0, np.abs(np.float64(stored) - true) - step)
