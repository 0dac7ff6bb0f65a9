"""Types of command line arguments; what does not fit is told in one line before any work."""

import argparse
import os
import os.path as osp


def whole_number(least=0, most=2**31 - 1):
    """Type of a whole number in a range (both ends included)."""

    def parse(text):
        is_number = text.removeprefix('-').isdecimal() and text.isascii()
        if not is_number or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f'{text!r} is no whole number from {least} to {most}')
        return int(text)

    return parse


def picture_path(text) -> str:
    """Path of a picture that can be written: PNG or JPEG, in a folder that exists."""
    if osp.splitext(text)[1].lower() not in ('.png', '.jpg', '.jpeg'):
        raise argparse.ArgumentTypeError(f'{text!r}: the name must end with .png or .jpg')
    if osp.isdir(text):
        raise argparse.ArgumentTypeError(f'{text!r} is a folder; name a file in it')
    folder = osp.dirname(text) or '.'
    if not osp.isdir(folder):
        raise argparse.ArgumentTypeError(f'{text!r}: there is no folder {folder}; create it')
    if not os.access(folder, os.W_OK | os.X_OK):
        raise argparse.ArgumentTypeError(f'{text!r}: the folder {folder} is not writable')
    return text
