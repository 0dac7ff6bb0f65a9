"""From the coefficients and prototypes of a segmenter to masks in image pixels."""

import cv2
import numpy as np
import torch

#: Logit outside of a person's box: nothing of them is there.
_OUTSIDE = -20.0


@torch.inference_mode()
def logit_maps(coefficients, prototypes, corners, input_shape):
    """Mask logits of the people of one image, at the resolution of the prototypes.

    Args:
        coefficients: (n, M) tensor.
        prototypes: (M, h, w) tensor.
        corners: (n, 4) [x1, y1, x2, y2] of their boxes in pixels of the network's input.
        input_shape: (rows, columns) of the input.

    Returns:
        (n, h, w) float32 tensor, far below 0 where it is more than a cell outside of the boxes.
    """
    n_prototypes, h, w = prototypes.shape
    maps = (coefficients.float() @ prototypes.float().view(n_prototypes, -1)).view(-1, h, w)
    scale_x, scale_y = input_shape[1] / w, input_shape[0] / h
    x = (torch.arange(w, device=maps.device) + 0.5) * scale_x
    y = (torch.arange(h, device=maps.device) + 0.5) * scale_y
    # A cell of margin: interpolation up to the border of the box needs it.
    x1, y1, x2, y2 = (c[:, None] for c in corners.unbind(1))
    columns = (x > x1 - scale_x) & (x < x2 + scale_x)
    rows = (y > y1 - scale_y) & (y < y2 + scale_y)
    return torch.where(rows[:, :, None] & columns[:, None, :], maps, _OUTSIDE)


def mask_from_logits(logits, letterbox, box=None):
    """uint8 mask of 0 and 1 in image pixels, where the interpolated logits are positive.

    Args:
        logits: (h, w) float32 array over the whole network input.
        letterbox: how the image was fitted into the input.
        box: (4,) [left, top, width, height] in the image; pixels that it does not touch are 0.
    """
    rows, columns = letterbox.input_shape
    height, width = letterbox.imshape
    cell = np.array([columns, rows]) / logits.shape[::-1]
    start, end = np.zeros(2, int), np.array([width, height])
    if box is not None:
        box = np.asarray(box, np.float64)
        end = np.clip(np.ceil(box[:2] + box[2:4]).astype(int), 0, end)
        start = np.clip(np.floor(box[:2]).astype(int), 0, end)
    mask = np.zeros((height, width), np.uint8)
    if np.any(start == end):
        return mask
    # Image pixel centres to those of the map: through the input, both counted from their edges.
    factor = letterbox.scale / cell
    shift = ((start + 0.5) * letterbox.scale + letterbox.offset) / cell - 0.5
    matrix = np.array([[factor[0], 0, shift[0]], [0, factor[1], shift[1]]])
    part = cv2.warpAffine(
        logits, matrix, tuple(int(side) for side in end - start),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    mask[start[1] : end[1], start[0] : end[0]] = part > 0
    return mask
