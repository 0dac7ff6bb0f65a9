"""What the results of a step rest upon: its command, the code, and what it reads.

A step whose basis has changed since tasks of it were done is *stale*: the rest of its tasks, or a
later step, would be of another kind.
"""

import ast
import functools
import hashlib
import json
import os
import os.path as osp
import shlex
import sys

import posepile
from posepile import paths
from posepile.cluster.state import StepState
from posepile.registry import read_dataset
from posepile.simulate.origin import simulation_arguments

_PACKAGE_DIR = osp.dirname(osp.abspath(posepile.__file__))

#: Code that starts and watches the work, and does none of it.
_RUNNER_MODULES = ('posepile.cluster.', 'posepile.cli.', 'posepile.program.', 'posepile.arguments.')

#: Variables that choose the networks, for steps whose code reads them.
_NETWORK_VARIABLES = ('POSEPILE_DETECTOR', 'POSEPILE_SEGMENTER')
_NETWORK_MODULE = 'posepile.detection.weights'


def basis(request, script=None, earlier=()) -> dict[str, str]:
    """What the results of a step rest upon, by names that a person understands.

    Args:
        request: the :class:`~posepile.cluster.request.StepRequest`.
        script: the ``main.sh``, whose folder is the dataset's; None if there is none.
        earlier: names of the steps before this one.

    Returns:
        A dict of texts. A key that only one of two such dicts has does not make them different.
    """
    result = {'command': shlex.join(request.command)}
    roots = _modules_of(request.command)
    if script is not None:
        folder = osp.dirname(osp.abspath(script))
        roots.add(f'posepile.ds.{osp.basename(folder)}.main')
        result |= _facts_of_dataset(folder, request.dataset)
    modules = import_closure(roots)
    # The text of a syntax tree differs between versions of Python.
    python = '.'.join(map(str, sys.version_info[:2]))
    result[f'code (Python {python})'] = _digest(*map(_code_digest, modules.values()))
    for word in request.command:
        if word.endswith(('.py', '.sh')) and osp.isfile(word):
            result[f'file {word}'] = _digest(_code_digest(word))
    if _NETWORK_MODULE in modules:
        result |= {name: os.environ.get(name, '') for name in _NETWORK_VARIABLES}
    for name in earlier:
        epoch = StepState(request.dataset, name).read().get('epoch')
        if epoch:
            result[f'step {name}'] = epoch
    return result


def differences(old, new) -> list[str]:
    """The names of what differs between two results of :func:`basis`."""
    return [key for key in old if key in new and old[key] != new[key]]


def import_closure(roots) -> dict[str, str]:
    """The modules of this package that ``roots`` import, at any depth, and they themselves.

    Imports inside functions count; imports of modules by computed names cannot be seen.

    Returns:
        {module name: path of its file}, sorted by name.
    """
    found = {}
    todo = list(roots)
    while todo:
        module = todo.pop()
        if module in found or f'{module}.'.startswith(_RUNNER_MODULES):
            continue
        path = _path_of(module)
        if path is None:
            continue
        found[module] = path
        parent = module.rpartition('.')[0]
        todo += [name for name in (parent, *_imports_of(path, module)) if name]
    return dict(sorted(found.items()))


def _modules_of(command):
    """The module that ``python -m`` would run, and its package's ``__main__``."""
    if '-m' not in command[:-1]:
        return set()
    module = command[command.index('-m') + 1]
    return {module, f'{module}.__main__'} if module.split('.')[0] == 'posepile' else set()


def _facts_of_dataset(folder, product):
    facts = {}
    for info in read_dataset(folder):
        if info.name == product:
            settings = [info.kind, info.raw, info.groups, info.splits, info.options, info.files]
            facts['dataset.toml'] = _digest(repr(settings).encode())
            # A miniature that has given place to the real release, or the other way round.
            arguments = simulation_arguments(osp.join(paths.data_root(), info.raw))
            facts['raw release'] = (
                'real' if arguments is None else f'simulated {json.dumps(arguments)}'
            )
    return facts


def _path_of(module):
    words = module.split('.')
    if words[0] != 'posepile':
        return None
    stem = osp.join(_PACKAGE_DIR, *words[1:])
    for path in (f'{stem}.py', osp.join(stem, '__init__.py')):
        if osp.isfile(path):
            return path
    return None


@functools.cache
def _tree(path):
    with open(path, 'rb') as f:
        source = f.read()
    return ast.parse(source, path)


def _imports_of(path, module):
    """Names that may be modules of this package."""
    package = module if osp.basename(path) == '__init__.py' else module.rpartition('.')[0]
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                up = package.split('.')[: len(package.split('.')) - node.level + 1]
                base = '.'.join([*up, *([base] if base else [])])
            yield base
            yield from (f'{base}.{alias.name}' for alias in node.names)


@functools.cache
def _code_digest(path):
    """Bytes that stay the same while only comments, layout and docstrings change."""
    if not path.endswith('.py'):
        with open(path, 'rb') as f:
            return hashlib.sha256(f.read()).digest()
    tree = _tree(path)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree, annotate_fields=False).encode()).digest()


def _digest(*parts):
    return hashlib.sha256(b''.join(parts)).hexdigest()[:16]
