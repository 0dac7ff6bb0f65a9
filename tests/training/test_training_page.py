"""What docs/training.md says exists."""

import ast
import inspect
import os
import re

from posepile import training

PAGE = os.path.join(os.path.dirname(__file__), '..', '..', 'docs', 'training.md')


def read_page():
    with open(PAGE, encoding='utf-8') as f:
        return f.read()


def test_the_code_of_the_page_can_be_imported_and_called():
    code = '\n'.join(re.findall(r'^```python\n(.*?)^```', read_page(), re.M | re.S))
    tree = ast.parse(code)
    names = {}
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom):
            exec(compile(ast.Module([statement], []), PAGE, 'exec'), names)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    checked = 0
    for call in calls:
        called = ast.unparse(call.func)
        if called.partition('.')[0] in names:
            checked += 1
            options = {keyword.arg: None for keyword in call.keywords}
            inspect.signature(eval(called, names)).bind(*call.args, **options)
    assert checked >= 12


def test_the_page_knows_every_entry_of_a_batch_and_every_name():
    page = read_page()
    rows = set(re.findall(r'`(\w+)`', '\n'.join(re.findall(r'^\| `.*?\|', page, re.M))))
    assert rows >= {'image', 'coords3d', 'is_valid3d', 'coords2d', 'is_valid2d', 'box', 'key'}
    assert rows >= {'intrinsics', 'extrinsics', 'is_calibrated', 'mask', 'has_mask'}
    for name in training.__all__:
        assert name in page or name == 'Permutation'
