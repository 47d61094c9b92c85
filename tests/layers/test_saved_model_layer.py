import shutil
import subprocess
import sys

from dlnotes import saving
from dlnotes.errors import InputError
from dlnotes.layers import SavedModelLayer, saved_model_layer
import keras
import numpy as np
import pytest
import tensorflow as tf

from contracts import assert_equal, check_layer, check_saving

SENTENCES = np.array(["good film", "bad", "good good unknown"], dtype=object)


class TextEncoder(tf.Module):
    """Strings in, mean of word vectors out; the vocabulary is a file that travels along."""

    def __init__(self, vocabulary, table):
        super().__init__()
        initializer = tf.lookup.TextFileInitializer(
            str(vocabulary),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        self.words = tf.lookup.StaticVocabularyTable(initializer, num_oov_buckets=1)
        self.table = tf.Variable(table, name="table")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts):
        rows = tf.ragged.map_flat_values(self.words.lookup, tf.strings.split(texts))
        return tf.reduce_mean(tf.gather(self.table, rows), axis=1)


class Counter(tf.Module):
    """Counts the calls in training mode, and doubles its output there."""

    def __init__(self):
        super().__init__()
        self.calls = tf.Variable(0.0, trainable=False, name="calls")
        self.kernel = tf.Variable(tf.ones((3, 2)), name="kernel")
        self.unused = tf.Variable("a string", name="unused")

    @tf.function
    def __call__(self, x, training=False):
        if not training:
            return x @ self.kernel
        self.calls.assign_add(1.0)
        return 2 * (x @ self.kernel)


class Tokens(tf.Module):
    """Whole numbers in; a dictionary and, by another signature, a single entry out."""

    def __init__(self):
        super().__init__()
        self.table = tf.constant(np.arange(10.0).reshape(5, 2), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int64)])
    def __call__(self, ids):
        rows = tf.gather(self.table, ids)
        return {"pooled": tf.reduce_mean(rows, axis=1), "steps": rows}

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.int64, name="ids")])
    def first(self, ids):
        return {"first": tf.gather(self.table, ids[:, 0])}


@pytest.fixture
def text_module(tmp_path, rng):
    vocabulary = tmp_path / "words.txt"
    vocabulary.write_text("good\nbad\nfilm\n")
    table = rng.normal(size=(4, 2)).astype("float32")
    tf.saved_model.save(TextEncoder(vocabulary, table), str(tmp_path / "text"))
    vocabulary.unlink()
    return tmp_path / "text", table


@pytest.fixture
def counter(tmp_path):
    module = Counter()
    for training in (False, True):
        module.__call__.get_concrete_function(tf.TensorSpec([None, 3]), training=training)
    tf.saved_model.save(module, str(tmp_path / "counter"))
    return tmp_path / "counter"


@pytest.fixture
def tokens(tmp_path):
    module = Tokens()
    signatures = {"first": module.first, "both": module.__call__}
    tf.saved_model.save(module, str(tmp_path / "tokens"), signatures=signatures)
    return tmp_path / "tokens"


@pytest.fixture
def original():
    """The Keras model whose export is the module `exported`."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(2)]
    )


@pytest.fixture
def exported(original, tmp_path):
    original.export(tmp_path / "exported", verbose=False)
    return tmp_path / "exported"


def around(layer, shape=(3,), dtype="float32", head=True):
    inputs = keras.Input(shape, dtype=dtype)
    x = layer(inputs)
    return keras.Model(inputs, keras.layers.Dense(1)(x) if head else x)


def test_contract(original, exported, tmp_path, rng):
    x = rng.normal(size=(4, 3)).astype("float32")
    first, bias_1, second, bias_2 = original.get_weights()
    expected = np.tanh(x @ first + bias_1) @ second + bias_2
    layer = SavedModelLayer(exported, trainable=True)
    assert_equal(check_layer(layer, x, tmp_path), expected)


def test_fine_tuning_with_adam_equals_training_the_original(original, exported, rng):
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    model = around(SavedModelLayer(exported, trainable=True), head=False)
    before = original.get_weights()
    for trained in (original, model):
        trained.compile("adam", "mse")
        trained.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0)
    found = {weight.shape: np.asarray(weight) for weight in model.weights}
    for old, new in zip(before, original.get_weights(), strict=True):
        assert np.abs(old - new).max() > 1e-3
        assert_equal(found[new.shape], new, 1e-6)


def test_strings_become_the_mean_of_their_word_vectors(text_module):
    folder, table = text_module
    model = around(SavedModelLayer(folder), (), "string", head=False)
    rows = [[0, 2], [1], [0, 0, 3]]
    expected = np.array([table[row].mean(axis=0) for row in rows])
    assert_equal(model.predict(SENTENCES, verbose=0), expected)
    assert_equal(model.predict(SENTENCES[:2], batch_size=1, verbose=0), expected[:2])


def test_frozen_it_stays_as_it_is_and_in_inference_mode(counter, rng):
    layer = SavedModelLayer(counter)
    model = around(layer)
    model.compile("adam", "mse")
    model.fit(rng.normal(size=(4, 3)), np.ones((4, 1)), verbose=0)
    assert_equal(layer.get_weights(), [np.ones((3, 2)), 0.0], 0)
    assert [weight.name for weight in model.trainable_weights] == ["kernel", "bias"]


def test_training_mode_reaches_the_module_in_fit_alone(counter, rng):
    layer = SavedModelLayer(counter, trainable=True)
    model = around(layer, head=False)
    x = rng.normal(size=(4, 3)).astype("float32")
    doubled = 2 * x.sum(axis=1, keepdims=True).repeat(2, axis=1)
    assert_equal(layer(x, training=True), doubled)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    history = model.fit(x, doubled, batch_size=2, validation_data=(x, doubled / 2), verbose=0)
    assert_equal(history.history["loss"] + history.history["val_loss"], [0.0, 0.0])
    calls = next(weight for weight in layer.weights if weight.name == "calls")
    assert float(calls) == 3
    assert_equal(model.predict(x, verbose=0), doubled / 2)


def test_trainable_is_honoured_after_compiling_again(counter, rng):
    layer = SavedModelLayer(counter)
    model = around(layer)
    moved = []
    for trainable in (False, True, False):
        layer.trainable = trainable
        model.compile("adam", "mse")
        before = layer.get_weights()[0]
        model.fit(rng.normal(size=(4, 3)), np.ones((4, 1)), verbose=0)
        moved.append(not np.array_equal(before, layer.get_weights()[0]))
    assert moved == [False, True, False]


def test_whole_numbers_are_cast_and_dictionaries_come_back(tokens):
    ids = np.array([[0, 1], [4, 4]], "int32")
    model = around(SavedModelLayer(tokens), (None,), "int32", head=False)
    shapes = {name: output.shape for name, output in model.output.items()}
    assert shapes == {"pooled": (None, 2), "steps": (None, None, 2)}
    table = np.arange(10.0).reshape(5, 2)
    expected = {"pooled": table[ids].mean(axis=1), "steps": table[ids]}
    assert_equal(model.predict(ids, verbose=0), expected)
    pooled = around(SavedModelLayer(tokens, output_key="pooled"), (None,), "int32")
    assert pooled.output_shape == (None, 1)


def test_signatures(tokens):
    ids = np.array([[2, 1, 0]])
    one = around(SavedModelLayer(tokens, signature="first"), (3,), "int64", head=False)
    assert_equal(one.predict(ids, verbose=0), np.array([[4.0, 5.0]]))
    layer = SavedModelLayer(tokens, signature="both", output_key="pooled")
    both = around(layer, (3,), "int64", head=False)
    assert_equal(both.predict(ids, verbose=0), np.array([[2.0, 3.0]]))


@pytest.mark.slow
def test_fine_tuned_file_works_in_another_process_without_the_module(text_module, tmp_path):
    folder, table = text_module
    layer = SavedModelLayer(folder, trainable=True)
    model = around(layer, (), "string")
    model.compile("adam", "mse")
    model.fit(SENTENCES, np.ones((3, 1)), epochs=2, verbose=0)
    assert np.abs(layer.get_weights()[0] - table).max() > 1e-3
    model.save(tmp_path / "model.keras")
    expected = model.predict(SENTENCES, verbose=0)
    shutil.rmtree(folder)
    script = f"""
import sys
import numpy as np
from dlnotes import saving
import dlnotes.layers
print("on import:", "tensorflow_hub" in sys.modules, file=sys.stderr)
model = saving.load_model({str(tmp_path / "model.keras")!r}, safe_mode=True)
texts = np.array({SENTENCES.tolist()!r}, dtype=object)
np.save({str(tmp_path / "found.npy")!r}, model.predict(texts, verbose=0))
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=True, cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr.startswith("on import: False\n")
    assert_equal(np.load(tmp_path / "found.npy"), expected, 1e-6)


def test_training_goes_on_after_loading_as_if_nothing_had_happened(counter, tmp_path, rng):
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 1))
    model = around(SavedModelLayer(counter, trainable=True))
    model.compile("adam", "mse")
    model.fit(x, y, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    shutil.rmtree(counter)
    loaded = saving.load_model(tmp_path / "model.keras")
    for one in (model, loaded):
        one.fit(x, y, epochs=2, verbose=0)
    assert_equal(loaded.get_weights(), model.get_weights(), 1e-6)


def test_a_loaded_model_can_be_saved_again(text_module, tmp_path):
    folder, _ = text_module
    model = around(SavedModelLayer(folder), (), "string")
    model.save(tmp_path / "model.keras")
    shutil.rmtree(folder)
    loaded = saving.load_model(tmp_path / "model.keras")
    check_saving(loaded, SENTENCES, tmp_path)
    assert_equal(loaded.predict(SENTENCES, verbose=0), model.predict(SENTENCES, verbose=0))


def test_a_model_with_a_module_can_be_exported(text_module, tmp_path):
    folder, _ = text_module
    model = around(SavedModelLayer(folder), (), "string")
    model.export(tmp_path / "again", verbose=False)
    again = around(SavedModelLayer(tmp_path / "again"), (), "string", head=False)
    assert_equal(again.predict(SENTENCES, verbose=0), model.predict(SENTENCES, verbose=0))


def test_a_clone_starts_like_the_module_with_weights_of_its_own(counter):
    layer = SavedModelLayer(counter)
    clone = SavedModelLayer.from_config(layer.get_config())
    assert_equal(clone.get_weights(), layer.get_weights(), 0)
    layer.set_weights([np.zeros((3, 2)), np.array(1.0)])
    assert clone.get_weights()[0].min() == 1
    assert np.asarray(layer(np.ones((1, 3)))).max() == 0


def test_a_configuration_alone_says_what_is_missing(counter):
    layer = SavedModelLayer(counter)
    shutil.rmtree(counter)
    bare = SavedModelLayer.from_config(layer.get_config())
    assert around(bare).count_params() == layer.count_params() + 3
    with pytest.raises(InputError, match=r"counter' is not here.* from its `.keras` file"):
        bare(np.ones((1, 3), "float32"))


def test_another_module_at_the_same_place_is_not_mistaken_for_it(counter, original):
    layer = SavedModelLayer(counter)
    shutil.rmtree(counter)
    original.export(counter, verbose=False)
    with pytest.raises(InputError, match="is not the one it was made with"):
        SavedModelLayer.from_config(layer.get_config())(np.ones((1, 3), "float32"))


def test_saving_without_the_module_is_refused(counter, tmp_path):
    model = around(SavedModelLayer(counter))
    shutil.rmtree(counter)
    with pytest.raises(InputError, match="is gone, so it cannot be packed"):
        model.save(tmp_path / "model.keras")


def test_remote_handles_are_resolved_once(counter, monkeypatch):
    import tensorflow_hub

    asked = []
    monkeypatch.setattr(saved_model_layer, "FETCHED", {})
    monkeypatch.setattr(tensorflow_hub, "resolve", lambda h: asked.append(h) or str(counter))
    layer = SavedModelLayer("https://example.org/encoder/1")
    clone = SavedModelLayer.from_config(layer.get_config())
    assert_equal(clone(np.ones((1, 3))), np.full((1, 2), 3.0))
    assert asked == ["https://example.org/encoder/1"]


def test_loading_a_configuration_never_asks_the_network(counter, monkeypatch):
    import tensorflow_hub

    config = SavedModelLayer(counter).get_config() | {"handle": "https://example.org/encoder/1"}
    monkeypatch.setattr(tensorflow_hub, "resolve", lambda handle: pytest.fail("asked the network"))
    assert len(SavedModelLayer.from_config(config).weights) == 2


def test_wrong_handles_are_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"no/such/module' cannot be resolved .*saved_model.pb"):
        SavedModelLayer("no/such/module")
    with pytest.raises(InputError, match="cannot be loaded as a SavedModel"):
        SavedModelLayer(tmp_path)
    monkeypatch.setitem(sys.modules, "tensorflow_hub", None)
    with pytest.raises(InputError, match="pip install tensorflow-hub 'setuptools<80'"):
        SavedModelLayer("https://example.org/encoder/1")


def test_wrong_choices_are_refused(tokens):
    with pytest.raises(InputError, match=r"no `signature` 'serve'; .*\['both', 'first'\]"):
        SavedModelLayer(tokens, signature="serve")
    with pytest.raises(InputError, match=r"no `output_key` 'pool'; .*\['pooled', 'steps'\]"):
        SavedModelLayer(tokens, output_key="pool")
    with pytest.raises(InputError, match="`trainable=True` would train nothing"):
        SavedModelLayer(tokens, trainable=True)


@pytest.mark.parametrize(("shape", "dtype"), [((3,), "float32"), ((3, 1), "int32")])
def test_inputs_that_do_not_fit_are_refused(tokens, shape, dtype):
    found = " ".join(map(str, (dtype, "?", *shape))).replace("?", r"\?")
    with pytest.raises(InputError, match=rf"takes int64 \? \?, but got {found} \(type and shape"):
        SavedModelLayer(tokens)(keras.Input(shape, dtype=dtype))


def test_other_backends_are_refused(counter, monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(InputError, match=r"backend is 'jax'. Set .*KERAS_BACKEND=tensorflow"):
        SavedModelLayer(counter)
