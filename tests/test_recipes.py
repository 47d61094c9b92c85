"""Every recipe on disk: its header, its length, its run, its notebook."""

import ast
import importlib
import math
import re

from dlnotes import catalogue
from dlnotes.errors import InputError
from dlnotes.report import Report
import jupytext
import keras
import nbformat
import pytest

from tracing import drop_kernels
from twins import Twins

RECIPES = catalogue.recipes()
LONGEST, LONGEST_CLAIMS, LONGEST_ENTRY = 120, 150, 16
TINY = {"epochs": 1, "samples": 200, "seed": 0}

each_recipe = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)


def code_lines(path):
    """Lines of code: no blanks, no comments, no texts that stand alone."""
    lines = path.read_text().splitlines()
    texts = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            texts |= set(range(node.lineno, node.end_lineno + 1))
    return [
        line
        for number, line in enumerate(lines, 1)
        if number not in texts and line.strip() and not line.strip().startswith("#")
    ]


def test_names_are_unique():
    names = [recipe.name for recipe in RECIPES]
    assert len(set(names)) == len(names)


@each_recipe
def test_header_is_whole(recipe):
    assert recipe.summary and len(recipe.summary) < 400
    assert all(recipe.questions.values()), recipe.questions
    assert set(recipe.fields) == set(catalogue.FIELDS)
    assert re.fullmatch(r"\d{3}:\d+(-\d+)?([,;] ?(\d{3}:)?\d+(-\d+)?)*", recipe.fields["Notes"])
    assert recipe.covers
    assert len(code_lines(recipe.path)) <= LONGEST


@each_recipe
def test_claims_stay_short(recipe):
    if recipe.claims_path.is_file():
        entries = recipe.claims_path.read_text().count('where="')
        longest = max(LONGEST_CLAIMS, LONGEST_ENTRY * entries)
        assert len(code_lines(recipe.claims_path)) <= longest


@each_recipe
def test_what_it_uses_exists(recipe):
    for name in re.findall(r"dlnotes(?:\.\w+)+", recipe.fields["Uses"]):
        module, _, attribute = name.rpartition(".")
        try:
            assert hasattr(importlib.import_module(module), attribute), name
        except ModuleNotFoundError:
            pytest.fail(f"{recipe.path} says that it uses {name}, which does not exist")
        assert attribute in recipe.path.read_text().split('"""', 2)[2], f"{name} is not used"


@each_recipe
def test_options_are_explained(recipe):
    options = {option.name: option for option in recipe.options}
    assert {"epochs", "samples", "seed"} <= set(options)
    assert all(option.help for option in options.values())
    assert options["seed"].default == 0


@each_recipe
def test_import_trains_nothing(recipe, monkeypatch):
    def fit(*arguments, **options):
        raise AssertionError(f"{recipe.path} trains while it is imported")

    monkeypatch.setattr(keras.Model, "fit", fit)
    assert callable(recipe.load().run)


@each_recipe
def test_runs_twice_alike_against_a_baseline(recipe, monkeypatch):
    drop_kernels()
    run, twins = recipe.load().run, Twins(monkeypatch)
    first = run(**TINY)
    twins.second_run()
    assert first.rows == run(**TINY).rows
    assert isinstance(first, Report)
    assert first.recipe == recipe.name
    values = [value for row in first.rows for value in row["metrics"].values()]
    assert values and all(math.isfinite(value) for value in values)
    for task in {row["task"] for row in first.rows}:
        rows = [row for row in first.rows if row["task"] == task]
        assert len({row["variant"] for row in rows if row["baseline"]}) == 1
        assert len({row["variant"] for row in rows}) >= 2
    assert first.figures
    for figure, alt in first.figures.values():
        assert figure.axes and len(alt) > 20
    assert first.history and first.models


@each_recipe
@pytest.mark.parametrize("name", ["epochs", "samples"])
def test_too_few_is_refused(recipe, name):
    with pytest.raises(InputError, match=f"`{name}` is 0, but must be at least"):
        recipe.load().run(**TINY | {name: 0})


@each_recipe
def test_converts_to_a_notebook(recipe):
    notebook = jupytext.read(recipe.path)
    nbformat.validate(notebook)
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds[0] == "markdown" and notebook.cells[0].source.startswith("# ")
    assert kinds.count("code") >= 3 and kinds.count("markdown") >= 3
    for cell in notebook.cells:
        if cell.cell_type == "code":
            ast.parse(cell.source)
