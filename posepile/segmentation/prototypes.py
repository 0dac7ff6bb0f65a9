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
        (n, h, w) float32 tensor, far below 0 outside of the boxes.
    """
    n_prototypes, h, w = prototypes.shape
    maps = (coefficients.float() @ prototypes.float().view(n_prototypes, -1)).view(-1, h, w)
    scale_x, scale_y = input_shape[1] / w, input_shape[0] / h
    x = (torch.arange(w, device=maps.device) + 0.5) * scale_x
    y = (torch.arange(h, device=maps.device) + 0.5) * scale_y
    # Half a cell of margin, so that interpolation does not eat into the mask.
    x1, y1, x2, y2 = (c[:, None] for c in corners.unbind(1))
    columns = (x > x1 - scale_x / 2) & (x < x2 + scale_x / 2)
    rows = (y > y1 - scale_y / 2) & (y < y2 + scale_y / 2)
    return torch.where(rows[:, :, None] & columns[:, None, :], maps, _OUTSIDE)


def mask_from_logits(logits, letterbox):
    """uint8 mask of 0 and 1 in image pixels, where the interpolated logits are positive.

    Args:
        logits: (h, w) float32 array over the whole network input.
        letterbox: how the image was fitted into the input.
    """
    rows, columns = letterbox.input_shape
    height, width = letterbox.imshape
    cell = np.array([columns, rows]) / logits.shape[::-1]
    # Image pixel centres to those of the map: through the input, both counted from their edges.
    factor = letterbox.scale / cell
    shift = (0.5 * letterbox.scale + letterbox.offset) / cell - 0.5
    matrix = np.array([[factor[0], 0, shift[0]], [0, factor[1], shift[1]]])
    full = cv2.warpAffine(
        logits, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return (full > 0).astype(np.uint8)
