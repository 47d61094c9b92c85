"""A checksum of the code that made a result."""

import ast
import hashlib

from dlnotes.datasets.embedded import checksums
from dlnotes.paths import PACKAGE

WITHOUT_INFLUENCE = {
    "catalogue",
    "cli",
    "errors",
    "figures",
    "fingerprint",
    "paths",
    "progress",
    "report",
    "results",
    "session",
    "watch",
}


def fingerprint(path):
    """The fingerprint of a recipe: its code and the library code that it reaches.

    Comments, docstrings and formatting do not count; the embedded data files that the code names
    do. Neither do modules that print, draw or list.

    Args:
        path: `pathlib.Path` of the recipe.

    Returns:
        String of 16 hexadecimal digits.

    Example:

    >>> from dlnotes import catalogue, fingerprint
    >>> len(fingerprint.fingerprint(catalogue.find("stateful_lstm").path))
    16
    """
    files, waiting = set(), [path]
    while waiting:
        file = waiting.pop()
        if file not in files:
            files.add(file)
            waiting += _reached(ast.parse(file.read_text(encoding="utf-8")))
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: (file != path, str(file))):
        tree = _without_docstrings(ast.parse(file.read_text(encoding="utf-8")))
        digest.update(ast.dump(tree).encode())
        constants = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        for name, checksum in sorted(checksums().items()):
            if name in constants:
                digest.update(checksum.encode())
    return digest.hexdigest()[:16]


def _reached(tree):
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dlnotes":
            for alias in node.names:
                names[alias.asname or alias.name] = [*node.module.split("."), alias.name]
    dotted = list(names.values())
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            dotted.append([*names.get(node.value.id, [None]), node.attr])
    files = (_file(parts[1:]) for parts in dotted if parts[0] == "dlnotes")
    return [file for file in files if file and file.stem not in WITHOUT_INFLUENCE]


def _file(parts):
    """The file that defines `dlnotes.<parts>`: a module, or what a package's init takes it from."""
    if not parts:
        return None
    module = PACKAGE / f"{parts[0]}.py"
    if module.is_file():
        return module
    package = PACKAGE / parts[0] / "__init__.py"
    if not package.is_file() or len(parts) < 2:
        return None
    if (package.parent / f"{parts[1]}.py").is_file():
        return package.parent / f"{parts[1]}.py"
    for node in ast.parse(package.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and parts[1] in [alias.name for alias in node.names]:
            return _file(node.module.split(".")[1:])
    return None


def _without_docstrings(tree):
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [statement for statement in body if not _is_text(statement)]
    return tree


def _is_text(statement):
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
