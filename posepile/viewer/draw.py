"""Drawing primitives: skeletons, boxes, masks and text on RGB uint8 images.

Positions are in pixels with pixel centres at integer coordinates and may be fractional. All
functions draw in place.
"""

import cv2
import numpy as np
import rlemasklib

# Told apart with any common kind of colour vision, on dark and on light ground.
LEFT = (62, 146, 255)
RIGHT = (255, 84, 52)
CENTER = (255, 214, 64)
BOX = (255, 255, 255)
MASK = (0, 214, 160)
_OUTLINE = (16, 16, 20)

_SHIFT = 6  # fractional bits of coordinates that OpenCV draws at
_FAR = 1e4  # px; lines are not followed farther out, OpenCV's integers would overflow


def joint_colors(joint_info) -> list[tuple[int, int, int]]:
    """Colour of each joint: left, right, or (without a mirrored partner) centre."""
    colors = []
    for i, name in enumerate(joint_info.names):
        is_paired = joint_info.mirror_mapping[i] != i
        colors.append((LEFT if name.startswith('l') else RIGHT) if is_paired else CENTER)
    return colors


def edge_color(colors, i, j):
    """Colour of the edge i-j: that of its side, or centre where it connects the two sides."""
    sides = {colors[i], colors[j]} - {CENTER}
    return sides.pop() if len(sides) == 1 else CENTER


def draw_skeleton(image, points, joint_info, thickness=2.0, depths=None):
    """Draw the stick figure and its joints, each with a dark rim.

    Args:
        image: (H, W, 3) uint8 RGB.
        points: (J, 2) pixels; joints with NaN, and edges to them, are left out.
        thickness: of the edges, px.
        depths: (J,) what is deeper is drawn first; None: in the order of the skeleton.
    """
    points = np.asarray(points, np.float64)
    is_drawn = np.all(np.isfinite(points), axis=1) & np.all(np.abs(points) < _FAR, axis=1)
    colors = joint_colors(joint_info)
    depths = np.zeros(len(points)) if depths is None else np.where(is_drawn, depths, 0)
    radius = thickness * (0.95 if len(points) <= 40 else 0.6)
    edges = [(i, j) for i, j in joint_info.stick_figure_edges if is_drawn[i] and is_drawn[j]]
    edges.sort(key=lambda edge: -(depths[edge[0]] + depths[edge[1]]))
    for i, j in edges:
        draw_line(image, points[i], points[j], _OUTLINE, thickness + 2)
    for i in np.flatnonzero(is_drawn):
        draw_disc(image, points[i], radius + 1, _OUTLINE)
    for i, j in edges:
        draw_line(image, points[i], points[j], edge_color(colors, i, j), thickness)
    for i in sorted(np.flatnonzero(is_drawn), key=lambda i: -depths[i]):
        draw_disc(image, points[i], radius, _lighter(colors[i]))


def draw_box(image, box, color=BOX, thickness=1.0):
    """Outline a box [left, top, width, height] with a dark rim."""
    left, top, width, height = np.float64(box)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * [width, height] + [left, top]
    for layer_color, layer_thickness in ((_OUTLINE, thickness + 2), (color, thickness)):
        for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            draw_line(image, start, end, layer_color, layer_thickness)


def draw_mask(image, mask, color=MASK, opacity=0.3, thickness=1.0):
    """Tint the pixels of a mask and trace its contour.

    Args:
        mask: RLE dictionary or (h, w) array, non-zero in the mask. It is scaled to the image.
    """
    if isinstance(mask, dict):
        mask = rlemasklib.decode(mask)
    mask = np.uint8(np.asarray(mask) != 0) * np.uint8(255)
    mask = cv2.resize(mask, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    weight = mask[..., np.newaxis] * np.float32(opacity / 255)
    image[:] = np.rint(image * (1 - weight) + np.float32(color) * weight).astype(np.uint8)
    contours, _ = cv2.findContours(np.uint8(mask > 127), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, contours, -1, color, max(1, round(thickness)), cv2.LINE_AA)


def draw_line(image, start, end, color, thickness):
    """An antialiased line; OpenCV's widths are whole pixels, so supersample for finer ones."""
    start, end = (_fixed_point(p) for p in (start, end))
    cv2.line(image, start, end, color, max(1, round(thickness)), cv2.LINE_AA, _SHIFT)


def draw_disc(image, center, radius, color):
    """A filled, antialiased disc."""
    radius = max(1, round(radius * 2**_SHIFT))
    cv2.circle(image, _fixed_point(center), radius, color, cv2.FILLED, cv2.LINE_AA, _SHIFT)


def draw_text(image, text, position, height, color, bold=False, max_width=None, keep_end=False):
    """Write one line of text.

    Args:
        position: (x, y) of the left end of the baseline, px.
        height: of a capital letter, px.
        max_width: longer text is cut, with an ellipsis.
        keep_end: cut at the beginning.

    Returns:
        The width of what was written, px.
    """
    text = text.encode('ascii', 'replace').decode()  # what OpenCV's fonts have for certain
    font, thickness = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(height / 9 * (2 if bold else 1)))
    scale = height / 21  # a capital letter is 21 px high at scale 1

    def width_of(line):
        return cv2.getTextSize(line, font, scale, thickness)[0][0]

    if max_width is not None and width_of(text) > max_width:
        n_fitting = _largest(
            len(text), lambda n: width_of(_shortened(text, n, keep_end)) <= max_width
        )
        text = _shortened(text, n_fitting, keep_end)
    x, y = position
    cv2.putText(image, text, (round(x), round(y)), font, scale, color, thickness, cv2.LINE_AA)
    return width_of(text)


def _shortened(text, n, keep_end):
    return f'...{text[len(text) - n :]}' if keep_end else f'{text[:n]}...'


def _largest(high, fits):
    """The largest n of 0..high for which ``fits(n)``, which holds up to some n; at least 0."""
    low = 0
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _fixed_point(point):
    return tuple(round(float(np.clip(x, -_FAR, _FAR)) * 2**_SHIFT) for x in point)


def _lighter(color):
    return tuple(round(c + 0.45 * (255 - c)) for c in color)
