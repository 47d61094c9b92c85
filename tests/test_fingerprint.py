"""What changes a fingerprint, and what does not."""

from dlnotes import catalogue
from dlnotes.fingerprint import fingerprint
import pytest

CODE = '''"""About."""
from dlnotes import builders, figures

SIZE = 3

def helper():
    return SIZE

def used():
    return builders.mlp((2,), helper())

def unused():
    return figures.axes(1, 1)
'''


@pytest.fixture
def marked(tmp_path):
    path = tmp_path / "family" / "claims" / "recipe.py"
    path.parent.mkdir(parents=True)

    def mark(code=CODE, roots=("used",)):
        path.write_text(code)
        return fingerprint(path, roots)

    return mark


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""About."""', '"""Other words."""'),
        ("def used():", "def used():\n    # a remark"),
        ("def used():", 'def used():\n    """A docstring."""'),
        ("figures.axes(1, 1)", "figures.axes(1, 2)"),
        ("\n\ndef used", "\n\n\ndef used"),
    ],
)
def test_words_and_what_is_not_reached_do_not_count(marked, old, new):
    assert old in CODE
    assert marked(CODE.replace(old, new)) == marked()


@pytest.mark.parametrize(
    ("old", "new"),
    [("SIZE = 3", "SIZE = 4"), ("(2,)", "(3,)"), (".mlp", ".cnn_lstm")],
)
def test_what_is_reached_counts(marked, old, new):
    assert old in CODE
    assert marked(CODE.replace(old, new)) != marked()


def test_without_roots_the_whole_file_counts(marked):
    changed = CODE.replace("figures.axes(1, 1)", "figures.axes(1, 2)")
    assert marked(changed, None) != marked(CODE, None)


IMPORT = "from dlnotes.builders.mlp import mlp\n"
WHEN_ASKED = f"def __getattr__(name):\n    {IMPORT}    return mlp\n"


@pytest.mark.parametrize("init", [IMPORT, WHEN_ASKED])
def test_the_library_that_is_reached_counts(init, marked, tmp_path, monkeypatch):
    package = tmp_path / "dlnotes"
    (package / "builders").mkdir(parents=True)
    (package / "builders" / "__init__.py").write_text(init)
    library = package / "builders" / "mlp.py"
    monkeypatch.setattr("dlnotes.fingerprint.PACKAGE", package)
    text = "def mlp(shape, outputs):\n    return 1\n\ndef other():\n    return 1\n"
    library.write_text(text)
    first = marked()
    library.write_text(text.replace("other():\n    return 1", "other():\n    return 2"))
    assert marked() == first
    library.write_text(text.replace("outputs):\n    return 1", "outputs):\n    return 2"))
    assert marked() != first


def test_the_story_that_claims_use_counts(marked, tmp_path):
    story = tmp_path / "family" / "recipe.py"
    claims = "from dlnotes import claims\nSTORY = claims.story(__file__)\n"
    claims += "def used():\n    STORY.build()\n"
    story.write_text("def build():\n    return 1\n\ndef run():\n    return 1\n")
    first = marked(claims)
    story.write_text("def build():\n    return 1\n\ndef run():\n    return 2\n")
    assert marked(claims) == first
    story.write_text("def build():\n    return 2\n\ndef run():\n    return 2\n")
    assert marked(claims) != first


def test_data_that_the_code_names_counts(monkeypatch):
    path = catalogue.find("stateful_lstm").path
    first = fingerprint(path)
    monkeypatch.setattr("dlnotes.fingerprint.checksums", lambda: {"shampoo.csv": "changed"})
    assert fingerprint(path) != first
