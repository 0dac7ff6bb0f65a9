"""Z-buffer rasterisation of triangles.

A pixel belongs to a triangle if its centre lies inside or on an edge; of several, the nearest
wins, and of equally near ones the first. The z-buffers hold inverse depth (1/mm, 0 = infinitely
far), which is linear in the image. Buffers show a window of the image: ``left`` and ``top`` are
the pixel coordinates of their first pixel.
"""

import numba
import numpy as np

# Rounding must not open cracks between triangles that share an edge.
_EDGE = -1e-9


@numba.njit(cache=True, error_model='numpy')
def fill_ids(xy, inverse_z, triangles, identity, left, top, zbuffer, ids):
    """Writes ``identity`` and inverse depth where the triangles are the nearest.

    Args:
        xy: (V, 2) float64 pixel coordinates.
        inverse_z: (V,) float64; vertices with NaN pixel coordinates take their triangles along.
        triangles: (N, 3) int32.
        identity: what to write into ``ids``.
        left, top: pixel coordinates of the first pixel of the buffers.
        zbuffer: (h, w) float32, changed in place.
        ids: (h, w) uint8, changed in place.
    """
    height, width = ids.shape
    for i in range(triangles.shape[0]):
        a, b, c = triangles[i]
        xa, ya = xy[a, 0] - left, xy[a, 1] - top
        xb, yb = xy[b, 0] - left, xy[b, 1] - top
        xc, yc = xy[c, 0] - left, xy[c, 1] - top
        area = (xb - xa) * (yc - ya) - (xc - xa) * (yb - ya)
        if not abs(area) > 1e-12:  # also false for NaN
            continue
        x0, x1 = max(0.0, np.ceil(min(xa, xb, xc))), min(width - 1.0, np.floor(max(xa, xb, xc)))
        y0, y1 = max(0.0, np.ceil(min(ya, yb, yc))), min(height - 1.0, np.floor(max(ya, yb, yc)))
        if x0 > x1 or y0 > y1:
            continue
        za, zb, zc = inverse_z[a], inverse_z[b], inverse_z[c]
        wb_x, wb_y = (yc - ya) / area, (xa - xc) / area
        wc_x, wc_y = (ya - yb) / area, (xb - xa) / area
        for y in range(int(y0), int(y1) + 1):
            wb_row, wc_row = (y - ya) * wb_y - xa * wb_x, (y - ya) * wc_y - xa * wc_x
            for x in range(int(x0), int(x1) + 1):
                wb, wc = wb_row + x * wb_x, wc_row + x * wc_x
                wa = 1 - wb - wc
                if wa >= _EDGE and wb >= _EDGE and wc >= _EDGE:
                    z = np.float32(wa * za + wb * zb + wc * zc)
                    if z > zbuffer[y, x]:
                        zbuffer[y, x] = z
                        ids[y, x] = identity


@numba.njit(cache=True, error_model='numpy')
def fill_colours(
    xy, inverse_z, triangles, materials, triangle_material, uv, light, left, top, zbuffer, image
):
    """Writes shaded colours where the triangles are the nearest.

    Args:
        xy, inverse_z, triangles, left, top, zbuffer: as in :func:`fill_ids`.
        materials: (M, 10) float64, see :meth:`posepile.simulate.mesh.Material.row`.
        triangle_material: (N,) int32.
        uv: (V, 2) float64 texture coordinates, mm.
        light: (V, 3) float64 factor on the colour of the material.
        image: (h, w, 3) uint8, changed in place.
    """
    height, width = zbuffer.shape
    for i in range(triangles.shape[0]):
        a, b, c = triangles[i]
        xa, ya = xy[a, 0] - left, xy[a, 1] - top
        xb, yb = xy[b, 0] - left, xy[b, 1] - top
        xc, yc = xy[c, 0] - left, xy[c, 1] - top
        area = (xb - xa) * (yc - ya) - (xc - xa) * (yb - ya)
        if not abs(area) > 1e-12:
            continue
        x0, x1 = max(0.0, np.ceil(min(xa, xb, xc))), min(width - 1.0, np.floor(max(xa, xb, xc)))
        y0, y1 = max(0.0, np.ceil(min(ya, yb, yc))), min(height - 1.0, np.floor(max(ya, yb, yc)))
        if x0 > x1 or y0 > y1:
            continue
        za, zb, zc = inverse_z[a], inverse_z[b], inverse_z[c]
        m = materials[triangle_material[i]]
        kind = int(m[0])
        wb_x, wb_y = (yc - ya) / area, (xa - xc) / area
        wc_x, wc_y = (ya - yb) / area, (xb - xa) / area
        for y in range(int(y0), int(y1) + 1):
            wb_row, wc_row = (y - ya) * wb_y - xa * wb_x, (y - ya) * wc_y - xa * wc_x
            for x in range(int(x0), int(x1) + 1):
                wb, wc = wb_row + x * wb_x, wc_row + x * wc_x
                wa = 1 - wb - wc
                if wa >= _EDGE and wb >= _EDGE and wc >= _EDGE:
                    z = np.float32(wa * za + wb * zb + wc * zc)
                    if z <= zbuffer[y, x]:
                        continue
                    zbuffer[y, x] = z
                    u = wa * uv[a, 0] + wb * uv[b, 0] + wc * uv[c, 0]
                    v = wa * uv[a, 1] + wb * uv[b, 1] + wc * uv[c, 1]
                    mix = _pattern(kind, u, v, m[7], m[8], m[9])
                    for k in range(3):
                        base = m[1 + k] * (1 - mix) + m[4 + k] * mix
                        lit = base * (wa * light[a, k] + wb * light[b, k] + wc * light[c, k])
                        image[y, x, k] = np.uint8(min(max(lit + 0.5, 0.0), 255.0))


@numba.njit(cache=True, error_model='numpy')
def _pattern(kind, u, v, scale, u0, v0):
    """Share of the second colour at (u, v), by the kinds of ``mesh``."""
    if kind == 1:  # stripes around the limb
        return 1.0 if (v / scale) % 1.0 < 0.45 else 0.0
    if kind == 2:  # stripes along the limb
        return 1.0 if (u / scale) % 1.0 < 0.35 else 0.0
    if kind == 3:  # check
        return 0.5 * ((v / scale) % 1.0 < 0.4) + 0.5 * ((u / scale) % 1.0 < 0.4)
    if kind == 4:  # a disc with a bar in it
        du, dv = u - u0, v - v0
        inside = du * du + dv * dv < scale * scale * 0.5
        bar = abs(dv) < 0.2 * scale and abs(du) < 0.5 * scale
        return 1.0 if inside and not bar else 0.0
    if kind == 5:  # mottled: hashed cells
        cell = np.floor(u / scale) * 12.9898 + np.floor(v / scale) * 78.233
        h = np.sin(cell) * 43758.5453
        return h - np.floor(h)
    if kind == 6:  # a stripe at the outer side
        return 1.0 if abs(abs(np.sin(u / 55.0)) - 1) < 0.02 else 0.0
    return 0.0
