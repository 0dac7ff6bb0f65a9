"""Parametric body models: from pose and shape parameters to joints and surface.

``load('smpl', 'male')`` gives a :class:`~posepile.bodymodels.model.BodyModel`, read from the file
of the model's official release. Where to put that file: ``docs/body-models.md``. ``evaluate()``
does it all for the ``parameters`` of an example.
"""

from posepile.bodymodels.files import load
from posepile.bodymodels.model import Body, BodyModel
from posepile.bodymodels.parameters import evaluate
from posepile.bodymodels.regressors import load_regressor

__all__ = ['Body', 'BodyModel', 'evaluate', 'load', 'load_regressor']
