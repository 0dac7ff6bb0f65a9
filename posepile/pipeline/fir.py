"""The inner loop of cropping: a weighted mean of neighbouring source pixels for each crop pixel.

Four channels, red, green, blue and mask, make up one vector register, so one pass over the map
yields image and mask. The crop is worked on in tiles whose part of the source, converted to linear
light, stays in the processor's cache.
"""

import llvmlite.ir as ir
import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic

from posepile.pipeline.interpolation import N_PHASES
from posepile.pipeline.pixel_map import STEP

#: Side of a tile in crop pixels, and of one in crops that are much smaller than their source.
TILE, SMALL_TILE = 96, 48
#: Length of the table that encodes linear light, in equal steps of its square root.
N_CODES = 8192


def _weighted_mean(n_taps):
    """Code for: mean over ``n_taps`` x ``n_taps`` pixels of four channels.

    Written as vector instructions, because compilers do not find them in plain loops here: the rows
    of the window, each of 4 * ``n_taps`` floats, are added up with their weights, and then the
    columns of the sum.
    """
    n_floats = 4 * n_taps

    @intrinsic
    def weighted_mean(typing_context, source, row_bytes, weights_y, weights_x, out):
        """Addresses of: window, row weights, column weights (each repeated for the channels), and
        where to put the four means."""
        signature = types.void(types.intp, types.intp, types.intp, types.intp, types.intp)

        def generate(context, builder, signature, arguments):
            source, row_bytes, weights_y, weights_x, out = arguments
            scalar, index = ir.FloatType(), ir.IntType(32)
            window = ir.VectorType(scalar, n_floats)
            word = source.type

            def load(address, kind):
                value = builder.load(builder.inttoptr(address, kind.as_pointer()))
                value.align = 4
                return value

            def constant(kind, value):
                return ir.Constant(kind, [value] * kind.count)

            undefined = ir.Constant(window, ir.Undefined)
            total = None
            for k in range(n_taps):
                weight = load(builder.add(weights_y, ir.Constant(word, 4 * k)), scalar)
                weight = builder.insert_element(undefined, weight, ir.Constant(index, 0))
                weight = builder.shuffle_vector(
                    weight, undefined, constant(ir.VectorType(index, n_floats), 0)
                )
                row = builder.add(source, builder.mul(row_bytes, ir.Constant(word, k)))
                term = builder.fmul(load(row, window), weight, flags=('contract',))
                total = term if total is None else builder.fadd(total, term, flags=('contract',))
            total = builder.fmul(total, load(weights_x, window), flags=('contract',))
            parts = [
                builder.shuffle_vector(
                    total, undefined,
                    ir.Constant(ir.VectorType(index, 4), list(range(4 * i, 4 * i + 4))),
                )
                for i in range(n_taps)
            ]  # fmt: skip
            while len(parts) > 1:
                pairs = zip(parts[::2], parts[1::2], strict=False)
                odd = parts[len(parts) // 2 * 2 :]
                parts = [builder.fadd(a, b) for a, b in pairs] + odd
            stored = builder.store(
                parts[0], builder.inttoptr(out, ir.VectorType(scalar, 4).as_pointer())
            )
            stored.align = 4
            return context.get_dummy_value()

        return signature, generate

    return weighted_mean


_mean_of_5 = _weighted_mean(5)
_mean_of_6 = _weighted_mean(6)
_mean_of_8 = _weighted_mean(8)


@intrinsic
def _store_4_bytes(typing_context, address, value):
    """Write a uint32 to an address of any alignment."""
    signature = types.void(types.intp, types.uint32)

    def generate(context, builder, signature, arguments):
        address, value = arguments
        builder.store(value, builder.inttoptr(address, value.type.as_pointer()), align=1)
        return context.get_dummy_value()

    return signature, generate


@numba.njit(inline='always')
def _width_index(width, least_width, log_step, n_widths):
    """Index of the weights for a footprint of this width."""
    return min(max(int(np.log(width / least_width) / log_step + 0.5), 0), n_widths - 1)


@numba.njit(cache=True, nogil=True, error_model='numpy')
def _load_tile(image, mask, mask_scale, to_linear, factor, start_x, start_y, rows, columns, tile):
    """Copy a part of the source to ``tile`` in linear light, black where it is beyond the image.

    With a factor, each pixel of the tile is the mean of factor x factor pixels of the source.
    """
    height, width = image.shape[0] // factor, image.shape[1] // factor
    first, last = min(max(-start_x, 0), columns), max(min(width - start_x, columns), 0)
    for r in range(rows):
        y = start_y + r
        at = r * columns * 4
        if y < 0 or y >= height or last <= first:
            tile[at : at + columns * 4] = 0
            continue
        tile[at : at + first * 4] = 0
        tile[at + last * 4 : at + columns * 4] = 0
        if factor == 1:
            for c in range(first, last):
                pixel = image[y, start_x + c]
                tile[at + 4 * c] = to_linear[pixel[0]]
                tile[at + 4 * c + 1] = to_linear[pixel[1]]
                tile[at + 4 * c + 2] = to_linear[pixel[2]]
                tile[at + 4 * c + 3] = 0
            if mask_scale > 0:
                for c in range(first, last):
                    tile[at + 4 * c + 3] = np.float32(mask[y, start_x + c]) * mask_scale
            continue
        share = np.float32(1) / np.float32(factor * factor)
        for c in range(first, last):
            red = green = blue = inside = np.float32(0)
            for v in range(y * factor, (y + 1) * factor):
                for u in range((start_x + c) * factor, (start_x + c + 1) * factor):
                    pixel = image[v, u]
                    red += to_linear[pixel[0]]
                    green += to_linear[pixel[1]]
                    blue += to_linear[pixel[2]]
                    if mask_scale > 0:
                        inside += np.float32(mask[v, u]) * mask_scale
            tile[at + 4 * c] = red * share
            tile[at + 4 * c + 1] = green * share
            tile[at + 4 * c + 2] = blue * share
            tile[at + 4 * c + 3] = inside * share


@numba.njit(cache=True, nogil=True, error_model='numpy', fastmath=True)
def _place_row(
    places, j, t, i0, i1, shift_x, shift_y, last_x, last_y, row_bytes, tables, positions, windows
):
    """Addresses, relative to the tile and the tables, for a row of pixels between nodes i0 and i1.

    Args:
        places: (2, rows, columns) float32 nodes.
        j, t: the row lies at ``t`` from 0 to 1 between the rows ``j`` and ``j + 1`` of nodes.
        shift_x, shift_y: source coordinates of the tile's first window.
        last_x, last_y: largest coordinate of a window in the tile.
        tables: (blocks, 2) offsets of the weights for footprints of these widths and heights.
        positions: (2, pixels) float32 scratch space.
        windows: (3, pixels) int32: offset of window, row weights, column weights; filled.
    """
    for i in range(i0, i1):
        xa = places[0, j, i] + t * (places[0, j + 1, i] - places[0, j, i]) - shift_x
        xb = places[0, j, i + 1] + t * (places[0, j + 1, i + 1] - places[0, j, i + 1]) - shift_x
        ya = places[1, j, i] + t * (places[1, j + 1, i] - places[1, j, i]) - shift_y
        yb = places[1, j, i + 1] + t * (places[1, j + 1, i + 1] - places[1, j, i + 1]) - shift_y
        dx, dy = (xb - xa) / np.float32(STEP), (yb - ya) / np.float32(STEP)
        table_x, table_y = tables[i - i0, 0], tables[i - i0, 1]
        at = (i - i0) * STEP
        for k in range(STEP):
            positions[0, at + k] = xa + np.float32(k) * dx
            positions[1, at + k] = ya + np.float32(k) * dy
            windows[1, at + k] = table_y
            windows[2, at + k] = table_x
    # A loop without any branch, which compilers turn into vector instructions.
    xs, ys = positions[0], positions[1]
    offsets, rows, columns = windows[0], windows[1], windows[2]
    for k in range((i1 - i0) * STEP):
        x = min(max(xs[k], np.float32(0)), last_x)
        y = min(max(ys[k], np.float32(0)), last_y)
        column, row = np.int32(x), np.int32(y)
        offsets[k] = row * row_bytes + column * np.int32(16)
        columns[k] += np.int32((x - np.float32(column)) * np.float32(N_PHASES) + np.float32(0.5))
        rows[k] += np.int32((y - np.float32(row)) * np.float32(N_PHASES) + np.float32(0.5))


@numba.njit(cache=True, nogil=True, error_model='numpy')
def _mean_row(tile, windows, row_bytes, weights, channel_weights, n_pixels, means):
    """Means of four channels for a row of pixels."""
    first, rows, columns = tile.ctypes.data, weights.ctypes.data, channel_weights.ctypes.data
    out = means.ctypes.data
    n_taps = weights.shape[2]
    for x in range(n_pixels):
        window = first + windows[0, x]
        if n_taps == 5:
            _mean_of_5(
                window,
                row_bytes,
                rows + windows[1, x] * 20,
                columns + windows[2, x] * 80,
                out + 16 * x,
            )
        elif n_taps == 6:
            _mean_of_6(
                window,
                row_bytes,
                rows + windows[1, x] * 24,
                columns + windows[2, x] * 96,
                out + 16 * x,
            )
        else:
            _mean_of_8(
                window,
                row_bytes,
                rows + windows[1, x] * 32,
                columns + windows[2, x] * 128,
                out + 16 * x,
            )


@numba.njit(cache=True, nogil=True, error_model='numpy', fastmath=True)
def _encode_row(means, codes, from_code, has_mask, inside, row, mask_row):
    """Linear light to the values of a crop's row."""
    for i in range(len(codes)):
        codes[i] = np.int32(
            np.sqrt(min(max(means[i], np.float32(0)), np.float32(1))) * np.float32(N_CODES - 1)
        )
    # Four bytes at a time; the fourth is written over by the next pixel.
    last = len(row) - 1
    address = row.ctypes.data
    for x in range(last):
        _store_4_bytes(
            address + 3 * x,
            np.uint32(from_code[np.uint32(codes[4 * x])])
            | np.uint32(from_code[np.uint32(codes[4 * x + 1])]) << np.uint32(8)
            | np.uint32(from_code[np.uint32(codes[4 * x + 2])]) << np.uint32(16),
        )
    for channel in range(3):
        row[last, channel] = from_code[np.uint32(codes[4 * last + channel])]
    if has_mask:
        for x in range(len(row)):
            mask_row[x] = codes[4 * x + 3] > inside


@numba.njit(cache=True, nogil=True, error_model='numpy')
def resample(
    image, mask, mask_scale, factor, places, to_linear, from_code, weights, channel_weights,
    least_width, width_step, scratch, out, out_mask,
):  # fmt: skip
    """Fill a crop from its source.

    Args:
        image: (H, W, 3) uint8 source.
        mask: (H, W) uint8, empty if there is none.
        mask_scale: factor that makes 1 of what is wholly inside the mask; 0 if there is none.
        factor: the source is taken at a fraction of its size, as means of factor x factor pixels.
        places: (2, rows, columns) float32 x and y of a
            :class:`~posepile.pipeline.pixel_map.PixelMap`, in the source of that size.
        to_linear: (256,) float32: linear light 0..1 of the values in the image.
        from_code: (N_CODES,) uint8: values whose linear light is the square of
            i / (N_CODES - 1).
        weights: (widths, phases, taps) from :func:`~posepile.pipeline.interpolation.weights`.
        channel_weights: (widths, phases, 4 * taps): the same, each repeated for the channels.
        least_width, width_step: of the widths that the weights are for.
        scratch: float32 array; one of a million is enough for usual crops.
        out: (h, w, 3) uint8 crop, filled.
        out_mask: (h, w) uint8 of 0 and 1: where the mask covers more than half; if there is one.
    """
    has_mask = mask_scale > 0
    height, width, _ = out.shape
    image_height, image_width = image.shape[0] // factor, image.shape[1] // factor
    n_widths, n_phases, n_taps = weights.shape
    reach = (n_taps + 1) // 2
    log_step = np.log(width_step)
    inside = np.int32(np.sqrt(0.5) * (N_CODES - 1))
    tile = scratch
    tables = np.zeros((TILE // STEP, 2), np.int32)
    positions, windows = np.zeros((2, TILE), np.float32), np.zeros((3, TILE), np.int32)
    means, codes = np.zeros(4 * TILE, np.float32), np.zeros(4 * TILE, np.int32)
    side = SMALL_TILE if n_taps == 8 else TILE
    for top in range(0, height, side):
        for left in range(0, width, side):
            bottom, right = min(top + side, height), min(left + side, width)
            j0, j1 = top // STEP, (bottom + STEP - 1) // STEP
            i0, i1 = left // STEP, (right + STEP - 1) // STEP
            # The part of the source that the tile shows, as far as it is in the image or close.
            xs, ys = places[0, j0 : j1 + 1, i0 : i1 + 1], places[1, j0 : j1 + 1, i0 : i1 + 1]
            start_x = int(np.floor(max(xs.min(), np.float32(-reach)))) - reach
            start_y = int(np.floor(max(ys.min(), np.float32(-reach)))) - reach
            end_x = int(np.ceil(min(xs.max(), np.float32(image_width + reach)))) + reach + 2
            end_y = int(np.ceil(min(ys.max(), np.float32(image_height + reach)))) + reach + 2
            columns, rows = end_x - start_x, end_y - start_y
            if columns < n_taps or rows < n_taps:  # it lies beyond the image
                out[top:bottom, left:right] = 0
                if has_mask:
                    out_mask[top:bottom, left:right] = 0
                continue
            if rows * columns * 4 > len(tile):
                tile = np.zeros(rows * columns * 4, np.float32)
            _load_tile(
                image, mask, mask_scale, to_linear, factor, start_x, start_y, rows, columns, tile
            )
            to_window = n_taps / 2 - 1
            shift_x, shift_y = np.float32(start_x + to_window), np.float32(start_y + to_window)
            last_x, last_y = np.float32(columns - n_taps), np.float32(rows - n_taps)
            for j in range(j0, j1):
                for i in range(i0, i1):
                    # Width and height of a pixel's footprint, by the variance of its projection.
                    for axis in range(2):
                        here = places[axis, j, i]
                        across = (places[axis, j, i + 1] - here) / STEP
                        down = (places[axis, j + 1, i] - here) / STEP
                        size = np.sqrt(across * across + down * down)
                        level = _width_index(size, least_width, log_step, n_widths)
                        tables[i - i0, axis] = level * n_phases
                for y in range(j * STEP, min((j + 1) * STEP, bottom)):
                    t = np.float32(y - j * STEP) / np.float32(STEP)
                    _place_row(
                        places,
                        j,
                        t,
                        i0,
                        i1,
                        shift_x,
                        shift_y,
                        last_x,
                        last_y,
                        np.int32(columns * 16),
                        tables,
                        positions,
                        windows,
                    )
                    _mean_row(
                        tile, windows, columns * 16, weights, channel_weights, right - left, means
                    )
                    _encode_row(
                        means,
                        codes,
                        from_code,
                        has_mask,
                        inside,
                        out[y, left:right],
                        out_mask[y, left:right] if has_mask else out_mask[0],
                    )
