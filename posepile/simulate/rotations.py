"""Rotation matrices for whole sequences at once. Angles in radians, axes x, y, z = 0, 1, 2."""

import numpy as np


def about(axis, angle):
    """Rotations (..., 3, 3) by ``angle`` (...) about a coordinate axis."""
    angle = np.asarray(angle, np.float64)
    c, s = np.cos(angle), np.sin(angle)
    result = np.zeros((*angle.shape, 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    result[..., axis, axis] = 1
    result[..., i, i] = c
    result[..., i, j] = -s
    result[..., j, i] = s
    result[..., j, j] = c
    return result


def euler(roll, pitch, yaw):
    """Rz(yaw) Ry(pitch) Rx(roll); with x forward and y left, positive pitch leans forward."""
    return about(2, yaw) @ about(1, pitch) @ about(0, roll)


def about_axis(axis, angle):
    """Rotations (..., 3, 3) by ``angle`` (...) about the unit vectors ``axis`` (..., 3)."""
    axis, angle = np.asarray(axis, np.float64), np.asarray(angle, np.float64)
    x, y, z = axis[..., 0], axis[..., 1], axis[..., 2]
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1)
    cross = cross.reshape(*x.shape, 3, 3)
    s, c = np.sin(angle)[..., None, None], np.cos(angle)[..., None, None]
    return np.eye(3) + s * cross + (1 - c) * (cross @ cross)


def frame(direction, pole):
    """Orthonormal columns: unit ``direction``, ``pole`` made perpendicular to it, their cross."""
    d = unit(direction)
    p = unit(pole - np.sum(pole * d, axis=-1, keepdims=True) * d)
    return np.stack([d, p, np.cross(d, p)], axis=-1)


def unit(v):
    """Vectors (..., 3) scaled to length 1."""
    return v / np.linalg.norm(v, axis=-1, keepdims=True)
