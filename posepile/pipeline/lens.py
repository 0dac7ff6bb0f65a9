"""Between pixels and viewing rays in double precision.

Crops are related to their source image by rays through a common optical centre. Going through
world coordinates in single precision instead, as is common, costs 0.1 to 0.2 px in studios whose
origin lies metres from the camera.
"""

import cv2
import numpy as np

# Iterative undistortion: until it no longer moves by what double precision can tell.
_CRITERIA = (cv2.TERM_CRITERIA_MAX_ITER | cv2.TERM_CRITERIA_EPS, 200, 1e-12)


class Lens:
    """Intrinsic matrix and distortion of a camera.

    Args:
        camera: :class:`deltacamera.Camera`, or None for the plain image plane, in which a pixel
            (x, y) is the 'ray' (x + 0.5, y + 0.5, 1).
    """

    def __init__(self, camera):
        self.intrinsics = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]], np.float64)
        self.distortion = None
        self.is_fisheye = False
        if camera is not None:
            self.intrinsics = np.array(camera.intrinsic_matrix, np.float64)
            if camera.has_distortion():
                self.distortion = np.array(camera.distortion_model.coeffs, np.float64)
                self.is_fisheye = camera.has_fisheye_distortion()

    def rays(self, points):
        """Viewing rays (N, 3) with z = 1 in camera space of the pixels ``points`` (N, 2)."""
        points = np.ascontiguousarray(points, np.float64).reshape(-1, 2)
        if self.distortion is None:
            inverse = np.linalg.inv(self.intrinsics[:2, :2])
            normalized = (points - self.intrinsics[:2, 2]) @ inverse.T
        elif self.is_fisheye:
            normalized = cv2.fisheye.undistortPoints(
                points[np.newaxis], self.intrinsics, self.distortion, criteria=_CRITERIA
            )[0]
        else:
            normalized = cv2.undistortPoints(
                points[:, np.newaxis], self.intrinsics, self.distortion, criteria=_CRITERIA
            )[:, 0]
        return np.concatenate([normalized, np.ones((len(points), 1))], axis=1)

    def maps(self, rotation, new_intrinsics, size):
        """Where each pixel of an undistorted, rotated view lies in this lens' image.

        Args:
            rotation: (3, 3), from this camera's space to that of the view.
            new_intrinsics: (3, 3) of the view.
            size: (width, height) of the view.

        Returns:
            Two float32 arrays (height, width): x and y, as :func:`cv2.remap` takes them.
        """
        module = cv2.fisheye if self.is_fisheye else cv2
        return module.initUndistortRectifyMap(
            self.intrinsics, self.distortion, rotation, new_intrinsics, size, cv2.CV_32FC1
        )
