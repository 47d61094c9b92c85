import ast
import json
from pathlib import Path
import re
import subprocess
import sys

from dlnotes import cli, migrate, scanner
from dlnotes.idioms import IDIOMS
import pytest

HERE = Path(__file__).parent
PARTS = ("dlnotes", "recipes", "tests", "docs")
TUTORIAL = (HERE / "keras2_tutorial.py.txt").read_text(encoding="utf-8")


def found_in(source):
    """The line and the row of each finding."""
    return [(found.line, found.id) for found in scanner.scan(ast.parse(source))]


def marked(text):
    """The line and the row of each mark at the end of a line."""
    marks = set()
    for number, line in enumerate(text.split("\n"), start=1):
        mark = re.search(r"  # ([a-z0-9, -]+)$", line)
        marks |= {(number, row) for row in mark[1].split(", ")} if mark else set()
    return marks


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_notebook(path, cells):
    cells = [{"cell_type": kind, "source": source} for kind, source in cells]
    path.write_text(json.dumps({"nbformat": 4, "cells": cells}), encoding="utf-8")


@pytest.mark.parametrize("idiom", IDIOMS, ids=lambda idiom: idiom.id)
def test_each_old_is_found_where_it_stands_and_no_new_is(idiom):
    first = idiom.setup.count("\n") + 1
    found = found_in(f"{idiom.setup}{idiom.old}")
    assert found and {row for _, row in found} == {idiom.id}
    assert min(line for line, _ in found) >= first
    assert found_in(f"{idiom.setup}{idiom.new}") == []


def test_the_tutorial_is_found_line_by_line(folder):
    Path("tutorial.py").write_text(TUTORIAL, encoding="utf-8")
    found = migrate.read(Path("tutorial.py"))
    assert len(marked(TUTORIAL)) > 100
    assert {(each["line"], each["id"]) for each in found} == marked(TUTORIAL)


def test_the_same_as_a_notebook(folder):
    first, second, third, *rest = re.split(r"(?m)^(?=# ----)", TUTORIAL)
    cells = [
        ("markdown", "K.mean(x) stands in words here, lr= too"),
        ("code", ["!pip install keras==2.2\n", *first.splitlines(keepends=True)]),
        ("code", "%%bash\npip install nothing \\\n  at all"),
        ("code", f"%%time\n{second}"),
        ("raw", "model.predict_classes(x)"),
        ("code", third),
        ("code", "".join(rest)),
    ]
    write_notebook(Path("tutorial.ipynb"), cells)
    expected = {(2, line + 1, row) for line, row in marked(first)}
    expected |= {(4, line + 1, row) for line, row in marked(second)}
    expected |= {(6, line, row) for line, row in marked(third)}
    expected |= {(7, line, row) for line, row in marked("".join(rest))}
    found = migrate.read(Path("tutorial.ipynb"))
    assert {(each["cell"], each["line"], each["id"]) for each in found} == expected


@pytest.mark.parametrize(
    "source",
    [
        "import keras\nkeras.optimizers.Adam(lr=0.1)",
        "import keras as k\nk.optimizers.Adam(lr=0.1)",
        "import keras.optimizers\nkeras.optimizers.Adam(lr=0.1)",
        "import keras.optimizers as o\no.Adam(lr=0.1)",
        "from keras import optimizers\noptimizers.Adam(lr=0.1)",
        "from keras.optimizers import Adam as A\nA(lr=0.1)",
        "from keras.optimizers import *\nAdam(lr=0.1)",
        "import tensorflow as tf\ntf.keras.optimizers.Adam(lr=0.1)",
        "import tensorflow as tf\ntf.optimizers.Adam(lr=0.1)",
        "import tensorflow\ntensorflow.keras.optimizers.Adam(lr=0.1)",
        "import tensorflow.keras as keras\nkeras.optimizers.Adam(lr=0.1)",
        "from tensorflow import keras\nkeras.optimizers.Adam(lr=0.1)",
        "from tensorflow.keras.optimizers import Adam\nAdam(lr=0.1)",
        "from dlnotes._keras import keras\nkeras.optimizers.Adam(lr=0.1)",
        "import tensorflow as tf; k = tf.keras\nk.optimizers.Adam(lr=0.1)",
    ],
)
def test_every_way_to_import_is_followed(source):
    assert found_in(source) == [(2, "optimizer-lr")]


@pytest.mark.parametrize(
    "source",
    [
        "model = keras.Sequential()",
        "model = keras.models.load_model('m.keras')",
        "model = keras.applications.VGG16()",
        "def build():\n    net = keras.Sequential()\n    return net\nmodel = build()",
        "class Net(keras.Model):\n    pass\nmodel = Net()",
        "class A:\n    def __init__(self):\n        self.net = keras.Model(1, 2)\nmodel = A().net",
        "class A:\n    def make(self):\n        return keras.Model(1, 2)\nmodel = A().make()",
        "model = other = keras.Sequential()",
        "models = [keras.Sequential(), keras.Sequential()]\nfor model in models: pass",
        "model, size = keras.Sequential(), 3",
        "model = keras.Sequential() if keras else keras.Model(1, 2)",
        "from somewhere import model",
    ],
)
def test_a_model_is_known_wherever_it_comes_from(source):
    if "somewhere" in source:
        source = "def reset(model):\n    return model.reset_states()"
        assert found_in(f"import keras\n{source}") == [(3, "reset-states")]
        return
    lines = source.count("\n") + 3
    assert found_in(f"import keras\n{source}\nmodel.reset_states()") == [(lines, "reset-states")]


def test_what_a_function_is_given_is_known_in_it():
    source = """
from keras.models import Sequential
def forecast(net):
    net.reset_states()
def other(net):
    net.reset_states()
forecast(Sequential())
other(3)
"""
    assert found_in(source) == [(4, "reset-states")]


@pytest.mark.parametrize(
    "source",
    [
        "import keras\nlayer = keras.layers.LSTM(4)\nlayer.reset_states()",
        "import keras\nm = keras.Sequential()\nfor layer in m.layers:\n    layer.reset_states()",
        "import keras\nimport torch\ntorch.optim.Adam(model, lr=0.1)",
        "import keras\nfrom torch.optim import Adam\nAdam(lr=0.1, decay=0.1)",
        "import keras\ndef merge(a, b):\n    return a\nmerge(1, 2)",
        "import keras\nimport pandas as pd\npd.DataFrame().merge(pd.DataFrame())",
        "import keras\nfrom sklearn.svm import SVC\nmodel = SVC()\nmodel.predict_proba(x)",
        "import keras, sklearn\nfor name, model in models:\n    model.predict_proba(x)",
        "def f(model):\n    model.predict_classes()",
        "import keras, torch\ndef f(model):\n    model.reset_states()",
        "from keras.layers import Layer\nclass Adam(Layer):\n    pass\nAdam(lr=0.1)",
        "from transformers import Tokenizer\nTokenizer(num_words=3)",
        "from keras.utils import pad_sequences, to_categorical",
        "from keras.preprocessing.sequence import pad_sequences",
        "from keras.preprocessing.image import load_img",
        "from tensorflow.keras.preprocessing.text import Tokenizer\nTokenizer()",
        "import tensorflow as tf\ntf.keras.backend.mean(y)\ntf.keras.losses.mse",
        "from keras import backend as K\nK.clear_session(); K.epsilon(); K.floatx()",
        "import tf_keras as keras\nkeras.optimizers.Adam(lr=0.1)"
        "\nkeras.Sequential().fit(nb_epoch=1)",
        "import tensorflow.compat.v1 as tf\ntf.Session()",
        "try:\n    from keras.utils import np_utils\n"
        "except ImportError:\n    from keras import utils",
        "import keras\nkeras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)",
        "import keras\nkeras.layers.Dense(1, name='lr')\nkeras.layers.Embedding(output_dim=3)",
        "import keras\nkeras.layers.Conv2D(64, 2, 2)",
        "import keras\nkeras.layers.LayerNormalization(epsilon=1e-6)",
        "import keras\nkeras.layers.Embedding(9, 2, weights=[w])",
        "import keras\nkeras.callbacks.ModelCheckpoint('a.keras')\nkeras.Model(1, 2).save(path)",
        "import keras\nkeras.callbacks.ModelCheckpoint(f'{folder}/{name}')",
        "import keras\nx = keras.Input((4,))\nm = keras.Model(x, x)\nm.input",
        "import keras\nx = keras.Input((4,))\nkeras.ops.mean(x)\nkeras.layers.Dropout(0.5)(x)",
        "import keras, tensorflow as tf\ndef loss(x):\n    return tf.reduce_mean(x)",
        "import keras\nx = keras.Input((4,))\nb = keras.Model(x, x)\nb.trainable = False\n"
        "y = b(x, training=False)",
        "import keras\nm = keras.Sequential()\nm.compile()\nm.fit(x)\nm.trainable = False\n"
        "m.compile()\nm.fit(x)",
        "import keras\nclass L(keras.layers.Layer):\n    def __init__(self):\n        self.b = 1\n"
        "    def call(self, x):\n        return x + self.b",
        "import keras\nclass D(keras.layers.Dropout):\n    def call(self, x):\n"
        "        return super().call(x, training=True)",
        "import keras\nm = keras.Sequential()\nm.compile(metrics=['acc'])\nm.fit(x).history['acc']",
        "text = 'from keras.utils import np_utils'  # model.predict_classes(x)",
    ],
)
def test_what_is_right_stays_quiet(source):
    assert found_in(source) == []


def test_no_alarm_in_this_project():
    files = [path for name in PARTS for path in (HERE.parent / name).rglob("*.py")]
    assert len(files) > 100
    assert {str(path): migrate.read(path) for path in files if migrate.read(path)} == {}


def test_old_lines_that_this_project_shows_on_purpose_are_found_without_their_mark(tmp_path):
    path = HERE / "test_uncertainty.py"
    unmarked = tmp_path / path.name
    unmarked.write_text(path.read_text(encoding="utf-8").replace("# migrate: ignore", ""))
    assert {each["id"] for each in migrate.read(unmarked)} == {"baked-training-true"}


def test_the_command_says_what_to_write_in_80_columns(folder, capsys):
    Path("old.py").write_text(
        "from keras.models import Sequential\nfrom keras.optimizers import SGD\n"
        "model = Sequential()\nmodel.compile(SGD(lr=0.1, decay=0.5), 'mse')\n"
        "classes = model.predict_classes(x)\n"
    )
    assert cli.execute(["migrate", "old.py"]) == 1
    text = capsys.readouterr().out
    assert "old.py:4: SGD(lr=0.1) -> SGD(learning_rate=0.1)\n    Fails: `lr` was" in text
    assert "old.py:4: SGD(decay=0.5)\n    -> for example:\n       from keras.opt" in text
    assert "    Does nothing: `decay` is accepted with a warning" in text
    assert "old.py:5: model.predict_classes\n" in text
    assert text.endswith("old.py: 3 places to change (2 fail, 1 does nothing).\n")
    Path("tutorial.py").write_text(TUTORIAL, encoding="utf-8")
    assert cli.execute(["migrate", "tutorial.py"]) == 1
    assert max(map(len, capsys.readouterr().out.split("\n"))) <= 80


def test_nothing_found_is_exit_code_0(folder, capsys):
    Path("new.py").write_text("import keras\nkeras.optimizers.Adam(learning_rate=0.1)\n")
    assert cli.execute(["migrate", "new.py"]) == 0
    assert capsys.readouterr().out == "new.py: nothing to change.\n"
    assert cli.execute(["migrate", "new.py", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_json_of_several_files(folder, capsys):
    Path("old.py").write_text("import keras\nkeras.optimizers.Adam(\n    lr=0.1,\n)\n")
    write_notebook(Path("old.ipynb"), [("markdown", ""), ("code", "%pip x\nimport keras.engine")])
    assert cli.execute(["migrate", "old.py", "old.ipynb", "--json"]) == 1
    script, notebook = json.loads(capsys.readouterr().out)
    assert script == {
        "file": "old.py",
        "line": 3,
        "old": "keras.optimizers.Adam(lr=0.1)",
        "new": "keras.optimizers.Adam(learning_rate=0.1)",
        "why": next(idiom.why for idiom in IDIOMS if idiom.id == "optimizer-lr"),
        "effect": "fails",
        "id": "optimizer-lr",
    }
    assert (notebook["file"], notebook["cell"], notebook["line"]) == ("old.ipynb", 2, 2)
    assert (notebook["old"], notebook["new"]) == ("import keras.engine", "import keras")


def test_a_line_can_be_left_alone(folder):
    Path("old.py").write_text(
        "import keras\nkeras.optimizers.Adam(lr=1)  # migrate: ignore\nkeras.engine\n"
    )
    assert [each["line"] for each in migrate.read(Path("old.py"))] == [3]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.py", None, "There is no file gone.py."),
        ("folder.py", "folder", "folder.py is a folder; give the files in it"),
        ("broken.py", "x = 1\nprint 'two'\n", "broken.py:2 is not valid Python 3 (Missing paren"),
        ("zero.py", "x = 1\0", "zero.py:1 is not valid Python 3 (source code"),
        ("deep.py", "x = " + "+".join(["1"] * 900), "deep.py nests its expressions too deeply"),
        ("latin.py", b"x = '\xe9'\n", "latin.py is not a text in the encoding"),
        ("no.ipynb", "not json", "no.ipynb is not a notebook of format 4"),
        ("three.ipynb", '{"worksheets": []}', "three.ipynb is not a notebook of format 4"),
        ("cell.ipynb", ["x = 1", "x = (\n"], "cell.ipynb, cell 2, line 1 is not valid Python 3"),
    ],
)
def test_what_a_person_can_mend_is_one_sentence(folder, capsys, name, content, message):
    path = Path(name)
    if content == "folder":
        path.mkdir()
    elif isinstance(content, list):
        write_notebook(path, [("code", source) for source in content])
    elif content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert cli.execute(["migrate", name]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("dlnotes: ") and message in captured.err
    assert captured.err.count("\n") == 1 and captured.out == ""


def test_lines_for_the_shell_are_passed_over(folder):
    Path("shell.py").write_text(
        "files = !ls\nkeras?\n%matplotlib inline\nif files:\n    !pip install \\\n        keras\n"
        "import keras.engine\nx = (7\n     % 2)\n"
    )
    assert [(each["line"], each["id"]) for each in migrate.read(Path("shell.py"))] == [
        (7, "keras-engine")
    ]


@pytest.mark.slow
def test_migrate_needs_no_keras(tmp_path):
    (tmp_path / "old.py").write_text("import keras.engine\n")
    code = (
        "import sys; from dlnotes import cli\n"
        "assert cli.execute(['migrate', 'old.py']) == 1\n"
        "assert not {'keras', 'tensorflow', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=tmp_path)
