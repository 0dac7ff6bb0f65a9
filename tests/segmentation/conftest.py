"""The segmenter that comes with the package, loaded once for all tests of a process."""

import pytest


@pytest.fixture(scope='session')
def network():
    from posepile.detection.network import PeopleNetwork
    from posepile.detection.weights import studio_weights

    return PeopleNetwork(studio_weights('segment'), 'cpu')
