"""A checksum of the code that made a result."""

import ast
import functools
import hashlib

from dlnotes.datasets.embedded import checksums
from dlnotes.paths import PACKAGE

WITHOUT_INFLUENCE = {
    "_keras",
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


def fingerprint(path, roots=None):
    """The fingerprint of a recipe or a file of claims: its code and the library code it reaches.

    Comments, docstrings and formatting do not count, nor do functions that are not reached and
    modules that print, draw or list; the embedded data files that the code names do.

    Args:
        path: `pathlib.Path` of the file.
        roots: Names of functions of the file, if only these count with what they reach. Defaults
            to the whole file.

    Returns:
        String of 16 hexadecimal digits.

    Example:

    >>> from dlnotes import catalogue, fingerprint
    >>> len(fingerprint.fingerprint(catalogue.find("stateful_lstm").path))
    16
    """
    sources, reached = {path: _source(path)}, set()
    waiting = [(path, name) for name in roots or sources[path].statements]
    while waiting:
        file, name = waiting.pop()
        if (file, name) not in reached:
            reached.add((file, name))
            if file not in sources:
                sources[file] = _source(file)
            waiting += sources[file].reaches(name)
    digest = hashlib.sha256()
    for file in sorted(sources, key=lambda file: (file != path, str(file))):
        for name, statements in sources[file].statements.items():
            for statement in statements if (file, name) in reached else []:
                digest.update(ast.dump(statement).encode())
                digest.update(_data(statement).encode())
    return digest.hexdigest()[:16]


def _source(path):
    return _parsed(path, path.read_text(encoding="utf-8"))


@functools.cache
def _parsed(path, text):
    return _Source(path, text)


class _Source:
    """One file: the statements that define each of its names, and what each of them reaches."""

    def __init__(self, path, text):
        self.path = path
        tree = _without_texts(ast.parse(text))
        self.statements, self.imported, self.story = {}, {}, None
        for number, statement in enumerate(tree.body):
            if not isinstance(statement, ast.Import | ast.ImportFrom):
                for name in _defined(statement) or [f"statement {number}"]:
                    self.statements.setdefault(name, []).append(statement)
            if isinstance(statement, ast.Assign) and "claims.story" in ast.unparse(statement):
                self.story = statement.targets[0].id
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dlnotes":
                for alias in node.names:
                    dotted = [*node.module.split("."), alias.name]
                    self.imported[alias.asname or alias.name] = dotted

    def reaches(self, name):
        """The pairs of file and name that the statements of one name use."""
        pairs = []
        for node in (n for s in self.statements.get(name, []) for n in ast.walk(s)):
            if isinstance(node, ast.Name):
                pairs.append((self.path, node.id) if node.id in self.statements else None)
                pairs.append(_place(self.imported.get(node.id)))
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.value.id == self.story:
                    pairs.append((self.path.parent.parent / self.path.name, node.attr))
                elif node.value.id in self.imported:
                    pairs.append(_place([*self.imported[node.value.id], node.attr]))
        return [pair for pair in pairs if pair]


def _defined(statement):
    """The names that a statement of a module binds."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    targets = [n for n in ast.walk(statement) if isinstance(n, ast.Name)]
    return [node.id for node in targets if isinstance(node.ctx, ast.Store)]


def _place(dotted):
    """File and name of `dlnotes.module.name`, also where a package's init passes it on."""
    if not dotted or len(dotted) < 3 or dotted[1] in WITHOUT_INFLUENCE:
        return None
    module = PACKAGE / f"{dotted[1]}.py"
    if module.is_file():
        return module, dotted[2]
    package = PACKAGE / dotted[1] / "__init__.py"
    if not package.is_file():
        return None
    if (package.parent / f"{dotted[2]}.py").is_file() and len(dotted) > 3:
        return package.parent / f"{dotted[2]}.py", dotted[3]
    return _place(_source(package).imported.get(dotted[2]))


def _data(statement):
    """The checksums of the embedded data files that a statement names."""
    constants = {node.value for node in ast.walk(statement) if isinstance(node, ast.Constant)}
    return "".join(sum for name, sum in sorted(checksums().items()) if name in constants)


def _without_texts(tree):
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
