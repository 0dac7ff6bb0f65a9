"""What all tests have in common: no influence of the user's environment, no chance."""

import os

import hypothesis

# A test sets what it needs. Without DATA_ROOT none can touch the user's data by oversight.
_KEPT = {'POSEPILE_SAMPLES'}
for _name in set(os.environ) - _KEPT:
    if _name in ('DATA_ROOT', 'CACHE_DIR') or _name.startswith(('POSEPILE_', 'SLURM_')):
        del os.environ[_name]

# The same examples in every run. To look for others: pytest --hypothesis-profile=default
hypothesis.settings.register_profile('repeatable', derandomize=True, deadline=None)
hypothesis.settings.load_profile('repeatable')
