"""PCK curves: fractions of joints by the distance that is allowed."""

import numpy as np

from posepile.atomic import replacing
from posepile.errors import OptionError
from posepile.metrics.alignment import root_relative, similarity_aligned
from posepile.metrics.errors import joint_errors
from posepile.metrics.rates import pck_curve

#: Thresholds in mm of the curves in reports.
CURVE_THRESHOLDS = np.arange(0, 301, 2)


def pck_curves(pred, true, i_root, mask=None, thresholds=CURVE_THRESHOLDS) -> dict:
    """Curves of the three usual alignments, over all joints of (..., J, 3) poses in mm.

    Args:
        i_root: number of the root joint, or several whose middle is the root.
        mask: (..., J) bool, the joints that count.

    Returns:
        dict of names to (thresholds, fractions), as :class:`~posepile.metrics.report.Report` has
        them.
    """
    pairs = {
        'PCK': (root_relative(pred, i_root), root_relative(true, i_root)),
        'PA-PCK': (similarity_aligned(pred, true, mask), true),
        'A-PCK': (pred, true),
    }
    distances = {name: joint_errors(*pair, mask) for name, pair in pairs.items()}
    return curves_of_distances(distances, thresholds)


def curves_of_distances(distances, thresholds=CURVE_THRESHOLDS) -> dict:
    """Curves of given joint errors.

    Args:
        distances: dict of names to distances in mm of any shape; NaN do not count.
    """
    return {name: (thresholds, pck_curve(d, thresholds)) for name, d in distances.items()}


def joined_curves(parts) -> dict:
    """Curves over several sets of joints together.

    Args:
        parts: pairs of the curves of a set and the number of its joints. Thresholds and names are
            the same in all.
    """
    parts = [(curves, n) for curves, n in parts if n]
    total = sum(n for _, n in parts)
    first = parts[0][0] if parts else {}
    return {
        name: (thresholds, sum(n * curves[name][1] for curves, n in parts) / total)
        for name, (thresholds, _) in first.items()
    }


def draw_curves(curves, path, title=''):
    """Draw curves to a PNG or JPEG file.

    Args:
        curves: dict of names to (thresholds in mm, fractions).

    Raises:
        OptionError: if there are none.
    """
    if not curves:
        raise OptionError(f'{path}: this evaluation has no curves to plot. Leave out --plot.')
    # Without pyplot, which would look for a display and keep figures alive.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.2), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, (thresholds, fractions) in curves.items():
        axes.plot(thresholds, 100 * np.asarray(fractions), label=name)
    furthest = max(np.max(thresholds) for thresholds, _ in curves.values())
    axes.set(xlim=(0, furthest), ylim=(0, 100), title=title)
    axes.set(xlabel='threshold (mm)', ylabel='joints within the threshold (%)')
    axes.grid(alpha=0.3)
    axes.legend(loc='lower right')
    with replacing(path) as partial:
        figure.savefig(partial, dpi=150)
