"""Images in which only certain people are looked for."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Boxed:
    """Another source, with the boxes of the people that are looked for in each of its images.

    Attributes:
        source: see :mod:`posepile.detection.sources`.
        boxes: mapping from the key of an image to (k, 4 or more) boxes.
    """

    source: object
    boxes: object

    @property
    def key(self):
        """That of the source."""
        return self.source.key

    @property
    def first_keys(self):
        """Those of the source that have boxes."""
        return tuple(key for key in self.source.first_keys if key in self.boxes)

    def images(self, is_known):
        """The images of the source for which there are boxes."""
        for key, load in self.source.images(is_known):
            if key in self.boxes:
                yield key, self._loader(key, load)

    def _loader(self, key, load):
        def load_boxed(image_size, stride):
            boxes = np.asarray(self.boxes[key], np.float64).reshape(-1, self.boxes[key].shape[-1])
            return load(image_size, stride)._replace(boxes=boxes[:, :4])

        return load_boxed
