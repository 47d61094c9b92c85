"""`dlnotes migrate`: which Keras 2 lines of a file fail on Keras 3, and what to write instead.

Scripts and notebooks are parsed, never run, and nothing of Keras is imported. The table is
`dlnotes.idioms`. A line that ends in `# migrate: ignore` is left alone.
"""

import ast
from collections import Counter
from dataclasses import asdict
import json
import re
import textwrap
import tokenize
import warnings

from dlnotes import idioms, scanner
from dlnotes.errors import InputError

FOUND = 1
WIDTH = 80
INDENT = "    "
EFFECTS = {
    idioms.FAILS: ("Fails", "fails", "fail"),
    idioms.NOTHING: ("Does nothing", "does nothing", "do nothing"),
    idioms.OTHERWISE: ("Does something else", "does something else", "do something else"),
}
OF_THE_SHELL = re.compile(r"\s*(?:[\w, ]+=\s*)?[%!?]|\s*[\w.]+\?{1,2}\s*$")
IGNORED = re.compile(r"#\s*migrate:\s*ignore\s*$")
NOT_PYTHON = re.compile(
    r"\s*%%(?:bash|sh|script|html|javascript|js|latex|markdown|perl|ruby|svg|system|!|writefile)"
)


def command(paths, as_json):
    """Reads files and prints what is to be changed.

    Args:
        paths: List of `pathlib.Path`, scripts and notebooks.
        as_json: Boolean, whether to print a JSON list instead of text.

    Returns:
        Integer, the exit code: 1 if any idiom was found, else 0.
    """
    found = {path: read(path) for path in paths}
    if as_json:
        objects = [_as_object(path, each) for path in found for each in found[path]]
        print(json.dumps(objects, indent=2))
    else:
        print("\n\n".join(_story(path, found[path]) for path in found))
    return FOUND if any(found.values()) else 0


def read(path):
    """Finds the Keras 2 idioms of a script or notebook.

    Args:
        path: `pathlib.Path` of a Python file, or of a notebook that ends in `.ipynb`.

    Returns:
        List of dictionaries with `line`, `old`, `new`, `why`, `effect` (one of "fails", "does
        nothing" and "does something else"), `id`, the row of the table, and `is_example`, whether
        `new` is the example of the table or the reader's own line rewritten. In a notebook `cell`
        counts its cells from 1, and `line` the lines of that cell.

    Raises:
        InputError: If the file cannot be read or is not valid Python.
    """
    text = _text(path)
    if path.suffix != ".ipynb":
        return _scan(_without_magics(text, str(path)), path)
    sources, places = [], []
    for number, source in _code_cells(path, text):
        clean = _without_magics(source, f"{path}, cell {number}")
        sources.append(clean)
        places += [(number, line) for line in range(1, clean.count("\n") + 2)]
    objects = _scan("\n".join(sources), path)
    for each in objects:
        each["cell"], each["line"] = places[each["line"] - 1]
    return objects


def _scan(source, path):
    lines = source.split("\n")
    try:
        found = scanner.scan(ast.parse(source))
    except RecursionError as error:
        raise InputError(f"{path} nests its expressions too deeply to be read.") from error
    return [asdict(each) for each in found if not IGNORED.search(lines[each.line - 1])]


def _text(path):
    try:
        if path.suffix == ".ipynb":
            return path.read_text(encoding="utf-8")
        with tokenize.open(path) as file:
            return file.read()
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder; give the files in it, as in {path}/*.py.") from error
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}.") from error
    except OSError as error:
        raise InputError(f"Cannot read {path} ({error.strerror}).") from error
    except (UnicodeDecodeError, SyntaxError) as error:
        raise InputError(f"{path} is not a text in the encoding that it declares.") from error


def _code_cells(path, text):
    """The number and the source of each code cell of a notebook."""
    try:
        cells = json.loads(text)["cells"]
        return [
            (number, "".join(cell["source"]))
            for number, cell in enumerate(cells, start=1)
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not a notebook of format 4; open it in Jupyter and save it again."
        ) from error


def _without_magics(source, place):
    """Passes over the lines that are for IPython, not for Python; the others keep their numbers."""
    lines = source.split("\n")
    while error := _error("\n".join(lines)):
        if NOT_PYTHON.match(source):
            return "\n" * source.count("\n")
        at = (error.lineno or 1) - 1
        if at >= len(lines) or not OF_THE_SHELL.match(lines[at]):
            number = f", line {at + 1}" if ", cell" in place else f":{at + 1}"
            raise InputError(f"{place}{number} is not valid Python 3 ({error.msg}).")
        _pass_over(lines, at)
    return "\n".join(lines)


def _pass_over(lines, at):
    continues = lines[at].endswith("\\")
    lines[at] = lines[at][: len(lines[at]) - len(lines[at].lstrip())] + "pass"
    while continues and at + 1 < len(lines):
        at += 1
        continues = lines[at].endswith("\\")
        lines[at] = ""


def _error(source):
    """The `SyntaxError` of a source, or `None`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source)
    except SyntaxError as error:
        return error
    except ValueError as error:
        return SyntaxError(str(error))
    except (RecursionError, MemoryError):
        return SyntaxError("it nests its expressions too deeply")
    return None


def _story(path, found):
    """What people read: each place, the new code, the reason; then a count."""
    if not found:
        return f"{path}: nothing to change."
    parts = [_entry(path, each) for each in found]
    counts = Counter(each["effect"] for each in found)
    words = [f"{counts[e]} {EFFECTS[e][1 if counts[e] == 1 else 2]}" for e in EFFECTS if counts[e]]
    places = "1 place" if len(found) == 1 else f"{len(found)} places"
    return "\n".join([*parts, f"{path}: {places} to change ({', '.join(words)})."])


def _as_object(path, each):
    return {"file": str(path)} | {key: each[key] for key in each if key != "is_example"}


def _entry(path, each):
    cell = f"cell {each['cell']}:" if "cell" in each else ""
    place = f"{path}:{cell}{each['line']}:"
    reason = f"{EFFECTS[each['effect']][0]}: {each['why']}"
    wrapped = textwrap.fill(reason, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
    line = f"{place} {each['old']} -> {each['new']}"
    if "\n" not in line and len(line) <= WIDTH and not each["is_example"]:
        return f"{line}\n{wrapped}"
    old = each["old"].replace("\n", " ")
    room = WIDTH - len(INDENT)
    first = f"{place} {old}" if len(f"{place} {old}") <= WIDTH else f"{place}\n{INDENT}{old[:room]}"
    arrow = "-> for example:\n" + each["new"] if each["is_example"] else f"-> {each['new']}"
    new = textwrap.indent(arrow.replace("\n", "\n   "), INDENT, lambda line: bool(line.strip()))
    return f"{first}\n{new}\n{wrapped}"
