from dlnotes import catalogue
from dlnotes.errors import InputError
import pytest

HEADER = '''# %% [markdown]
"""
# A title

What it
shows.

**Question.** Which one?

**Use it** when it helps, for these
reasons: it is good.

Data: generated
Covers: one, two
"""
'''


@pytest.fixture
def write(tmp_path):
    def write(text, name="topic"):
        path = tmp_path / "family" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_header_and_options_are_read_without_running_the_file(write):
    path = write(
        HEADER + "raise SystemExit\n"
        "def run(epochs: int = 3, rate: float = 0.5, mode: Literal['a', 'b'] = 'a',\n"
        "        csv: Path | None = None, deep: bool = False):\n"
        '    """One line.\n\n    Args:\n        epochs: Passes over\n            the data.\n'
        '        csv: Your file.\n    """\n'
    )
    recipe = catalogue.read_recipe(path)
    assert (recipe.family, recipe.name, recipe.title) == ("family", "topic", "A title")
    assert recipe.summary == "What it shows."
    assert recipe.questions["Question"] == "Which one?"
    assert recipe.questions["Use it"] == "when it helps, for these reasons: it is good."
    assert recipe.questions["Do not use it"] == ""
    assert recipe.covers == ["one", "two"]
    options = {option.name: option for option in recipe.options}
    assert options["epochs"].help == "Passes over the data."
    assert (options["epochs"].type, options["epochs"].default) == (int, 3)
    assert options["mode"].choices == ("a", "b")
    assert options["csv"].optional and options["csv"].default is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "has no header"),
        (HEADER, "no function `run`"),
        (HEADER + "def run(:\n", r"topic\.py, line 16: this is not valid Python"),
        (
            HEADER + "def run(epochs: int):\n    pass\n",
            "line 16: the option `epochs` .* no default",
        ),
        (HEADER + "def run(epochs: list = 1):\n    pass\n", "annotated with list. Use int"),
        (HEADER + "def run(epochs=1):\n    pass\n", "annotated with nothing"),
        (HEADER + "def run(quiet: bool = True):\n    pass\n", "`dlnotes run` uses itself"),
    ],
)
def test_a_broken_recipe_is_refused_with_its_place(write, text, message):
    with pytest.raises(InputError, match=message):
        catalogue.read_recipe(write(text))


def test_a_recipe_is_found_by_name_family_and_path():
    found = catalogue.find("stateful_lstm")
    assert catalogue.find("recurrent/stateful_lstm").path == found.path
    assert catalogue.find(str(found.path)).path == found.path


@pytest.mark.parametrize("name", ["statefull_lstm", "Stateful-LSTM", "stateful", "lstm_stateful"])
def test_an_unknown_name_brings_the_nearest(name):
    with pytest.raises(InputError, match=f"no recipe called '{name}'.*stateful_lstm"):
        catalogue.find(name)


def test_a_name_like_no_other_points_to_the_list():
    with pytest.raises(InputError, match="`dlnotes list` shows all of them"):
        catalogue.find("zzzzzzzzzzz")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"Cannot read the recipe .*nothing\.py"):
        catalogue.find(str(tmp_path / "nothing.py"))


def test_a_file_that_changes_within_a_second_is_read_anew(write):
    path = write(HEADER + "SIZE = 1\n\ndef run():\n    pass\n")
    assert catalogue.read_recipe(path).load().SIZE == 1
    path.write_text(path.read_text().replace("SIZE = 1", "SIZE = 2"))
    assert catalogue.read_recipe(path).load().SIZE == 2
    assert not list(path.parent.glob("__pycache__"))
