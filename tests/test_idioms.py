import builtins
import importlib
import inspect
import re
import warnings

from dlnotes import idioms
from dlnotes._keras import keras
from dlnotes.idioms import IDIOMS, Attribute, Keyword, Name
import numpy as np
import pytest

KEPT_BUT_FAILING = {
    "keras.optimizers.legacy",
    "keras.losses.Reduction.AUTO",
    "keras.backend.set_value",
    "keras.backend.batch_set_value",
    "keras.backend.update",
    "keras.backend.update_add",
    "keras.backend.update_sub",
    "keras.backend.gradients",
}


def run(code, namespace):
    exec(compile(code, "<row>", "exec"), namespace)


def reach(dotted, root):
    """The object of a dotted name that begins with `keras`, in `keras` or in `tf.keras`."""
    _, *parts = dotted.split(".")
    found = root
    for part in parts:
        try:
            found = getattr(found, part)
        except AttributeError:
            found = importlib.import_module(f"{found.__name__}.{part}")
    return found


def is_missing(dotted, root):
    try:
        reach(dotted, root)
    except (AttributeError, ImportError):
        return True
    return False


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def tf_keras_names():
    return importlib.import_module("tensorflow").keras


@pytest.mark.parametrize("idiom", IDIOMS, ids=lambda idiom: idiom.id)
def test_the_old_lines_do_what_the_row_says(idiom):
    namespace = {"__name__": "row"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(idiom.setup, namespace)
        if idiom.effect == idioms.FAILS:
            name, message = idiom.error
            with pytest.raises(getattr(builtins, name), match=re.escape(message)) as raised:
                run(idiom.old, namespace)
            assert type(raised.value).__name__ == name
        else:
            run(idiom.old, namespace)
            assert eval(idiom.symptom, namespace) is True


@pytest.mark.parametrize("idiom", IDIOMS, ids=lambda idiom: idiom.id)
def test_the_new_lines_run_without_a_warning(idiom):
    namespace = {"__name__": "row"}
    with warnings.catch_warnings():
        run(idiom.setup, namespace)
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "__array__ implementation doesn't accept a copy")
        run(idiom.new, namespace)
        if idiom.symptom:
            assert eval(idiom.symptom, namespace) is idiom.leave_out


def test_the_table_reads_well():
    assert len(IDIOMS) >= 50
    assert len({idiom.id for idiom in IDIOMS}) == len(IDIOMS)
    assert list(dict.fromkeys(idiom.group for idiom in IDIOMS)) == list(idioms.GROUPS)
    for idiom in IDIOMS:
        assert bool(idiom.error) == (idiom.effect == idioms.FAILS) != bool(idiom.symptom)
        assert idiom.why.endswith(".") and len(idiom.why) <= 200, idiom.id
        assert max(map(len, f"{idiom.old}\n{idiom.new}".split("\n"))) <= 73, idiom.id


@pytest.mark.parametrize(
    ("idiom", "old", "new"),
    [
        (idiom, old.removesuffix(".*"), new)
        for idiom in IDIOMS
        if isinstance(idiom.pattern, Name)
        for old, new in idiom.pattern.names.items()
        if old.startswith("keras.")
    ],
    ids=lambda value: getattr(value, "id", value),
)
def test_each_old_name_is_gone_and_what_replaces_it_exists(idiom, old, new, tf_keras_names):
    if old not in KEPT_BUT_FAILING:
        assert is_missing(old, keras)
        assert is_missing(old, tf_keras_names) != idiom.pattern.plain
    if new and new.startswith("keras"):
        assert reach(new, keras)


def parameters_of_all(module):
    classes = [value for value in vars(module).values() if inspect.isclass(value)]
    return {name for each in classes for name in inspect.signature(each).parameters}


@pytest.mark.parametrize(
    ("kind", "module", "attempt"),
    [
        ("layer", "layers", lambda name: keras.layers.LSTM(2, **{name: 1})),
        ("optimizer", "optimizers", lambda name: keras.optimizers.SGD(**{name: 1})),
    ],
)
def test_each_old_keyword_is_refused_and_the_new_one_taken(kind, module, attempt):
    taken = parameters_of_all(getattr(keras, module))
    for idiom in IDIOMS:
        if not isinstance(idiom.pattern, Keyword) or idiom.pattern.of != (kind,):
            continue
        for old, new in idiom.pattern.names.items():
            assert new is None or new in taken, new
            if idiom.effect == idioms.FAILS and idiom.pattern.value is None:
                assert old not in taken, old
                with pytest.raises(ValueError, match=old):
                    attempt(old)


def test_each_old_attribute_is_missing_and_the_new_one_there():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(np.ones((2, 2)), np.ones((2, 1)), verbose=0)
    things = {
        "model": model,
        "layer": model.layers[0],
        "optimizer": model.optimizer,
        "metric": keras.metrics.Mean(),
        "callback": keras.callbacks.Callback(),
        "tensor": model.inputs[0],
        "shape": model.inputs[0].shape,
    }
    for idiom in IDIOMS:
        if not isinstance(idiom.pattern, Attribute) or idiom.error[:1] != ("AttributeError",):
            continue
        for kind in idiom.pattern.of:
            for old, new in idiom.pattern.names.items():
                assert not hasattr(things[kind], old), (kind, old)
                assert new is None or eval(f"thing.{new}", {"thing": things[kind]}) is not None
