"""People in images and videos, found by Ultralytics' YOLO networks.

``detect_people`` finds them, ``open_detections`` reads what was found, by this program or others.
"""

__all__ = ['detect_people', 'open_detections']


def __getattr__(name):  # importing the package must not import torch
    if name == 'detect_people':
        from posepile.detection.stage import detect_people

        return detect_people
    if name == 'open_detections':
        from posepile.detection.stored import open_detections

        return open_detections
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
