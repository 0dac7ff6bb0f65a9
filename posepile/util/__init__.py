"""Constants that training code imports."""

#: The splits of a dataset. In archives they are called ``train``, ``val`` and ``test``.
TRAIN, VALID, TEST = 0, 1, 2

#: Name of each split in archive paths, indexed by its number.
SPLIT_NAMES = ('train', 'val', 'test')
