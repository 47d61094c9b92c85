from dlnotes import builders, recurrent
from dlnotes.callbacks import ResetStates
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal


class Witness(keras.callbacks.Callback):
    """Notes before which batches the state is zero; stands after `ResetStates` in the list."""

    def __init__(self):
        super().__init__()
        self.fresh = {"train": [], "test": [], "predict": []}

    def is_fresh(self):
        return not any(np.asarray(state).any() for state in self.model.get_layer("lstm_1").states)

    def on_train_batch_begin(self, batch, logs=None):
        self.fresh["train"].append(self.is_fresh())

    def on_test_batch_begin(self, batch, logs=None):
        self.fresh["test"].append(self.is_fresh())

    def on_predict_batch_begin(self, batch, logs=None):
        self.fresh["predict"].append(self.is_fresh())

    def on_test_end(self, logs=None):
        self.fresh_after_validation = self.is_fresh()


@pytest.fixture(scope="module")
def shared_model():
    model = builders.stateful_lstm(2, (3, 1), 1, units=2)
    model.compile("sgd", "mse", run_eagerly=True)
    return model


@pytest.fixture
def model(shared_model):
    recurrent.reset_states(shared_model)
    return shared_model


@pytest.fixture
def data(rng):
    return rng.normal(size=(8, 3, 1)).astype("float32"), rng.normal(size=(8, 1))


def fit(model, data, *callbacks, epochs=2, **options):
    witness = Witness()
    model.fit(
        *data,
        batch_size=2,
        shuffle=False,
        epochs=epochs,
        verbose=0,
        callbacks=[*callbacks, witness],
        **options,
    )
    return witness


@pytest.mark.parametrize(
    ("arguments", "train", "test"),
    [
        ({}, [1, 0, 0, 0], [1, 0, 0]),
        ({"every": 1}, [1, 1, 1, 1], [1, 1, 1]),
        ({"every": 2}, [1, 0, 1, 0], [1, 0, 1]),
        ({"at": [1, 3]}, [1, 1, 0, 1], [1, 0, 0]),
        ({"at": [2], "validation_at": [1]}, [1, 0, 1, 0], [1, 1, 0]),
    ],
)
def test_the_state_is_zero_where_a_stream_begins_and_nowhere_else(
    model, data, arguments, train, test
):
    validation = tuple(array[:6] for array in data)
    witness = fit(model, data, ResetStates(**arguments), validation_data=validation)
    assert witness.fresh["train"] == [bool(fresh) for fresh in 2 * train]
    assert witness.fresh["test"] == [bool(fresh) for fresh in 2 * test]
    assert witness.fresh_after_validation


def test_without_it_the_state_goes_on_for_ever(model, data):
    witness = fit(model, data, validation_data=data)
    assert witness.fresh == {"train": [True] + 7 * [False], "test": 8 * [False], "predict": []}


def test_evaluate_and_predict_start_fresh(model, data):
    x, y = data
    model.predict(x, batch_size=2, verbose=0)
    witness = Witness()
    callbacks = [ResetStates(every=2), witness]
    model.predict(x, batch_size=2, verbose=0, callbacks=callbacks)
    assert witness.fresh["predict"] == [True, False, True, False]
    model.evaluate(x, y, batch_size=2, verbose=0, callbacks=callbacks)
    assert witness.fresh["test"] == [True, False, True, False]
    assert witness.fresh_after_validation


def test_the_resets_count_in_graph_mode(data):
    """Training with resets equals training in pieces with resets by hand, and not without."""
    x, y = data
    model = builders.stateful_lstm(2, (3, 1), 1, units=2)
    start, weights = model.get_weights(), {}
    for name, callbacks in {"callback": [ResetStates(every=2)], "none": [], "hand": None}.items():
        model.compile(keras.optimizers.SGD(0.5), "mse", steps_per_execution=2)
        model.set_weights(start)
        recurrent.reset_states(model)
        pieces = [slice(None)] if callbacks is not None else [slice(0, 4), slice(4, 8)]
        for piece in pieces:
            if callbacks is None:
                recurrent.reset_states(model)
            model.fit(
                x[piece], y[piece], batch_size=2, shuffle=False, verbose=0, callbacks=callbacks
            )
        weights[name] = model.get_weights()
    assert_equal(weights["callback"], weights["hand"])
    assert np.abs(weights["callback"][0] - weights["none"][0]).max() > 1e-4


def test_a_reset_between_the_steps_of_an_execution_is_refused(data):
    model = builders.stateful_lstm(2, (3, 1), 1, units=2)
    model.compile("sgd", "mse", steps_per_execution=4)
    for arguments, batch in (({"every": 2}, 2), ({"at": [0, 4, 5]}, 5)):
        with pytest.raises(
            InputError, match=rf"`steps_per_execution` is 4, so the reset before batch {batch}"
        ):
            fit(model, data, ResetStates(**arguments))


def test_a_model_without_state_is_refused(data):
    model = builders.mlp((3, 1), 1)
    model.compile("sgd", "mse", run_eagerly=True)
    with pytest.raises(InputError, match=r"`model` \('mlp'\) has no state to reset"):
        fit(model, data, ResetStates())


def test_wrong_arguments_are_refused():
    with pytest.raises(InputError, match=r"Give `every`, or `at` and `validation_at`, not both"):
        ResetStates(every=2, at=[1])
    with pytest.raises(InputError, match=r"`every` is 0, but must be at least 1"):
        ResetStates(every=0)
    with pytest.raises(InputError, match=r"`validation_at` must hold numbers of batches"):
        ResetStates(validation_at=[-1])
