"""Whether files are the same, byte for byte."""

import hashlib
from pathlib import Path


def digests(folder):
    """{path relative to the folder: SHA-256} of all files below it."""
    files = (path for path in Path(folder).rglob('*') if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }
