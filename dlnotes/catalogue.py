"""The recipes on disk, read without running them: their headers and their options."""

import ast
from dataclasses import dataclass
import difflib
import importlib.machinery
import importlib.util
from pathlib import Path
import re
import sys
from typing import Any

from dlnotes import paths
from dlnotes.errors import InputError

FIELDS = ("Data", "Uses", "Notes", "Paper", "Covers")
QUESTIONS = ("Question", "Use it", "Do not use it")
NEXT_FIELD = rf"\n(?:{'|'.join(FIELDS)}):"
OF_RUN = ("tensorboard", "seeds", "best", "processes", "coordinator", "rank")
OF_TASK = ("tuner", "trials", "objective", "folds", "repeats", "again", "workers", "listen")
RESERVED = {
    "run": ("output", "quiet", "as_json", "json", "resume", *OF_RUN),
    "task": ("output", "quiet", "as_json", "json", "resume", "limit_hours", *OF_TASK),
}
TYPES = {"int": int, "float": float, "str": str, "bool": bool, "Path": Path, "pathlib.Path": Path}


@dataclass(frozen=True)
class Option:
    """One option of a recipe: a parameter of its `run`."""

    name: str
    type: type
    default: Any
    help: str
    choices: tuple = ()
    optional: bool = False

    @property
    def flag(self):
        return "--" + self.name.replace("_", "-")


@dataclass(frozen=True)
class Recipe:
    """What the header and the `run` signature of a recipe say."""

    path: Path
    title: str
    summary: str
    questions: dict
    fields: dict
    options: tuple
    tree: ast.Module

    @property
    def name(self):
        return self.path.stem

    @property
    def family(self):
        return self.path.parent.name

    @property
    def covers(self):
        return [name.strip() for name in self.fields.get("Covers", "").split(",") if name.strip()]

    @property
    def more_words(self):
        """Words of the command line beside the recipe's own options."""
        return ()

    @property
    def results_path(self):
        return self.path.parent / "results" / f"{self.name}.json"

    @property
    def claims_path(self):
        return self.path.parent / "claims" / self.path.name

    @property
    def search_path(self):
        return self.path.parent / "search" / self.path.name

    def load_search(self):
        """Imports what is searched in the recipe and returns the module."""
        return _import(self.search_path, f"dlnotes_search_{self.family}_{self.name}")

    def search_options(self):
        """The options of the function `task` in the file of the search."""
        if not self.search_path.is_file():
            raise InputError(f"{self.name} has no search: there is no {self.search_path}.")
        tree = ast.parse(self.search_path.read_text(encoding="utf-8"))
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        task = next((function for function in functions if function.name == "task"), None)
        if task is None:
            raise InputError(f"{self.search_path}: there is no function `task`.")
        return tuple(_options(task, self.search_path))

    def load(self):
        """Imports the recipe and returns its module."""
        return _import(self.path, f"dlnotes_recipe_{self.family}_{self.name}")

    def load_claims(self):
        """Imports the claims of the recipe and returns their module."""
        return _import(self.claims_path, f"dlnotes_claims_{self.family}_{self.name}")


class _Source(importlib.machinery.SourceFileLoader):
    """Reads a file anew each time: no bytecode beside a recipe, and none that is out of date."""

    def get_code(self, fullname):
        return self.source_to_code(self.get_data(self.path), self.path)


def _import(path, name):
    loader = _Source(name, str(path))
    specification = importlib.util.spec_from_file_location(name, path, loader=loader)
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


def read_recipe(path):
    """Reads one recipe.

    Args:
        path: Path of a recipe file.

    Returns:
        A `Recipe`.

    Raises:
        InputError: If the file is no recipe, naming the file, the line and what is missing.
    """
    path = Path(path).resolve()
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except OSError as error:
        raise InputError(f"Cannot read the recipe {path} ({error.strerror}).") from error
    except (SyntaxError, UnicodeDecodeError) as error:
        line = getattr(error, "lineno", 1)
        raise InputError(f"{path}, line {line}: this is not valid Python ({error}).") from error

    header = ast.get_docstring(tree) or ""
    title = re.search(r"^# (.+)$", header, re.MULTILINE)
    if not title:
        raise InputError(
            f"{path}, line 1: the recipe has no header. Begin it with a markdown cell whose first "
            "line is `# Title`, as `dlnotes new family/topic` does."
        )
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    run = next((function for function in functions if function.name == "run"), None)
    if run is None:
        raise InputError(
            f"{path}: the recipe has no function `run`. Add one that returns a Report."
        )
    paragraphs = [" ".join(part.split()) for part in header.split("\n\n")]
    return Recipe(
        path=path,
        title=title[1].strip(),
        summary=next((part for part in paragraphs if not part.startswith("# ")), ""),
        questions={name: _question(name, header) for name in QUESTIONS},
        fields={name: _field(name, header) for name in FIELDS if _field(name, header)},
        options=tuple(_options(run, path)),
        tree=tree,
    )


def _question(name, header):
    found = re.search(
        rf"^\*\*{name}\.?\*\*(.*?)(?=\n\n|\n\*\*|{NEXT_FIELD}|\Z)", header, re.M | re.S
    )
    return " ".join(found[1].split()).lstrip(" .:") if found else ""


def _field(name, header):
    found = re.search(rf"^{name}:(.*?)(?=\n\n|{NEXT_FIELD}|\Z)", header, re.M | re.S)
    return " ".join(found[1].split()) if found else ""


def _options(function, path):
    helps = _argument_helps(ast.get_docstring(function) or "")
    arguments = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    defaults = [None] * (
        len(function.args.posonlyargs + function.args.args) - len(function.args.defaults)
    )
    defaults += function.args.defaults + function.args.kw_defaults
    for argument, default in zip(arguments, defaults, strict=True):
        where = f"{path}, line {argument.lineno}: the option `{argument.arg}` of `{function.name}`"
        if default is None:
            raise InputError(f"{where} has no default. Every option needs one.")
        if argument.arg in RESERVED[function.name]:
            verb = {"run": "run", "task": "tune"}[function.name]
            raise InputError(f"{where} has a name that `dlnotes {verb}` uses itself. Rename it.")
        kind, choices, optional = _type(argument.annotation, where)
        yield Option(
            name=argument.arg,
            type=kind,
            default=ast.literal_eval(default),
            help=helps.get(argument.arg, ""),
            choices=choices,
            optional=optional,
        )


def _type(annotation, where):
    text = ast.unparse(annotation) if annotation else "nothing"
    optional = text.endswith(" | None")
    text = text.removesuffix(" | None")
    if text in TYPES:
        return TYPES[text], (), optional
    literal = re.fullmatch(r"(?:typing\.)?Literal\[(.+)\]", text)
    if literal:
        choices = ast.literal_eval(f"({literal[1]},)")
        return type(choices[0]), choices, optional
    raise InputError(
        f"{where} is annotated with {text}. Use int, float, str, bool, Path, Literal[...], or one "
        "of these with `| None`."
    )


def _argument_helps(docstring):
    section = re.search(r"^Args:\n(.*?)(?=^\w|\Z)", docstring, re.M | re.S)
    if not section:
        return {}
    entries = re.findall(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", section[1], re.M | re.S)
    return {name: " ".join(text.split()) for name, text in entries}


def recipes(folder=None):
    """All recipes on disk, sorted by family and name.

    Args:
        folder: Folder that holds `<family>/<topic>.py`. Defaults to the recipes of this package.

    Returns:
        List of `Recipe`.

    Example:

    >>> from dlnotes import catalogue
    >>> "stateful_lstm" in [recipe.name for recipe in catalogue.recipes()]
    True
    """
    folder = Path(folder) if folder else paths.recipes_folder()
    return [read_recipe(path) for path in sorted(folder.glob("*/*.py"))]


def find(name):
    """Finds one recipe by its name, by family/name, or by the path of its file.

    Args:
        name: String such as `"stateful_lstm"`, `"recurrent/stateful_lstm"` or a path that ends in
            `.py`.

    Returns:
        A `Recipe`.

    Raises:
        InputError: If there is none, with the nearest names.
    """
    if str(name).endswith(".py"):
        return read_recipe(name)
    files = sorted(paths.recipes_folder().glob("*/*.py"))
    by_name = {path.stem: path for path in files}
    by_name |= {f"{path.parent.name}/{path.stem}": path for path in files}
    if name in by_name:
        return read_recipe(by_name[name])
    wanted = str(name).replace("-", "_").lower()
    nearest = difflib.get_close_matches(wanted, [path.stem for path in files], n=3, cutoff=0.4)
    containing = [path.stem for path in files if wanted and wanted in path.stem]
    names = list(dict.fromkeys(containing + nearest))
    mend = f"Did you mean {', '.join(names)}?" if names else "`dlnotes list` shows all of them."
    raise InputError(f"There is no recipe called {name!r}. {mend}")
