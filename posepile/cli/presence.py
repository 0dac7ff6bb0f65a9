"""What of a dataset is there under DATA_ROOT."""

import os
import os.path as osp

from posepile.cluster.overview import step_summary
from posepile.cluster.state import DONE, steps_of
from posepile.paths import data_root, packed_paths
from posepile.simulate.origin import is_simulated


def presence(info) -> dict | None:
    """Whether raw release and product exist, and where the steps are; None without DATA_ROOT."""
    if not os.environ.get('DATA_ROOT') or not osp.isdir(data_root()):
        return None
    raw = osp.join(data_root(), info.raw)
    annotations, images = packed_paths(info.name)
    return {
        'raw_path': raw,
        'raw': osp.isdir(raw) and any(os.scandir(raw)),
        'simulated': is_simulated(raw),
        'packed_path': osp.dirname(annotations),
        'packed': osp.exists(images) and (osp.exists(annotations) or not info.has_poses),
        'steps': {s.name: step_summary(s)['state'] for s in steps_of(info.name)},
    }


def presence_text(state) -> str:
    """In a few words; ``-`` if nothing is there."""
    if state is None:
        return '(no such DATA_ROOT)' if os.environ.get('DATA_ROOT') else '(DATA_ROOT not set)'
    words = ['raw (simulated)' if state['simulated'] else 'raw'] if state['raw'] else []
    words += ['packed'] if state['packed'] else []
    words += [f'{name} {step}' for name, step in state['steps'].items() if step != DONE]
    return ', '.join(words) or '-'
