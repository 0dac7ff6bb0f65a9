"""The evaluations of 3DPW: which numbers are printed, and how they follow from the scores."""

import dataclasses

import numpy as np

from posepile.ds.tdpw.scores import NCPS_THRESHOLDS, PCK_THRESHOLDS
from posepile.metrics.curves import CURVE_THRESHOLDS
from posepile.metrics.moments import Moments
from posepile.metrics.table import Table

_JOINT_COLUMNS = (
    *('MPJPE', 'MPJPE_PA', 'PCK', 'AUC', 'NCPS', 'NCPS-AUC', 'APCK', 'AMPJPE', 'MinorPCK'),
)
_UNCERTAINTY_COLUMNS = ('SDJE', 'SDVE', 'MJU', 'MVU', 'SDJU', 'SDVU', 'PCCJ', 'PCCV')
_SHORT_COLUMNS = ('MPJPE', 'MPJPE_PA', 'MVE', 'MVE_PA', 'MPJAE', 'MPJAE_PA')
_THRESHOLDS_BY_JOINT = (50, 100, 150)


@dataclasses.dataclass(frozen=True)
class Protocol:
    """One of the evaluations.

    Attributes:
        title: what is evaluated.
        columns: the numbers of its table, in order.
        extension: of its files.
        decimals: of its table.
        has_vertices, has_angles, has_uncertainties: which scores there are.
        ddof: of the variances; 1: they are estimated from a sample.
        auc: name of the score that is called AUC.
        has_metrics_file: whether what is printed is also left beside the predictions.
    """

    title: str
    columns: tuple[str, ...]
    extension: str = '.pkl'
    decimals: int = 1
    has_vertices: bool = True
    has_angles: bool = False
    has_uncertainties: bool = False
    ddof: int = 0
    auc: str = 'AUC'
    has_metrics_file: bool = True


PROTOCOLS = {
    'smpl': Protocol(
        'parameters of SMPL',
        (*_JOINT_COLUMNS, 'MVE', 'MVE_PA', 'MPJAE', 'MPJAE_PA'),
        has_angles=True,
    ),
    'points': Protocol(
        'joints and vertices',
        (*_JOINT_COLUMNS, 'MVE', 'MVE_PA', *_UNCERTAINTY_COLUMNS),
        has_uncertainties=True,
        ddof=1,
    ),
    'stream': Protocol(
        'streams of joints and vertices',
        (
            *('MPJPE', 'MPJPE_PA', 'PCK', 'AUC', 'AMPJPE', 'MVE', 'MVE_PA'),
            *_UNCERTAINTY_COLUMNS,
        ),
        extension='.xz',
        has_uncertainties=True,
        has_metrics_file=False,
    ),
    'simple': Protocol('joints', _JOINT_COLUMNS, decimals=5, has_vertices=False),
    'official': Protocol(
        'joints and orientations, as in the challenge',
        ('MPJPE', 'MPJPE_PA', 'PCK', 'AUC', 'MPJAE', 'MPJAE_PA'),
        has_vertices=False,
        has_angles=True,
        auc='AUC trapezoid',
        has_metrics_file=False,
    ),
}


def new_moments() -> Moments:
    """An empty collection of all scores."""
    return Moments(pairs=[('MPJPE', 'MJU'), ('MVE', 'MVU')])


def scores_of(comparison, protocol) -> dict:
    """The scores (B, ...) that a protocol needs of a batch.

    Args:
        comparison: :class:`~posepile.ds.tdpw.scores.Comparison`.
    """
    scores = comparison.joint_scores()
    if protocol.has_vertices:
        scores |= comparison.vertex_scores()
    if protocol.has_angles:
        scores |= comparison.angle_scores()
    if protocol.has_uncertainties:
        scores |= comparison.uncertainty_scores()
    return scores


def row(protocol, moments) -> list[float]:
    """The numbers of the protocol's columns."""
    ddof = protocol.ddof
    special = {
        'PCK': lambda: moments.mean('PCK@50'),
        'AUC': lambda: moments.mean(protocol.auc),
        'NCPS': lambda: moments.mean('NCPS@125'),
        'SDJE': lambda: moments.standard_error('MPJPE', ddof=ddof),
        'SDVE': lambda: moments.standard_error('MVE', ddof=ddof),
        'SDJU': lambda: moments.standard_error('MJU', ddof=ddof),
        'SDVU': lambda: moments.standard_error('MVU', ddof=ddof),
        'PCCJ': lambda: 100 * moments.correlation('MPJPE', 'MJU'),
        'PCCV': lambda: 100 * moments.correlation('MVE', 'MVU'),
    }
    return [
        float(special[name]() if name in special else moments.mean(name))
        for name in protocol.columns
    ]


def tables(protocol, moments, joint_set) -> dict[str, Table]:
    """All tables of a protocol but those by sequence."""
    main = row(protocol, moments)
    result = {'metrics': Table(protocol.columns, {'All': main}, protocol.decimals)}
    if set(_SHORT_COLUMNS) <= set(protocol.columns):
        short = [main[protocol.columns.index(name)] for name in _SHORT_COLUMNS]
        result['short'] = Table(_SHORT_COLUMNS, {'All': short})
    names = [joint_set.names[i] for i in joint_set.major]
    by_joint = {f'PCK@{t}': moments.mean(f'PCK@{t}', axes=()) for t in _THRESHOLDS_BY_JOINT}
    result['PCK by joint'] = Table(names, by_joint)
    for name, thresholds in (('PCK', PCK_THRESHOLDS), ('NCPS', NCPS_THRESHOLDS)):
        values = [moments.mean(f'{name}@{t}') for t in thresholds]
        result[f'{name} by threshold'] = Table([f'@{t}' for t in thresholds], {name: values})
    return result


def curves(moments) -> dict:
    """PCK curves for the plot, over all joints."""
    return {
        name: (CURVE_THRESHOLDS, np.asarray(moments.mean(f'curve {name}', axes=())) / 100)
        for name in ('PCK', 'PA-PCK', 'A-PCK')
    }
