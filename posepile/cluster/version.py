"""Which code did the work."""

import os.path as osp
import subprocess

import posepile


def code_version() -> str:
    """The version of this package, with the commit where it runs from a git checkout."""
    package_dir = osp.dirname(osp.abspath(posepile.__file__))
    checkout = osp.dirname(package_dir)
    if not osp.exists(osp.join(checkout, '.git')):
        return posepile.__version__
    try:
        git = subprocess.run(
            ['git', '-C', checkout, 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True
        )
    except FileNotFoundError:  # no git on this machine
        return posepile.__version__
    commit = git.stdout.strip()
    return f'{posepile.__version__}+{commit}' if commit else posepile.__version__
