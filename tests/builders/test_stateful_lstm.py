from dlnotes import recurrent
from dlnotes.builders import stateful_lstm, stateful_lstm_space
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import check_builder

SENTENCE = (
    r"A batch of size {} came, but this stateful model takes batches of size 8 only\. Pass "
    r"`batch_size=8` .*whole_batches.*rebatch"
)


def test_contract(tmp_path, rng):
    check_builder(
        stateful_lstm,
        {"batch_size": 4, "input_shape": (5, 3), "outputs": 2},
        rng.normal(size=(4, 5, 3)),
        np.zeros((4, 2)),
        tmp_path,
        space=stateful_lstm_space,
        loss="mse",
        output_shape=(4, 2),
        parameters=4 * 32 * (3 + 32 + 1) + (32 + 1) * 2,
        batch_size=4,
    )


def test_contract_with_every_choice(tmp_path, rng):
    choices = {"units": 6, "layers": 2, "return_sequences": True, "mask_value": -1.0}
    choices |= {"dropout": 0.2, "recurrent_dropout": 0.2, "name": "streams"}
    check_builder(
        lambda **arguments: stateful_lstm(**(choices | arguments)),
        {"batch_size": 4, "input_shape": (None, 3), "outputs": 2},
        rng.normal(size=(4, 5, 3)),
        np.zeros((4, 5, 2)),
        tmp_path,
        space=stateful_lstm_space,
        loss="mse",
        output_shape=(4, None, 2),
        parameters=4 * 6 * (3 + 6 + 1) + 4 * 6 * (6 + 6 + 1) + (6 + 1) * 2,
        batch_size=4,
    )


# On JAX an exception in `fit` takes the model's variables away, so that each test needs its own.
@pytest.fixture(scope="function" if keras.config.backend() == "jax" else "module")
def model():
    model = stateful_lstm(8, (None, 2), 1, units=3)
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(("rows", "batch_size", "size"), [(9, 8, 1), (21, 8, 5), (9, None, 9)])
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_a_batch_that_does_not_fit_is_refused_in_plain_words(
    model, rng, method, rows, batch_size, size
):
    x, y = rng.normal(size=(rows, 4, 2)).astype("float32"), np.zeros((rows, 1))
    arguments = (x,) if method == "predict" else (x, y)
    with pytest.raises(Exception, match=SENTENCE.format(size)) as caught:
        getattr(model, method)(*arguments, batch_size=batch_size, verbose=0)
    kind = keras.config.backend() == "tensorflow" and caught.type.__name__
    assert isinstance(caught.value, InputError) or kind == "InvalidArgumentError"


def test_a_refused_batch_moves_neither_weights_nor_state(model, rng):
    x, y = rng.normal(size=(5, 4, 2)).astype("float32"), np.zeros((5, 1))
    recurrent.reset_states(model)
    weights = model.get_weights()
    with pytest.raises(Exception, match=SENTENCE.format(5)):
        model.fit(x, y, batch_size=8, verbose=0)
    assert not np.asarray(model.get_layer("lstm_1").states[0]).any()
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_direct_call_with_a_wrong_batch_is_refused(model):
    with pytest.raises(InputError, match=SENTENCE.format(3)):
        model(np.zeros((3, 4, 2)))


def test_plain_keras_answers_five_rows_with_six_predictions(rng):
    """The trap that the guard is for; if this fails, Keras has mended it."""
    inputs = keras.Input(batch_shape=(2, 4, 2))
    plain = keras.Model(inputs, keras.layers.LSTM(3, stateful=True)(inputs))
    x = rng.normal(size=(5, 4, 2)).astype("float32")
    assert len(plain.predict(x, batch_size=2, verbose=0)) == 6


def test_the_guard_follows_rebatch(model, rng):
    x = rng.normal(size=(3, 4, 2)).astype("float32")
    pair = recurrent.rebatch(model, 2)
    with pytest.raises(Exception, match=r"A batch of size 1 came, .* batches of size 2 only"):
        pair.predict(x, batch_size=2, verbose=0)
    anything = recurrent.rebatch(model, None, stateful=False)
    assert len(anything.predict(x, batch_size=2, verbose=0)) == 3


def test_a_single_stream_can_be_trained(rng):
    """Keras's own loop cannot be compiled for a batch size of 1 that TensorFlow does not know."""
    model = stateful_lstm(1, (4, 2), 1, units=3)
    model.compile("sgd", "mse")
    x = rng.normal(size=(3, 4, 2)).astype("float32")
    history = model.fit(x, np.zeros((3, 1)), batch_size=1, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_wrong_facts_are_refused():
    with pytest.raises(InputError, match=r"`input_shape` is \(8, 5, 3\), .* \(steps, features\)"):
        stateful_lstm(8, (8, 5, 3), 1)
    with pytest.raises(InputError, match=r"`batch_size` is 0, but must be at least 1"):
        stateful_lstm(0, (5, 3), 1)
    with pytest.raises(InputError, match=r"`layers` is 0"):
        stateful_lstm(8, (5, 3), 1, layers=0)
