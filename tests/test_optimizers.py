from dlnotes import saving
from dlnotes.optimizers import FusedAdam
import keras
import numpy as np
import pytest


def network():
    """An embedding and a dense layer, with the same weights each time."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((2,), dtype="int32")
    x = keras.layers.Flatten()(keras.layers.Embedding(12, 3)(inputs))
    return keras.Model(inputs, keras.layers.Dense(1)(x))


@pytest.fixture
def rows(rng):
    """Batches of five rows in which no code comes twice; code 11 comes in the first alone."""
    first = np.concatenate([[11], rng.permutation(9)])
    batches = [first, *(rng.permutation(10) for _ in range(3))]
    return np.reshape(batches, (20, 2)), rng.normal(size=(20, 1))


def train(optimizer, rows, epochs=3, **options):
    model = network()
    model.compile(optimizer, "mse", **options)
    model.fit(*rows, batch_size=5, epochs=epochs, shuffle=False, verbose=0)
    return model


@pytest.mark.parametrize(
    "choices",
    [
        {"learning_rate": 0.03},
        {"beta_1": 0.5, "beta_2": 0.8, "epsilon": 0.01, "learning_rate": 0.1},
        {"learning_rate": keras.optimizers.schedules.CosineDecay(0.1, 9)},
        {"learning_rate": 0.03, "weight_decay": 0.1, "clipnorm": 0.05},
        {"learning_rate": 0.03, "amsgrad": True},
        {"learning_rate": 0.03, "gradient_accumulation_steps": 2, "use_ema": True},
    ],
)
def test_it_trains_as_adam_does(rows, choices):
    expected = train(keras.optimizers.Adam(**choices), rows)
    model = train(FusedAdam(**choices), rows, steps_per_execution=2)
    for one, other in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    for one, other in zip(model.optimizer.variables, expected.optimizer.variables, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-4, atol=1e-6)
    assert not np.allclose(model.get_weights()[0], network().get_weights()[0], atol=1e-3)


def test_a_row_goes_on_moving_when_no_code_names_it(rows):
    once = train(FusedAdam(0.03), [part[:5] for part in rows], epochs=1)
    more = train(FusedAdam(0.03), rows, epochs=1)
    moved = np.abs(more.get_weights()[0] - once.get_weights()[0]).max(axis=1)
    assert moved[11] > 0.01 and moved[10] == 0


def test_a_code_that_comes_twice_in_a_batch_has_one_gradient():
    """The formula of the paper, in NumPy, for a table whose rows are the predictions."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Embedding(3, 1)])
    model.compile(FusedAdam(0.1, beta_1=0.5, beta_2=0.8), "mse")
    table = model.get_weights()[0].astype("float64")
    codes, y = np.array([[0], [0], [2], [0]]), np.array([1.0, 4.0, 2.0, -3.0])
    first, second = np.zeros_like(table), np.zeros_like(table)
    for step in range(1, 6):
        gradient = np.zeros_like(table)
        for code, target in zip(codes[:, 0], y, strict=True):
            gradient[code] += 2 * (table[code] - target) / 4
        first = 0.5 * first + 0.5 * gradient
        second = 0.8 * second + 0.2 * gradient**2
        scale = 0.1 * np.sqrt(1 - 0.8**step) / (1 - 0.5**step)
        table -= scale * first / (np.sqrt(second) + 1e-7)
        model.fit(codes, y[:, None, None], verbose=0)
        np.testing.assert_allclose(model.get_weights()[0], table, atol=1e-4)


def test_mixed_precision(rows):
    policy = keras.mixed_precision.dtype_policy()
    try:
        keras.mixed_precision.set_dtype_policy("mixed_float16")
        models = [train(kind(0.03), rows, epochs=1) for kind in (FusedAdam, keras.optimizers.Adam)]
    finally:
        keras.mixed_precision.set_dtype_policy(policy)
    one, other = (model.get_weights() for model in models)
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-3)


def test_training_goes_on_from_a_file(rows, tmp_path):
    whole = train(FusedAdam(0.03), rows, epochs=2)
    half = train(FusedAdam(0.03), rows, epochs=1)
    half.save(tmp_path / "model.keras")
    loaded = saving.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is FusedAdam
    loaded.fit(*rows, batch_size=5, shuffle=False, verbose=0)
    for one, other in zip(loaded.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
