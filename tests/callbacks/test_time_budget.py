import copy

from dlnotes.builders import mlp
from dlnotes.callbacks import TimeBudget
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Work(keras.callbacks.Callback):
    """Each batch takes ten seconds."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock
        self.batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.clock.now += 10
        self.batches += 1


@pytest.fixture(scope="module")
def model():
    model = mlp((1,), 1, layers=0)
    model.compile("sgd", "mse", run_eagerly=True)
    return model


def fit(model, budget, epochs=4):
    """Fits epochs of three batches of ten seconds."""
    work = Work(budget.clock)
    x = np.ones((3, 1))
    history = model.fit(
        x,
        x,
        batch_size=1,
        epochs=epochs,
        validation_data=(x, x),
        verbose=0,
        callbacks=[work, budget],
    )
    return work.batches, history.history


@pytest.mark.parametrize(
    ("options", "batches", "reason"),
    [
        ({"seconds": 40}, 4, "Stopped after batch 1 of epoch 2: 40.0 s of 40 s are used up."),
        ({"seconds": 41}, 5, "Stopped after batch 2 of epoch 2: 50.0 s of 41 s are used up."),
        (
            {"seconds": 40, "boundary": "epoch"},
            6,
            "Stopped after epoch 2: 60.0 s of 40 s are used up.",
        ),
        ({"seconds": 0}, 1, "Stopped after batch 1 of epoch 1: 10.0 s of 0 s are used up."),
        (
            {"seconds": 0, "min_epochs": 2},
            6,
            "Stopped after epoch 2: 60.0 s of 0 s are used up.",
        ),
        ({"seconds": 121}, 12, None),
    ],
)
def test_stops_at_the_first_boundary_after_the_budget(model, options, batches, reason):
    budget = TimeBudget(**options, clock=Clock())
    assert fit(model, budget)[0] == batches
    assert budget.reason == reason


def test_the_cut_epoch_is_validated_and_logged(model):
    batches, history = fit(model, TimeBudget(40, clock=Clock()))
    assert batches == 4
    assert len(history["loss"]) == len(history["val_loss"]) == 2


def test_starts_anew_with_each_fit(model):
    budget = TimeBudget(40, clock=Clock())
    assert [fit(model, budget)[0] for _ in range(2)] == [4, 4]
    assert fit(model, budget, epochs=1)[0] == 3
    assert budget.reason is None


def test_a_copy_works_by_itself(model):
    budget = TimeBudget(40, clock=Clock())
    twin = copy.deepcopy(budget)
    assert fit(model, twin)[0] == 4
    assert budget.reason is None and budget.clock.now == 100.0


def test_prints_the_reason_if_asked(model, capsys):
    budget = TimeBudget(0, verbose=True, clock=Clock())
    fit(model, budget)
    assert capsys.readouterr().out == f"{budget.reason}\n"
    fit(model, TimeBudget(0, clock=Clock()))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seconds": -1}, "`seconds` is -1, but must be at least 0"),
        ({"seconds": 1, "min_epochs": -2}, "`min_epochs` is -2"),
        (
            {"seconds": 1, "boundary": "step"},
            "`boundary` is 'step', but must be 'batch' or 'epoch'",
        ),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(InputError, match=message):
        TimeBudget(**arguments)
