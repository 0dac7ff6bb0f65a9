from setuptools import find_packages, setup

# The same list stands in environment.yml; tests/test_packaging.py compares the two.
REQUIREMENTS = [
    'numpy>=1.25',
    'scipy',
    'opencv-python',
    'pycocotools',
    'simplepyutils',
    'barecat>=0.3',
    'deltacamera>=0.9',
    'boxlib>=0.4',
    'rlemasklib>=0.8',
    'msgpack',
    'crc32c',
    'simplejpeg',
    'pillow',
    'av',
    'ezc3d',
    'cdflib',
    'h5py',
    'pyarrow',
    'requests',
    'urllib3',
    'rich',
    'tqdm',
    'numba',
    'llvmlite',
    'matplotlib',
    'torch>=2.6',
    'torchvision',
    'ultralytics>=8.4',
    'tomli; python_version < "3.11"',
]

TEST_REQUIREMENTS = [
    'pytest',
    'pytest-xdist',
    'hypothesis',
    'msgpack-numpy',
    'pyyaml',
    'webdataset',
    'torchdata',
    'smplfitter',
    'bodycompress',
]

#: Stores that benchmarks/loader.py compares with.
BENCHMARK_REQUIREMENTS = ['lmdb', 'webdataset']

setup(
    name='posepile',
    version='0.1.0',
    description='Every 3D human pose dataset, turned into one: crops, cameras, joints, masks.',
    license='MIT',
    python_requires='>=3.10',
    packages=find_packages(include=['posepile', 'posepile.*']),
    package_data={
        'posepile': ['functions.sh'],
        'posepile.detection': ['studio_weights/*'],
        'posepile.ds': ['*/dataset.toml', '*/main.sh'],
    },
    install_requires=REQUIREMENTS,
    extras_require={'test': TEST_REQUIREMENTS, 'benchmark': BENCHMARK_REQUIREMENTS},
    entry_points={'console_scripts': ['posepile=posepile.cli:main']},
)
