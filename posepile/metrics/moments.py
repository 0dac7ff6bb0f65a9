"""Means, variances and correlations of numbers that are too many to be kept."""

import numpy as np


class Moments:
    """Statistics over batches that are seen once.

    ::

        moments = Moments(pairs=[('error', 'uncertainty')])
        for batch in batches:
            moments.add(error=errors, uncertainty=sigmas)        # (N, J) each
        moments.mean('error'), moments.mean('error', axes=())    # of all; (J,) of each joint
        moments.correlation('error', 'uncertainty')

    A quantity has a value, or an array of them, for each item of a batch. Each element of the array
    has its own statistics, which are joined on demand: ``axes`` are those axes of an item's array
    over which numbers count as samples of one quantity, None for all, and () for none.

    Sums are of differences from the running mean (Chan, Golub and LeVeque, "Algorithms for
    computing the sample variance", 1983), so that nothing is lost where the mean is large. NaN
    stay NaN.

    Args:
        spread: names of quantities whose variance is wanted.
        pairs: pairs of names, in any order, whose correlation is wanted; they are added together.
    """

    def __init__(self, spread=(), pairs=()):
        self._pairs = {_pair(a, b) for a, b in pairs}
        self._pairs |= {(name, name) for name in {*spread, *(n for p in self._pairs for n in p)}}
        self._counts = {}
        self._means = {}
        self._products = {}

    def add(self, values=None, /, **more):
        """Take in a batch: (N, ...) arrays by name, given as a dictionary or by keyword.

        Raises:
            ValueError: if an item's array has another shape than before, or the two of a pair do
                not go together.
        """
        values = {**(values or {}), **more}
        batch = {name: np.asarray(v, np.float64) for name, v in values.items()}
        counts = {name: len(x) for name, x in batch.items() if len(x)}
        means = {name: batch[name].mean(axis=0) for name in counts}
        products = {}
        for a, b in self._pairs:
            known = (a, b) in self._products
            if a not in batch or b not in batch:
                if known and (a in batch or b in batch):
                    raise ValueError(f'{a} and {b} are a pair and must be added together')
                continue
            if not known and (a in self._counts or b in self._counts):
                raise ValueError(f'{a} and {b} are a pair and must be added together')
            if batch[a].shape != batch[b].shape:
                raise ValueError(f'{a} and {b} are a pair, of {batch[a].shape}, {batch[b].shape}')
            if a in counts:
                products[a, b] = np.sum((batch[a] - means[a]) * (batch[b] - means[b]), axis=0)
        self._join(counts, means, products)

    def merge(self, other):
        """Take in all that another object, made with the same arguments, has seen."""
        if self._counts and other._counts and self._products.keys() != other._products.keys():
            raise ValueError('These moments are of different quantities')
        self._join(other._counts, other._means, other._products)

    def _join(self, counts, means, products):
        for name, mean in means.items():
            if name in self._means and self._means[name].shape != mean.shape:
                raise ValueError(
                    f'{name} has the shape {mean.shape} after {self._means[name].shape}'
                )
        for (a, b), product in products.items():
            if a in self._counts:
                n, m = self._counts[a], counts[a]
                apart = (means[a] - self._means[a]) * (means[b] - self._means[b])
                product = self._products[a, b] + product + apart * (n * m / (n + m))
            self._products[a, b] = product
        for name, mean in means.items():
            n, m = self._counts.get(name, 0), counts[name]
            old = self._means.get(name, 0.0)
            self._means[name] = old + (mean - old) * (m / (n + m))
            self._counts[name] = n + m

    def count(self, name, axes=None) -> int:
        """Number of samples: items times the sizes of the axes."""
        if name not in self._counts:
            return 0
        shape = self._means[name].shape
        return self._counts[name] * int(np.prod([shape[i] for i in self._axes(name, axes)]))

    def mean(self, name, axes=None):
        """Mean over the items and over some axes of each; NaN without items."""
        if name not in self._means:
            return np.float64(np.nan)
        return self._means[name].mean(axis=self._axes(name, axes))

    def variance(self, name, axes=None, ddof=0):
        """Variance of the population, or with ``ddof=1`` its estimate from a sample."""
        n = self.count(name, axes)
        total = self._sum_of_products(name, name, axes)
        return total / (n - ddof) if n > ddof else np.full_like(total, np.nan)

    def standard_error(self, name, axes=None, ddof=0):
        """Standard error of the mean: the root of the variance over the number of samples."""
        n = self.count(name, axes)
        return np.sqrt(self.variance(name, axes, ddof) / (n or np.nan))

    def correlation(self, a, b, axes=None):
        """Pearson's correlation; NaN where one of the quantities does not vary."""
        product = self._sum_of_products(a, b, axes)
        scale = np.sqrt(self._sum_of_products(a, a, axes) * self._sum_of_products(b, b, axes))
        varies = scale > 0
        return np.where(varies, product / np.where(varies, scale, 1.0), np.nan)[()]

    def _sum_of_products(self, a, b, axes):
        """Sum of products of differences from the mean over the items and axes."""
        key = _pair(a, b)
        if key not in self._pairs:
            raise ValueError(f'Second moments of {a} and {b} were not asked for')
        if key not in self._products:
            return np.float64(np.nan)
        axes = self._axes(a, axes)
        apart = [self._means[n] - self._means[n].mean(axis=axes, keepdims=True) for n in key]
        return np.sum(self._products[key] + self._counts[a] * apart[0] * apart[1], axis=axes)

    def _axes(self, name, axes):
        n_axes = self._means[name].ndim
        return tuple(range(n_axes)) if axes is None else tuple(i % n_axes for i in axes)


def _pair(a, b):
    return (a, b) if a <= b else (b, a)
