"""Convert a pickled dataset of earlier times to HDF5; the layout is that of posepile.export.hdf5.

``python -m posepile.tools.dataset_pickle_to_hdf5 --input-pickle-file old.pkl --output-hdf5-file
new.h5``
"""

import argparse
import sys

from posepile.program import run_program


def convert(input_path, output_path, module_name=None):
    """Write the annotations of a pickled 3D or 2D dataset as HDF5.

    Args:
        module_name: see :func:`posepile.storage.legacy_pickle.load_dataset_pickle`.

    Raises:
        RawDataError: if the pickle cannot be read, or an image whose size is needed is missing.
    """
    from posepile.export import export
    from posepile.storage.legacy_pickle import load_dataset_pickle

    export(load_dataset_pickle(input_path, module_name), 'hdf5', output_path)


def main(argv=None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog='python -m posepile.tools.dataset_pickle_to_hdf5',
        description='Convert a pickled dataset to HDF5.',
    )
    parser.add_argument('--input-pickle-file', required=True, help='the pickled dataset')
    parser.add_argument('--output-hdf5-file', required=True, help='file to write')
    parser.add_argument(
        '--legacy-module-name', help='package of the pickled classes, if not posepile or data'
    )
    args = parser.parse_args(argv)
    return run_program(
        convert, args.input_pickle_file, args.output_hdf5_file, args.legacy_module_name
    )


if __name__ == '__main__':
    sys.exit(main())
