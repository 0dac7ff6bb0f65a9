"""What the repository says of itself: requirements, README table, shell scripts."""

import ast
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(path):
    with open(os.path.join(REPOSITORY, path), encoding='utf-8') as f:
        return f.read()


@pytest.fixture(scope='module')
def setup_arguments():
    """What setup.py hands to setuptools."""
    import setuptools

    arguments = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, 'setup', lambda **kwargs: arguments.update(kwargs))
        patch.chdir(REPOSITORY)
        exec(compile(read('setup.py'), 'setup.py', 'exec'), {})
    return arguments


def test_environment_yml_has_the_requirements_of_setup_py(setup_arguments):
    dependencies = yaml.safe_load(read('environment.yml'))['dependencies']
    [from_pip] = [d['pip'] for d in dependencies if isinstance(d, dict)]
    assert from_pip == setup_arguments['install_requires']


def test_every_folder_of_code_is_packaged(setup_arguments):
    folders = {
        os.path.relpath(folder, REPOSITORY).replace(os.sep, '.')
        for folder, _, files in os.walk(os.path.join(REPOSITORY, 'posepile'))
        if any(f.endswith('.py') for f in files)
    }
    assert folders == set(setup_arguments['packages'])


def imported_modules(folder):
    """Top-level names of all modules that the Python files below ``folder`` import."""
    for directory, _, files in os.walk(os.path.join(REPOSITORY, folder)):
        for file in files:
            if file.endswith('.py'):
                for node in ast.walk(ast.parse(read(os.path.join(directory, file)))):
                    if isinstance(node, ast.Import):
                        yield from (alias.name.partition('.')[0] for alias in node.names)
                    elif isinstance(node, ast.ImportFrom) and not node.level:
                        yield node.module.partition('.')[0]


def test_every_import_is_a_requirement(setup_arguments):
    """A module that the package imports must come with it, or with Python."""
    distributions = {'cv2': 'opencv-python', 'PIL': 'pillow'}
    listed = {re.split('[<>=;]', r)[0].strip() for r in setup_arguments['install_requires']}
    ours_or_pythons = {'posepile', 'tomllib', *sys.stdlib_module_names}  # tomllib: since 3.11
    third_party = set(imported_modules('posepile')) - ours_or_pythons
    assert {distributions.get(m, m).replace('_', '-') for m in third_party} <= listed


def test_dataset_table_of_the_readme_is_up_to_date():
    script = os.path.join(REPOSITORY, 'scripts', 'update_readme.py')
    result = subprocess.run([sys.executable, script, '--check'], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(not shutil.which('shellcheck'), reason='shellcheck is not installed')
def test_shell_scripts_pass_shellcheck():
    listing = subprocess.run(
        ['git', 'ls-files', '*.sh', '.ci/run'], cwd=REPOSITORY, capture_output=True, text=True
    )
    scripts = listing.stdout.split()
    assert len(scripts) >= 6
    result = subprocess.run(
        ['shellcheck', '-x', '-e', 'SC1091', *scripts], cwd=REPOSITORY, capture_output=True,
        text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout
