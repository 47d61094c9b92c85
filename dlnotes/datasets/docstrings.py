"""English that comes with every Python: the documentation strings of the standard library."""

import ast
import functools
from pathlib import Path
import sys
import sysconfig

from dlnotes.datasets.dataset import Dataset, Split
from dlnotes.errors import InputError, check_at_least
import numpy as np

# what some installations leave out
OFTEN_APART = {"distutils", "ensurepip", "idlelib", "lib2to3", "tkinter", "turtle", "turtledemo"}
NO_DOCUMENTATION = {"antigravity", "pydoc_data", "test", "this", "venv"}
PARTS = (0.8, 0.1)


def docstrings(seed=0):
    """Collects the documentation strings of the modules of the running Python.

    A megabyte of plain technical English, with lists, quotes, brackets and examples in it. Sources
    are read and parsed, nothing is imported or run. Left out are private modules, those that some
    installations lack, strings with characters beyond ASCII, and every string that has come before.

    Each module, with all of its submodules, is in one part: about 80 % of the characters are for
    training, 10 % each for validation and test, and no two parts share a string. The same for every
    installation of one version of Python, up to what its distributor has changed; other versions
    have other strings.

    Args:
        seed: Integer, seed of the division. Defaults to `0`.

    Returns:
        A `Dataset`; `x` is a list of strings, by module and place, and `y` a list of the names of
        their modules.

    Raises:
        InputError: If the sources of the standard library are not there.

    Example:

    >>> from dlnotes import datasets
    >>> texts, modules = datasets.docstrings().train
    >>> len(texts) == len(modules) and all(text.isascii() for text in texts)
    True
    """
    check_at_least(0, seed=seed)
    strings = _collected()
    modules = np.random.default_rng(seed).permutation(list(strings))
    sizes = [sum(map(len, strings[module])) for module in modules]
    ends = np.searchsorted(np.cumsum(sizes) / sum(sizes), np.cumsum(PARTS), side="right")
    parts = []
    for names in np.split(modules, ends):
        rows = [(text, str(name)) for name in sorted(names) for text in strings[name]]
        parts.append(Split(*(list(column) for column in zip(*rows, strict=True))))
    return Dataset(*parts)


@functools.cache
def _collected():
    """The documentation strings by module, in alphabetical order, each string once."""
    root = Path(sysconfig.get_path("stdlib"))
    left_out = OFTEN_APART | NO_DOCUMENTATION
    strings, seen = {}, set()
    for name in sorted(sys.stdlib_module_names - left_out):
        if not name.startswith("_"):
            found = dict.fromkeys(text for path in _sources(root, name) for text in _strings(path))
            strings[name] = [text for text in found if text not in seen]
            seen.update(found)
    strings = {name: texts for name, texts in strings.items() if texts}
    if len(strings) < 10:
        raise InputError(
            f"The sources of the standard library are not in {root}: expected the .py files that "
            "belong to this Python. Install one that has them."
        )
    return strings


def _sources(root, name):
    """The files of a module, or of a package and all that is in it but its tests."""
    if (root / f"{name}.py").is_file():
        return [root / f"{name}.py"]
    paths = sorted((root / name).rglob("*.py"))
    return [path for path in paths if not {"test", "tests"} & set(path.relative_to(root).parts)]


def _strings(path):
    """The documentation strings of a file, in the order in which they stand."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    nodes = [
        node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, documented)
    ]
    for node in sorted(nodes, key=lambda node: getattr(node, "lineno", 0)):
        text = ast.get_docstring(node)
        if text and text.isascii():
            yield text
