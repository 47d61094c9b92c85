import warnings

from dlnotes.builders import time_distributed_lstm
from dlnotes.errors import InputError
from dlnotes.layers import TimeFold
from dlnotes.masks import mask_report, step_mask, step_weights
import keras
import numpy as np
import pytest

from contracts import assert_equal

TOKENS = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 0]])


def events(report):
    return {row["layer"]: row["event"] for row in report.rows}


def embedding():
    return keras.layers.Embedding(9, 3, mask_zero=True, name="embedding")


@pytest.fixture(scope="module")
def nested():
    """A mask is born inside a nested model, dies in an addition, and is passed by argument."""
    inner = keras.Input((None,))
    sequences = keras.layers.GRU(3, return_sequences=True, name="gru")(embedding()(inner))
    encoder = keras.Model(inner, sequences, name="encoder")
    tokens = keras.Input((5,), name="tokens")
    x = keras.layers.Dense(3, name="dense")(encoder(tokens))
    x = keras.ops.add(x, 1.0)
    mask = keras.ops.not_equal(tokens, 0)
    x = keras.layers.LSTM(3, return_sequences=True, name="explicit")(x, mask=mask)
    x = keras.layers.LSTM(5, name="last")(x)
    return keras.Model(tokens, keras.layers.Dense(1, name="head")(x))


def test_birth_life_death_and_passing(nested):
    report = mask_report(nested, TOKENS)
    found = events(report)
    added = next(name for name in found if name.startswith("add"))
    assert found == {
        "encoder/embedding": "born",
        "encoder/gru": "lives",
        "encoder": "born",
        "dense": "lives",
        added: "destroyed",
        "explicit": "passed",
        "last": "used",
        "head": "",
    }
    assert report.destroyed == [added]
    assert not report.reaches_output


def test_shares_and_masks_are_those_of_the_data(nested):
    report = mask_report(nested, TOKENS)
    rows = {row["layer"]: row for row in report.rows}
    share = np.mean(TOKENS == 0)
    assert rows["dense"]["carried"] == rows["dense"]["outgoing"] == pytest.approx(share)
    assert rows["explicit"]["carried"] is None
    assert rows["explicit"]["passed"] == pytest.approx(share)
    assert rows["last"]["outgoing"] is None
    np.testing.assert_array_equal(report.masks["encoder/gru"], TOKENS != 0)


def test_the_table_reads_like_the_rows(nested):
    report = mask_report(nested, TOKENS)
    lines = str(report).splitlines()
    assert lines[0].split() == ["layer", "type", "came", "in", "passed", "goes", "out", "mask"]
    assert lines[2].split() == ["encoder/embedding", "Embedding", "30%", "born"]
    assert any(line.startswith("Destroyed by: add") for line in lines)
    assert lines[-1].startswith("No mask reaches the output")
    assert list(report.to_frame()["layer"]) == [row["layer"] for row in report.rows]


def test_the_model_is_left_as_it_was(nested):
    config, weights = nested.get_config(), nested.get_weights()
    prediction = nested(TOKENS)
    mask_report(nested, TOKENS)
    assert str(nested.get_config()) == str(config)
    assert nested.get_layer("dense").output.shape == (None, 5, 3)
    assert_equal(nested.get_weights(), weights, 0)
    assert_equal(nested(TOKENS), prediction, 0)


def test_the_state_of_a_stateful_model_is_left_as_it_was():
    tokens = keras.Input(batch_shape=(2, 5))
    lstm = keras.layers.LSTM(3, stateful=True)
    model = keras.Model(tokens, lstm(embedding()(tokens)))
    model(TOKENS)
    before = [np.array(state) for state in lstm.states]
    assert np.abs(before[0]).max() > 0
    mask_report(model, TOKENS)
    assert_equal([np.array(state) for state in lstm.states], before, 0)


def test_sequential_model_and_no_warning_where_the_report_says_it():
    layers = [embedding(), keras.layers.Conv1D(2, 3, padding="same"), keras.layers.LSTM(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = keras.Sequential([keras.Input((5,)), *layers])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = mask_report(model, TOKENS)
    assert list(events(report).values()) == ["born", "destroyed", ""]


def test_a_layer_called_twice_has_two_rows():
    inputs = keras.Input((3, 2))
    shared = keras.layers.Dense(2, name="shared")
    outputs = [shared(keras.layers.Masking()(inputs)), shared(inputs)]
    rows = mask_report(keras.Model(inputs, outputs), np.ones((1, 3, 2))).rows
    calls = [row for row in rows if row["layer"] == "shared"]
    assert {row["event"]: row["outgoing"] for row in calls} == {"lives": 0.0, "": None}


def test_words_and_sentences_through_time_fold():
    documents = keras.Input((None, None), dtype="int32")
    words = TimeFold(embedding(), name="words")(documents)
    sentences = TimeFold(keras.layers.LSTM(2), name="sentences")(words)
    x = np.array([[[1, 2], [3, 0], [0, 0]]])
    report = mask_report(keras.Model(documents, sentences), x)
    np.testing.assert_array_equal(report.masks["words"], x != 0)
    np.testing.assert_array_equal(report.masks["sentences"], [[True, True, False]])
    assert report.reaches_output
    assert str(report).splitlines()[-1].startswith("A mask reaches the output")


def test_a_model_without_a_graph_is_refused():
    with pytest.raises(InputError, match="has no graph of layers: expected a built functional"):
        mask_report(keras.Sequential([keras.layers.Dense(1)]), TOKENS)


def test_step_mask_and_weights_look_at_whole_steps():
    x = np.full((1, 3, 2, 2), -1.0)
    x[0, 0], x[0, 1, 0, 0] = 5, 0
    np.testing.assert_array_equal(step_mask(x, -1.0), [[True, True, False]])
    weights = step_weights(x, -1.0)
    assert weights.dtype == "float32"
    np.testing.assert_array_equal(weights, [[1, 1, 0]])


def test_a_sequence_of_plain_numbers_is_refused():
    with pytest.raises(
        InputError, match=r"`x` has shape \(2, 5\), but expected .* `x\[..., None\]`"
    ):
        step_weights(np.ones((2, 5)))


@pytest.mark.parametrize("reaches_loss", [True, False])
def test_weighted_loss_is_the_mean_over_real_steps_whatever_the_padding(reaches_loss, rng):
    model = time_distributed_lstm((None, 2), 1, units=2, mask_value=0.0)
    if not reaches_loss:  # an operation drops the mask, as recurrent layers of the next Keras do
        model = keras.Model(model.input, model.output + 0.0)
    model.compile("sgd", keras.losses.MeanSquaredError("mean_with_sample_weight"))
    x, y = rng.normal(size=(2, 4, 2)), rng.normal(size=(2, 4, 1))
    x[0, 1:] = 0
    real = np.array([[1, 0, 0, 0], [1, 1, 1, 1]], bool)
    expected = np.mean((model.predict(x, verbose=0) - y)[real] ** 2)
    for extra in (0, 3):
        more = ((0, 0), (0, extra), (0, 0))
        longer, targets = np.pad(x, more), np.pad(y, more, constant_values=100.0)
        targets[:, :4][~real] = 100
        loss = model.evaluate(longer, targets, sample_weight=step_weights(longer), verbose=0)
        assert loss == pytest.approx(expected, abs=1e-5)
    history = model.fit(longer, targets, sample_weight=step_weights(longer), verbose=0).history
    assert history["loss"] == pytest.approx([expected], abs=1e-5)
