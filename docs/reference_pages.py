"""The reference of `dlnotes`, one page for each builder, layer, callback, dataset and module."""

import ast
from dataclasses import dataclass
import inspect
from pathlib import Path
import re

PACKAGES = ("builders", "layers", "callbacks", "datasets", "tuning", "distributed")
NOT_FOR_IMPORT = ("cli",)
FIELDS = ("Reference", "Input shape", "Output shape")


@dataclass(frozen=True)
class Page:
    """One page of the reference: where it lies, what it says first, the names that it documents."""

    module: str
    place: str
    title: str
    lead: str
    names: tuple

    @property
    def text(self):
        parts = [f"# {self.title}", self.lead]
        parts.append(
            f"```python\nfrom {self.module} import {', '.join(n for n, _ in self.names)}\n```"
        )
        for name, kind in self.names:
            directive = f".. auto{kind}:: {self.module}.{name}"
            options = "\n   :members:\n   :member-order: bysource" if kind == "class" else ""
            parts.append(f"```{{eval-rst}}\n{directive}{options}\n```")
        return "\n\n".join(parts) + "\n"


@dataclass(frozen=True)
class Group:
    """Pages of the reference that belong together."""

    place: str
    title: str
    lead: str
    pages: list

    def rows(self, folder=""):
        """One line for each page."""
        return "\n".join(f"- [`{p.title}`]({folder}{p.place}.md): {p.lead}" for p in self.pages)

    @property
    def text(self):
        entries = toctree(f"{page.title} <{page.place}>" for page in self.pages)
        return "\n\n".join([f"# {self.title}", self.lead, self.rows(), entries]) + "\n"


def pages(package):
    """Every page of the reference, from the files of a package, without importing it.

    Args:
        package: `pathlib.Path` of the folder of `dlnotes`.

    Returns:
        Dictionary from group to a list of `Page`. The groups are the names of `PACKAGES` and
        `"modules"`.
    """
    groups = {name: list(_of_package(package / name)) for name in PACKAGES}
    files = [path for path in sorted(package.glob("*.py")) if not path.stem.startswith("_")]
    groups["modules"] = [
        Page(f"dlnotes.{path.stem}", path.stem, f"dlnotes.{path.stem}", _lead(path), names)
        for path in files
        if path.stem not in NOT_FOR_IMPORT and (names := tuple(_public(path)))
    ]
    return groups


def _of_package(folder):
    """One page for each file whose names the package exports, in the order of the files."""
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    for statement in sorted(statements, key=lambda node: node.module):
        path = folder / f"{statement.module.rpartition('.')[2]}.py"
        exported = {alias.name for alias in statement.names}
        names = tuple(pair for pair in _public(path) if pair[0] in exported)
        stem = path.stem.replace("_", "")
        same = [name for name, _ in names if name.replace("_", "").lower() == stem]
        main = (same or [names[0][0]])[0]
        names = tuple(sorted(names, key=lambda pair, first=main: pair[0] != first))
        yield Page(f"dlnotes.{folder.name}", f"{folder.name}/{path.stem}", main, _lead(path), names)


def _public(path):
    """The functions and classes that a file defines, as pairs of name and kind."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, "function"
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, "class"


def _lead(path):
    """The first paragraph of a file's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split())


def texts(package, prose):
    """The reference as texts by place.

    Args:
        package: `pathlib.Path` of the folder of `dlnotes`.
        prose: Text that names the modules for your own code: the README and what recipes use.

    Returns:
        Dictionary from path, relative to the documentation, to text.
    """
    groups = pages(package)
    named = set(re.findall(r"\bdlnotes\.(\w+)", prose))
    modules = groups.pop("modules")
    sections = [
        Group(name, f"dlnotes.{name}", _lead(package / name / "__init__.py"), groups[name])
        for name in PACKAGES
    ]
    sections += [
        Group(
            "modules",
            "More modules",
            "State, masks, outputs, tables, vectors and more for your own code.",
            [page for page in modules if page.place in named],
        ),
        Group(
            "commands",
            "Behind the commands",
            "What `dlnotes run`, `dlnotes record` and the others are made of.",
            [page for page in modules if page.place not in named],
        ),
    ]
    found = {Path("reference", f"{p.place}.md"): p.text for group in sections for p in group.pages}
    found |= {Path("reference", f"{group.place}.md"): group.text for group in sections}
    overview = [
        f"## [{g.title}](reference/{g.place}.md)\n\n{g.lead}\n\n{g.rows('reference/')}"
        for g in sections
    ]
    tree = toctree(f"reference/{group.place}" for group in sections)
    found[Path("_generated/reference.md")] = "\n\n".join([*overview, tree])
    return found


def toctree(entries):
    """A table of contents that shows in the navigation alone."""
    return "\n".join(["```{toctree}", ":hidden:", "", *entries, "```"])


def mend_docstring(app, what, name, obj, options, lines):
    """Turns what napoleon does not know into reStructuredText: a Sphinx event handler."""
    text = re.sub(r"\[([^\]\n]+)\]\((https?://[^)\s]+)\)", r"`\1 <\2>`__", "\n".join(lines))
    paragraphs = re.split(r"\n{2,}", text)
    for number, paragraph in enumerate(paragraphs):
        head, _, rest = paragraph.partition(":")
        if head not in FIELDS:
            continue
        if not rest.strip() and number + 1 < len(paragraphs):
            rest, paragraphs[number + 1] = paragraphs[number + 1], ""
        paragraphs[number] = f":{head}:\n" + "\n".join(
            "    " + line for line in inspect.cleandoc(rest).splitlines()
        )
    text = "\n\n".join(part for part in paragraphs if part)
    lines[:] = re.sub(r"^Example:$", ".. rubric:: Example", text, flags=re.M).splitlines()


def mend_signature(app, what, name, obj, options, signature, returned):
    """Shows the arguments that a person gives, without annotations: a Sphinx event handler."""
    from sphinx.util.inspect import stringify_signature

    if what == "class":
        owners = [owner for owner in obj.__mro__ if "__init__" in vars(owner)]
        if not owners[0].__module__.startswith("dlnotes"):
            return ("", None) if signature else None
        parameters = list(inspect.signature(owners[0].__init__).parameters.values())[1:]
        own = inspect.Signature(parameters)
    elif what == "function":
        own = inspect.signature(obj)
    else:
        return None
    return stringify_signature(own, show_annotation=False, show_return_annotation=False), None


def skip_member(app, what, name, obj, skip, options):
    """Leaves out the methods that scikit-learn adds to every estimator: a Sphinx event handler."""
    return True if re.fullmatch(r"set_\w+_request|get_metadata_routing", name) else None
