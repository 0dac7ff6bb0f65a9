"""Random permutations that are computed element by element and never stored."""

import numpy as np

_N_ROUNDS = 8
_MASK = (1 << 64) - 1


class Permutation:
    """A permutation of 0 .. n-1 drawn by a key: 13 million items take as little memory as ten.

    The numbers are written with two digits, of bases a and b with ab just above n; in turns, a
    function of one digit and the key is added to the other. That is the generalised Feistel
    network of Black and Rogaway, "Ciphers with Arbitrary Finite Domains" (2002). The few results
    from n to ab - 1 are sent through it again until they are below n.

    Args:
        n: number of items.
        key: integers; other keys, other permutations.

    Raises:
        ValueError: if ``n`` is negative, or too large for the 64-bit arithmetic (2^62).
    """

    def __init__(self, n, *key):
        self.n = int(n)
        if not 0 <= self.n < 1 << 62:
            raise ValueError(f'there is no permutation of {n} items here')
        self._rows = max(1, int(np.ceil(np.sqrt(self.n))))
        self._columns = -(-self.n // self._rows)
        # NumPy would take (k,) and (k, 0) for the same, and one large number for two small ones.
        words = np.array([len(key), *(int(k) & _MASK for k in key)], np.uint64).view(np.uint32)
        self._round_keys = np.random.SeedSequence(words).generate_state(_N_ROUNDS, np.uint64)

    def __len__(self):
        return self.n

    def __call__(self, positions) -> np.ndarray:
        """Images of ``positions``, an integer or an array; int64 of the same shape.

        Raises:
            IndexError: if one is not in 0 .. n-1.
        """
        positions = np.asarray(positions, np.int64)
        if positions.size and not (positions.min() >= 0 and positions.max() < self.n):
            raise IndexError(f'positions must be in 0 .. {self.n - 1}')
        result = self._encipher(positions.ravel().astype(np.uint64))
        outside = np.flatnonzero(result >= self.n)
        while len(outside):
            result[outside] = self._encipher(result[outside])
            outside = outside[result[outside] >= self.n]
        return result.astype(np.int64).reshape(positions.shape)

    def _encipher(self, numbers):
        if not len(numbers):
            return numbers
        rows, columns = np.uint64(self._rows), np.uint64(self._columns)
        high, low = numbers // columns, numbers % columns
        for i, key in enumerate(self._round_keys):
            if i % 2 == 0:
                high = (high + _hashed(low ^ key) % rows) % rows
            else:
                low = (low + _hashed(high ^ key) % columns) % columns
        return high * columns + low


def _hashed(words):
    """Every bit of the result depends on every bit of the 64-bit word (finaliser of SplitMix64)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
