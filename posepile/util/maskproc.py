"""Binary masks: (height, width) arrays in which non-zero means foreground."""

import cv2
import numpy as np
import rlemasklib


def erode(mask, kernel_size, iterations=1):
    """Shrink the foreground by an elliptical element of the given diameter in pixels."""
    return cv2.erode(_as_uint8(mask), _ellipse(kernel_size), iterations=iterations)


def dilate(mask, kernel_size, iterations=1):
    """Grow the foreground by an elliptical element of the given diameter in pixels."""
    return cv2.dilate(_as_uint8(mask), _ellipse(kernel_size), iterations=iterations)


def largest_connected_component(mask):
    """The 4-connected component with the most pixels, and its box.

    Returns:
        uint8 mask of 0 and 1, and its box [left, top, width, height] as float32; both are all
        zero if there is no foreground.
    """
    n, labels, stats, _ = cv2.connectedComponentsWithStats(
        (np.asarray(mask) != 0).astype(np.uint8), connectivity=4
    )
    if n == 1:
        return np.zeros(labels.shape, np.uint8), np.zeros(4, np.float32)
    largest = 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])
    return (labels == largest).astype(np.uint8), stats[largest, :4].astype(np.float32)


def mask_iou(mask1, mask2):
    """Intersection over union; 0 if both are empty."""
    mask1, mask2 = np.asarray(mask1) != 0, np.asarray(mask2) != 0
    union = np.count_nonzero(mask1 | mask2)
    return np.count_nonzero(mask1 & mask2) / union if union else 0.0


def masks_to_label_map(masks):
    """Number 1..n of the mask at each pixel, 0 for none; later masks lie on top.

    Args:
        masks: sequence of n > 0 masks of equal shape.

    Returns:
        uint8 array, or uint16 if there are more than 255 masks.
    """
    dtype = np.uint8 if len(masks) <= 255 else np.uint16
    labels = np.zeros(np.shape(masks[0]), dtype)
    for i, mask in enumerate(masks, start=1):
        labels[np.asarray(mask) != 0] = i
    return labels


def resize_mask(rle, imshape):
    """Run-length encoded mask resized bilinearly to (height, width), cut at half."""
    mask = rlemasklib.decode(rle) * np.uint8(255)
    resized = cv2.resize(mask, (imshape[1], imshape[0]), interpolation=cv2.INTER_LINEAR)
    return rlemasklib.encode(resized // 128)


def draw_mask(img, mask, mask_color):
    """Draw a mask into an image: tinted by 30 %, with a solid outline along its inner side.

    Args:
        img: uint8 (height, width, 3), changed in place.
        mask: (height, width)
        mask_color: three values 0..255.

    Returns:
        ``img``
    """
    mask = (np.asarray(mask) != 0).astype(np.uint8)
    color = np.asarray(mask_color, np.float32)
    inside = mask.astype(bool)
    img[inside] = (color * 0.3 + img[inside].astype(np.float32) * 0.7).astype(np.uint8)
    img[(erode(mask, 1) - erode(mask, 5)).astype(bool)] = color.astype(np.uint8)
    return img


def _as_uint8(mask):
    mask = np.asarray(mask)
    return mask.astype(np.uint8) if mask.dtype == bool else mask


def _ellipse(size):
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
