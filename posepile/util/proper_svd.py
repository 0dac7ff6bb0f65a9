"""Singular value decompositions whose factors are rotations, for many small matrices at once.

Both functions decompose A into U diag(S) V^T with det U = det V = 1, so that the last value of S
bears the sign of det A. The matrices lie along the last axis: (D, D, B). NumPy and PyTorch.
"""

from posepile.util.arrays import namespace

# Cosine of two columns, squared, from where on they count as orthogonal.
_ORTHOGONAL = 1e-30
_MOST_SWEEPS = 20


def proper_svd(a):
    """Decompose matrices of any size by the library's own routine.

    Args:
        a: (D, D, B) float64, finite.

    Returns:
        U (D, D, B), S (D, B) and V (D, D, B). The absolute values of S descend.
    """
    xp = namespace(a)
    u, s, vt = xp.linalg.svd(xp.moveaxis(a, -1, 0))
    factors = [xp.moveaxis(u, 0, -1), xp.moveaxis(vt.swapaxes(-1, -2), 0, -1)]
    s = xp.moveaxis(s, 0, -1)
    for i, determinant in enumerate((xp.linalg.det(u), xp.linalg.det(vt))):
        sign = xp.copysign(xp.ones_like(determinant), determinant)
        factors[i] = xp.concatenate([factors[i][:, :-1], factors[i][:, -1:] * sign], axis=1)
        s = xp.concatenate([s[:-1], s[-1:] * sign], axis=0)
    return factors[0], s, factors[1]


def proper_svd_3x3(a):
    """Decompose 3 x 3 matrices by Jacobi rotations of their columns, all matrices in step.

    One-sided Jacobi (M. R. Hestenes, "Inversion of matrices by biorthogonalization and related
    results", J. SIAM 1958) turns pairs of columns until all are orthogonal: A V = U S. It is at
    least as accurate as what LAPACK does (J. Demmel and K. Veselic, "Jacobi's method is more
    accurate than QR", SIMAX 1992), converges quadratically and consists of elementwise operations.
    The third columns of U and V are cross products, which is what makes them rotations.

    Args:
        a: (3, 3, B) float64, finite.

    Returns:
        As :func:`proper_svd`. Where A is zero, U V^T is the identity.
    """
    xp = namespace(a)
    b, v = _orthogonal_columns(a)

    # The two columns of the greatest norm, that one first.
    norms = [_dot(x, x) ** 0.5 for x in b]
    order = xp.argsort(-xp.stack(norms, 0), 0)
    first, second, _ = order

    def chosen(columns, which):
        return xp.where(which == 0, columns[0], xp.where(which == 1, columns[1], columns[2]))

    s1, s2 = chosen(norms, first), chosen(norms, second)
    v1, v2 = chosen(v, first), chosen(v, second)
    v3 = _cross(v1, v2)
    u1 = xp.where(s1 > 0, chosen(b, first) / xp.where(s1 > 0, s1, 1.0), v1)
    u2 = chosen(b, second) / xp.where(s2 > 0, s2, 1.0)
    if not (s2 > 0).all():
        u2 = xp.where(s2 > 0, u2, _perpendicular(u1, v2, v3))
    u3 = _cross(u1, u2)
    s3 = _dot(u3, xp.einsum('abn,bn->an', a, v3))
    return xp.stack([u1, u2, u3], 1), xp.stack([s1, s2, s3], 0), xp.stack([v1, v2, v3], 1)


def _orthogonal_columns(a):
    """Columns of A V and of a rotation V, such that the former are orthogonal: 3 x (3, B) each."""
    xp = namespace(a)
    # Squares of the entries must neither overflow nor vanish.
    size = xp.amax(abs(a), (0, 1))
    size = xp.where(size > 0, size, 1.0)
    identity = xp.zeros_like(a)
    for i in range(3):
        identity[i, i] = 1
    both = xp.concatenate([a / size, identity], 0)  # what is done to A V is done to V
    columns = [both[:, i] for i in range(3)]
    for _ in range(_MOST_SWEEPS):
        n_turned = 0
        for i, j in (0, 1), (0, 2), (1, 2):
            x, y = columns[i], columns[j]
            xx, yy, xy = _dot(x[:3], x[:3]), _dot(y[:3], y[:3]), _dot(x[:3], y[:3])
            if (xy * xy <= _ORTHOGONAL * xx * yy).all():
                continue
            n_turned += 1
            # Tangent of the smaller of the two angles that make the columns orthogonal.
            difference = yy - xx
            root = xp.copysign(xp.sqrt(difference * difference + 4 * xy * xy), difference)
            denominator = difference + root
            tangent = 2 * xy / xp.where(denominator == 0, 1.0, denominator)
            cosine = 1 / xp.sqrt(1 + tangent * tangent)
            sine = cosine * tangent
            columns[i], columns[j] = cosine * x - sine * y, sine * x + cosine * y
        if not n_turned:
            break
    return [c[:3] * size for c in columns], [c[3:] for c in columns]


def _perpendicular(u, v, w):
    """Unit vectors perpendicular to u, as near as possible to v or to w, which are orthonormal."""
    xp = namespace(u)
    from_v, from_w = v - _dot(u, v) * u, w - _dot(u, w) * u
    longer = xp.where(_dot(from_v, from_v) >= _dot(from_w, from_w), from_v, from_w)
    return longer / _dot(longer, longer) ** 0.5


def _dot(x, y):
    return x[0] * y[0] + x[1] * y[1] + x[2] * y[2]


def _cross(x, y):
    return namespace(x).stack(
        [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]], 0
    )
