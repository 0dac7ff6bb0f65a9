"""What a batch of predicted bodies is worth: numbers by name, to be averaged.

Distances are in mm. d are those of joints relative to the root, d_abs in the axes of the camera
as they are, and d_PA after each pose was aligned with the true one by rotation, translation and
scale.
"""

import numpy as np

from posepile.ds.tdpw.joint_sets import ORIENTED
from posepile.metrics.angles import geodesic_angles
from posepile.metrics.curves import CURVE_THRESHOLDS
from posepile.metrics.errors import joint_errors
from posepile.metrics.rates import auc_scores, correct, exact_auc_scores
from posepile.util.procrustes import fit_similarity

PCK_THRESHOLDS = (50, 51, 52, 53, 54, 55, 60, 70, 80, 90, 100, 150, 200, 250, 300)
NCPS_THRESHOLDS = (50, 75, 100, 125, 150)
CURVES = {'PCK': 'MPJPE', 'PA-PCK': 'MPJPE_PA', 'A-PCK': 'AMPJPE'}

_NEAR, _NEAR_ABSOLUTE, _FARTHEST_WORST = 50, 150, 300
_AUC_END, _N_BINS = 199, 50
_OFFICIAL_THRESHOLDS = np.arange(0, _AUC_END + 1)


class Comparison:
    """Predicted and true bodies, B of each.

    Args:
        pred, true: :class:`~posepile.ds.tdpw.bodies.Bodies`.
        joint_set: :class:`~posepile.ds.tdpw.joint_sets.JointSet`.
    """

    def __init__(self, pred, true, joint_set):
        self.pred, self.true, self.joint_set = pred, true, joint_set
        self.pred_joints, self.pred_root = joint_set.joints_and_roots(pred)
        self.true_joints, self.true_root = joint_set.joints_and_roots(true)
        self.fit = fit_similarity(self.pred_joints, self.true_joints)

    def joint_scores(self) -> dict:
        """(B, ...) arrays: distances of the J joints in mm, all others in percent."""
        major, minor = list(self.joint_set.major), list(self.joint_set.minor)
        pred = self.pred_joints - self.pred_root[:, np.newaxis]
        true = self.true_joints - self.true_root[:, np.newaxis]
        d = joint_errors(pred, true)
        d_abs = joint_errors(self.pred_joints, self.true_joints)
        d_pa = joint_errors(self.fit.apply(self.pred_joints), self.true_joints)
        worst = d_pa[:, major].max(axis=1)
        scores = {'MPJPE': d, 'MPJPE_PA': d_pa, 'AMPJPE': d_abs}
        shares = {
            'AUC': binned_auc_scores(d[:, major]),
            'AUC trapezoid': auc_scores(d[:, major], _OFFICIAL_THRESHOLDS, trapezoid=True),
            'MinorPCK': correct(d[:, minor], _NEAR),
            'APCK': correct(d_abs[:, major], _NEAR_ABSOLUTE),
            'NCPS-AUC': exact_auc_scores(worst, _FARTHEST_WORST),
        }
        shares |= {f'PCK@{t}': correct(d[:, major], t) for t in PCK_THRESHOLDS}
        shares |= {f'NCPS@{t}': correct(worst, t) for t in NCPS_THRESHOLDS}
        for name, distances in CURVES.items():
            near = scores[distances][:, np.newaxis] <= CURVE_THRESHOLDS[:, np.newaxis]
            shares[f'curve {name}'] = near.mean(axis=2)
        return scores | {name: 100 * share for name, share in shares.items()}

    def vertex_scores(self) -> dict:
        """(B, 6890) distances in mm: relative to the root, and as the joints are aligned."""
        apart = (self.pred_root - self.true_root)[:, np.newaxis]
        return {
            'MVE': joint_errors(self.pred.vertices - apart, self.true.vertices),
            'MVE_PA': joint_errors(self.fit.apply(self.pred.vertices), self.true.vertices),
        }

    def angle_scores(self) -> dict:
        """(B, 9) angles in degrees between the orientations of parts, also as poses are aligned."""
        pred, true = (b.orientations[:, list(ORIENTED)] for b in (self.pred, self.true))
        # Points are rows and multiplied from the left; orientations are applied to columns.
        turned = self.fit.rotation.swapaxes(-1, -2)[:, np.newaxis] @ pred
        return {
            'MPJAE': geodesic_angles(pred, true),
            'MPJAE_PA': geodesic_angles(turned, true),
        }

    def uncertainty_scores(self) -> dict:
        """(B, J) and (B, 6890) predicted uncertainties in mm; 0 where there are none."""
        uncertainties = self.joint_set.uncertainties(self.pred)
        if uncertainties is None:
            uncertainties = np.zeros(self.pred_joints.shape[:2])
        of_vertices = self.pred.vertex_uncertainties
        if of_vertices is None:
            of_vertices = np.zeros(self.pred.vertices.shape[:2])
        return {'MJU': uncertainties, 'MVU': of_vertices}


def binned_auc_scores(distances):
    """What each distance adds to the area under the PCK curve up to 199 mm, in 50 bins.

    The curve rises in the middle of the bin that the distance is in:
    max(0, 1 - (floor(50 d / 199) + 0.5) / 50).
    """
    i_bin = np.floor(_N_BINS * np.asarray(distances) / _AUC_END)
    return np.maximum(0, 1 - (i_bin + 0.5) / _N_BINS)
