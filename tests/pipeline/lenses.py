"""Cameras with all kinds of lenses."""

import deltacamera
import numpy as np

LENSES = {
    'pinhole': None,
    'radial': (-0.2, 0.1, 0.001, -0.002, 0),
    'rational': (0.3, 0.05, 0.001, 0.002, 0.01, 0.4, 0.02, 0.01),
    'thin_prism': (-0.1, 0.02, 0.001, 0, 0, 0, 0, 0, 0.001, 0.002, -0.001, 0.0005),
    'fisheye': (0.05, 0.01, 0.001, -0.002),
}


def lens_model(coeffs):
    if coeffs is None:
        return None
    model = deltacamera.FisheyeKannalaBrandt if len(coeffs) == 4 else deltacamera.BrownConradyEx
    return model(np.float32(coeffs))


def studio_camera(coeffs, rotation=None, center=(0, 0, 0), up=(0, -1, 0)):
    return deltacamera.Camera(
        optical_center=center,
        rot_world_to_cam=np.eye(3) if rotation is None else rotation,
        intrinsic_matrix=[[1000, 0, 500], [0, 1000, 500], [0, 0, 1]],
        distortion_model=lens_model(coeffs),
        world_up=up,
    )
