from dlnotes import builders, saving
from dlnotes.errors import InputError
from dlnotes.layers import StatefulLSTM
from dlnotes.uncertainty import (
    brier,
    classification_scores,
    expected_calibration_error,
    fit_precision,
    gaussian_negative_log_likelihood,
    mc_predict,
    mutual_information,
    negative_log_likelihood,
    predictive_entropy,
    regression_scores,
)
import keras
from keras import layers
import numpy as np
import pytest

from contracts import assert_equal


def everything_of(model):
    """All numbers that the model holds: weights, statistics, seeds, states, optimizer, metrics."""
    variables = [*model.variables, *model.metrics_variables]
    if model.compiled:
        variables += model.optimizer.variables
    states = [layer.states for layer in model._flatten_layers() if getattr(layer, "stateful", 0)]
    return [np.array(variable) for variable in variables + keras.tree.flatten(states)]


def assert_unchanged(model, before):
    for old, new in zip(before, everything_of(model), strict=True):
        np.testing.assert_array_equal(new, old)
    assert not any("call" in vars(layer) for layer in model._flatten_layers())


@pytest.fixture(scope="module")
def trained():
    """Augmentation, noise, batch normalisation and dropout in one model, after two steps of `fit`.

    Its two outputs lie before and after the dropout.
    """
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 1))
    x = layers.RandomTranslation(0.5, 0.5)(inputs)
    x = layers.GaussianNoise(1.0)(x)
    x = layers.Conv2D(3, 3)(x)
    x = layers.BatchNormalization(momentum=0.5)(x)
    features = layers.Flatten(name="features")(x)
    x = layers.Dropout(0.5, seed=3)(features)
    outputs = {"features": features, "logits": layers.Dense(2, name="logits")(x)}
    model = keras.Model(inputs, outputs)
    model.compile("adam", {"features": "mse", "logits": "mse"}, metrics={"logits": ["mae"]})
    x = np.random.default_rng(0).normal(size=(8, 6, 6, 1)).astype("float32")
    y = {"features": np.zeros((8, 48)), "logits": np.zeros((8, 2))}
    model.fit(x, y, batch_size=4, verbose=0)
    return model, x


def dense_network(dropout=0.4):
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(8, activation="relu"),
            layers.Dropout(dropout, seed=5),
            layers.Dense(8, activation="relu"),
            layers.Dropout(dropout, seed=6),
            layers.Dense(2),
        ]
    )


def test_nothing_in_the_model_changes(trained):
    model, x = trained
    before, plain = everything_of(model), model.predict(x, verbose=0)
    trainable = [layer.trainable for layer in model.layers]
    before_predict = everything_of(model)
    mc_predict(model, x, passes=5, seed=0)
    assert_unchanged(model, before_predict)
    assert len(before) == len(before_predict) and model.compiled
    assert [layer.trainable for layer in model.layers] == trainable
    for name, values in model.predict(x, verbose=0).items():
        np.testing.assert_array_equal(values, plain[name])


def test_only_dropout_is_random(trained):
    model, x = trained
    prediction = mc_predict(model, x, passes=5, seed=0, return_samples=True)
    assert_equal(prediction.mean["features"], model.predict(x, verbose=0)["features"])
    np.testing.assert_array_equal(prediction.std["features"], 0)
    assert (prediction.std["logits"] > 0).all()


def test_mean_and_spread_are_those_of_a_plain_loop(rng):
    model = dense_network()
    x = rng.normal(size=(4, 3)).astype("float32")
    first, first_dropout, second, second_dropout, last = model.layers
    loop = []
    for _ in range(400):
        hidden = first_dropout(first(x), training=True)
        hidden = second_dropout(second(hidden), training=True)
        loop.append(np.asarray(last(hidden)))
    prediction = mc_predict(model, x, passes=100, seed=0)
    standard_error = np.std(loop, axis=0) * np.sqrt(1 / 100 + 1 / 400)
    assert (np.abs(prediction.mean - np.mean(loop, axis=0)) < 4 * standard_error).all()
    np.testing.assert_allclose(prediction.std, np.std(loop, axis=0), rtol=0.35)


def test_mean_and_std_are_those_of_the_samples(rng):
    x = rng.normal(size=(7, 3))
    prediction = mc_predict(dense_network(), x, passes=11, batch_size=10, return_samples=True)
    assert prediction.samples.shape == (11, 7, 2)
    assert_equal(prediction.mean, prediction.samples.mean(axis=0))
    assert_equal(prediction.std, prediction.samples.std(axis=0))
    assert mc_predict(dense_network(), x, passes=2).samples is None


def test_a_small_spread_beside_a_large_mean_is_kept():
    model = keras.Sequential([keras.Input((1,)), layers.Dropout(0.5), layers.Rescaling(1, 4096.0)])
    prediction = mc_predict(model, np.ones((2, 1)), passes=40, seed=0, return_samples=True)
    np.testing.assert_allclose(prediction.std, prediction.samples.astype("float64").std(axis=0))
    assert (prediction.std > 0.5).all()


@pytest.mark.parametrize("batch_size", [8, 64])
def test_rows_and_passes_have_masks_of_their_own(batch_size):
    model = keras.Sequential([keras.Input((60,)), layers.Dropout(0.5), layers.Dense(1)])
    samples = mc_predict(
        model, np.ones((20, 60)), passes=30, batch_size=batch_size, seed=0, return_samples=True
    ).samples
    assert len(np.unique(samples)) > 0.98 * samples.size


def test_the_same_seed_draws_the_same_samples_and_another_does_not():
    model, x = dense_network(), np.ones((3, 3))

    def draw(seed):
        return mc_predict(model, x, passes=4, seed=seed, return_samples=True).samples

    np.testing.assert_array_equal(draw(7), draw(7))
    assert not np.array_equal(draw(7), draw(8))
    assert not np.array_equal(draw(None), draw(None))


def test_two_layers_with_one_seed_draw_different_masks():
    """Keras gives them the same masks, so their sum would vary more than two layers should."""
    inputs = keras.Input((40,))
    one, other = layers.Dropout(0.5, seed=1)(inputs), layers.Dropout(0.5, seed=1)(inputs)
    model = keras.Model(inputs, layers.Subtract()([one, other]))
    np.testing.assert_array_equal(model(np.ones((1, 40)), training=True), 0)
    assert (mc_predict(model, np.ones((1, 40)), passes=30, seed=0).std > 0).all()


SEQUENCE, IMAGE, FILM, VIDEO = (4, 3), (4, 4, 3), (3, 3, 3, 2), (3, 4, 4, 2)
KINDS = {
    "Dropout": (layers.Dropout(0.5), (6,)),
    "Dropout with a noise shape": (layers.Dropout(0.5, noise_shape=(None, 1, 3)), SEQUENCE),
    "SpatialDropout1D": (layers.SpatialDropout1D(0.5), SEQUENCE),
    "SpatialDropout2D": (layers.SpatialDropout2D(0.5), IMAGE),
    "SpatialDropout3D": (layers.SpatialDropout3D(0.5), FILM),
    "GaussianDropout": (layers.GaussianDropout(0.5), (6,)),
    "AlphaDropout": (layers.AlphaDropout(0.5), (6,)),
    "LSTM, inputs": (layers.LSTM(3, dropout=0.5), SEQUENCE),
    "LSTM, states": (layers.LSTM(3, recurrent_dropout=0.5), SEQUENCE),
    "GRU": (layers.GRU(3, dropout=0.5, recurrent_dropout=0.5), SEQUENCE),
    "SimpleRNN": (layers.SimpleRNN(3, dropout=0.5, recurrent_dropout=0.5), SEQUENCE),
    "ConvLSTM2D": (layers.ConvLSTM2D(2, 3, dropout=0.5, recurrent_dropout=0.5), VIDEO),
    "RNN of stacked cells": (
        layers.RNN([layers.GRUCell(3), layers.LSTMCell(3, dropout=0.5)]),
        SEQUENCE,
    ),
    "Bidirectional": (layers.Bidirectional(layers.LSTM(3, dropout=0.5)), SEQUENCE),
    "TimeDistributed": (layers.TimeDistributed(layers.Dropout(0.5)), SEQUENCE),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_dropout_is_sampled_as_in_training(name, rng):
    keras.utils.set_random_seed(0)
    layer, shape = KINDS[name]
    model = keras.Sequential([keras.Input(shape), layer])
    x = rng.normal(size=(2, *shape)).astype("float32")
    before, passes = everything_of(model), 600
    prediction = mc_predict(model, x, passes=passes, seed=0)
    assert_unchanged(model, before)
    training = np.asarray(layer(np.repeat(x, passes, axis=0), training=True))
    training = training.reshape(2, passes, *training.shape[1:])
    spread = training.std(axis=1)
    assert (spread > 0).any() and spread.shape == prediction.std.shape
    distance = np.abs(prediction.mean - training.mean(axis=1))
    assert (distance <= 5 * spread * (2 / passes) ** 0.5).all()
    np.testing.assert_allclose(prediction.std, spread, rtol=0.3, atol=0.01)


@pytest.mark.parametrize(
    "attention",
    [layers.Attention(dropout=0.5), layers.MultiHeadAttention(2, 3, dropout=0.5)],
    ids=["Attention", "MultiHeadAttention"],
)
def test_the_dropout_of_attention_is_sampled(attention, rng):
    inputs = keras.Input(SEQUENCE)
    outputs = (
        attention(inputs, inputs)
        if isinstance(attention, layers.MultiHeadAttention)
        else attention([inputs, inputs])
    )
    model = keras.Model(inputs, outputs)
    before = everything_of(model)
    assert (mc_predict(model, rng.normal(size=(2, *SEQUENCE)), passes=20, seed=0).std > 0).all()
    assert_unchanged(model, before)


def test_batch_normalisation_inside_a_wrapper_stays_at_inference(rng):
    step = keras.Sequential(
        [keras.Input((3,)), layers.BatchNormalization(momentum=0.5), layers.Dropout(0.5)]
    )
    nested = keras.Sequential([keras.Input(SEQUENCE), layers.TimeDistributed(step)])
    inputs = keras.Input(SEQUENCE)
    model = keras.Model(inputs, nested(inputs))
    x = rng.normal(3.0, size=(2, *SEQUENCE)).astype("float32")
    before = everything_of(model)
    samples = mc_predict(model, x, passes=10, seed=0, return_samples=True).samples
    assert_unchanged(model, before)
    kept = samples != 0
    expected = np.broadcast_to(2 * model.predict(x, verbose=0), samples.shape)
    assert 0.3 < kept.mean() < 0.7
    assert_equal(samples[kept], expected[kept])


def test_several_inputs_and_outputs_by_name(rng):
    left, right = keras.Input((2,), name="left"), keras.Input((3,), name="right")
    both = layers.Dropout(0.5)(layers.Concatenate()([left, right]))
    model = keras.Model(
        {"left": left, "right": right},
        {"sum": layers.Dense(1)(both), "sure": layers.Dense(4)(left)},
    )
    x = {"left": rng.normal(size=(5, 2)), "right": rng.normal(size=(5, 3))}
    prediction = mc_predict(model, x, passes=6, batch_size=4, seed=0, return_samples=True)
    assert prediction.samples["sum"].shape == (6, 5, 1) and prediction.mean["sure"].shape == (5, 4)
    assert (prediction.std["sum"] > 0).all() and (prediction.std["sure"] == 0).all()
    assert_equal(prediction.mean["sure"], model.predict(x, verbose=0)["sure"])


def test_lists_of_inputs_and_outputs(rng):
    one, other = keras.Input((2,)), keras.Input((2,))
    model = keras.Model([one, other], [layers.Dropout(0.5)(one), layers.Dense(3)(other)])
    x = [rng.normal(size=(3, 2)), rng.normal(size=(3, 2))]
    first, second = mc_predict(model, x, passes=20, seed=0).std
    assert (first > 0).all() and (second == 0).all()


def test_a_subclassed_model_and_dropout_of_ones_own(rng):
    class OwnDropout(layers.Dropout):
        pass

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [layers.Dense(4), OwnDropout(0.5)]

        def call(self, x):
            for block in self.blocks:
                x = block(x)
            return x

    model = Own()
    x = rng.normal(size=(3, 2)).astype("float32")
    model(x)
    before = everything_of(model)
    assert (mc_predict(model, x, passes=20, seed=0).std > 0).all()
    assert_unchanged(model, before)


def test_a_loaded_model_draws_the_same_samples(tmp_path, rng):
    model = builders.mc_dropout_network((3,), 2, units=4)
    x = rng.normal(size=(4, 3))
    model.save(tmp_path / "model.keras")
    loaded = saving.load_model(tmp_path / "model.keras")
    assert_equal(mc_predict(loaded, x, 5, seed=0).std, mc_predict(model, x, 5, seed=0).std)


def test_dropout_baked_in_as_the_notes_quote_it_is_sampled_too():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layers.Dropout(0.5)(inputs, training=True))  # migrate: ignore
    assert (mc_predict(model, np.ones((2, 3)), passes=20, seed=0).std > 0).all()


def test_padded_steps_change_nothing(rng):
    model = keras.Sequential(
        [
            keras.Input((None,)),
            layers.Embedding(9, 4, mask_zero=True),
            layers.LSTM(3, dropout=0.5, recurrent_dropout=0.5),
        ]
    )
    x = rng.integers(1, 9, size=(5, 4))
    short = mc_predict(model, x, passes=8, seed=0, return_samples=True).samples
    padded = np.pad(x, ((0, 0), (0, 2)))
    long = mc_predict(model, padded, passes=8, seed=0, return_samples=True).samples
    assert_equal(short, long)


def test_a_stateful_model_starts_every_pass_from_its_state(rng):
    model = keras.Sequential([keras.Input(batch_shape=(2, 4, 3)), StatefulLSTM(3, dropout=0.5)])
    x = rng.normal(size=(2, 4, 3)).astype("float32")
    from_zero = mc_predict(model, x, passes=6, seed=0).mean
    assert_equal(mc_predict(model, x, passes=6, seed=0).mean, from_zero)
    model.predict(x, batch_size=2, verbose=0)
    before = everything_of(model)
    assert np.abs(mc_predict(model, x, passes=6, seed=0).mean - from_zero).max() > 1e-3
    assert_unchanged(model, before)
    with pytest.raises(InputError, match=r"`x` has 3 rows, but the stateful model .* exactly 2"):
        mc_predict(model, np.zeros((3, 4, 3)), passes=2)
    with pytest.raises(InputError, match="`shared_mask=True` needs a model that is not stateful"):
        mc_predict(model, x, passes=2, shared_mask=True)


def test_with_a_shared_mask_all_rows_of_a_pass_have_one_mask(rng):
    model = keras.Sequential([keras.Input((6,)), layers.Dropout(0.5)])
    x = rng.uniform(1, 2, size=(7, 6)).astype("float32")
    for batch_size in (1, 4, 50):
        masks = (
            mc_predict(
                model, x, 9, batch_size, seed=0, return_samples=True, shared_mask=True
            ).samples
            / x
        )
        assert_equal(masks, np.broadcast_to(masks[:, :1], masks.shape))
        assert len(np.unique(masks[:, 0], axis=0)) > 6
        np.testing.assert_allclose(np.unique(masks.round(5)), [0, 2])


def test_a_shared_mask_inside_recurrent_layers():
    model = keras.Sequential(
        [keras.Input((4, 3)), layers.GRU(3, dropout=0.5, recurrent_dropout=0.5)]
    )
    samples = mc_predict(
        model, np.ones((3, 4, 3)), passes=8, seed=0, return_samples=True, shared_mask=True
    ).samples
    assert_equal(samples, np.broadcast_to(samples[:, :1], samples.shape))
    assert len(np.unique(samples[:, 0, 0])) > 6


class Recorder(layers.Layer):
    """Notes how often it is traced, and how many rows each call really has."""

    def __init__(self):
        super().__init__()
        self.traces, self.rows = 0, []

    def call(self, inputs):
        self.traces += 1
        if keras.config.backend() == "tensorflow":
            import tensorflow as tf

            tf.py_function(lambda rows: self.rows.append(int(rows)), [tf.shape(inputs)[0]], [])
        else:
            import jax

            jax.debug.callback(lambda batch: self.rows.append(len(batch)), inputs, ordered=True)
        return inputs


@pytest.mark.parametrize("shared_mask", [False, True])
@pytest.mark.parametrize(
    ("rows", "passes", "batch_size"), [(7, 10, 20), (10, 7, 4), (5, 3, 1), (2, 50, 16)]
)
def test_no_call_has_more_rows_than_the_batch_size(rows, passes, batch_size, shared_mask):
    recorder, before = Recorder(), Recorder()
    model = keras.Sequential([keras.Input((2,)), before, layers.Dropout(0.5), recorder])
    recorder.traces = before.traces = 0
    x = np.arange(1, 2 * rows + 1, dtype="float32").reshape(rows, 2)
    samples = mc_predict(
        model, x, passes, batch_size, seed=0, return_samples=True, shared_mask=shared_mask
    ).samples
    assert recorder.traces == before.traces == 1
    assert max(recorder.rows + before.rows) <= batch_size
    assert rows <= sum(before.rows) <= 1.5 * rows
    assert rows * passes <= sum(recorder.rows) <= 1.5 * rows * passes
    assert samples.shape == (passes, rows, 2)
    assert ((samples == 0) | (samples == 2 * x)).all()


def test_activation_turns_each_sample_into_probabilities_before_averaging(rng):
    model, x = dense_network(), rng.normal(size=(4, 3))
    logits = mc_predict(model, x, 10, seed=0, return_samples=True).samples
    expected = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    prediction = mc_predict(model, x, 10, seed=0, return_samples=True, activation="softmax")
    assert_equal(prediction.samples, expected)
    assert_equal(prediction.mean, expected.mean(axis=0))


def test_activation_by_output(trained):
    model, x = trained
    plain = mc_predict(model, x, 3, seed=0, return_samples=True).samples
    samples = mc_predict(
        model,
        x,
        3,
        seed=0,
        return_samples=True,
        activation={"features": None, "logits": "sigmoid"},
    ).samples
    assert_equal(samples["features"], plain["features"])
    assert_equal(samples["logits"], 1 / (1 + np.exp(-plain["logits"])))
    with pytest.raises(InputError, match="`activation`"):
        mc_predict(model, x, 3, activation={"logits": "sigmoid"})


def test_half_precision(rng):
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(4, dtype="mixed_bfloat16"), layers.Dropout(0.5)]
    )
    prediction = mc_predict(model, rng.normal(size=(4, 3)), passes=20, seed=0)
    assert prediction.mean.dtype == "float32" and (prediction.std > 0).all()


def test_an_exception_leaves_the_model_as_it_was(rng):
    broken = False

    def activation(x):
        if broken:
            raise RuntimeError("broken on purpose")
        return keras.ops.tanh(x)

    model = keras.Sequential(
        [
            keras.Input((4, 3)),
            layers.GRU(3, dropout=0.5, recurrent_dropout=0.5, activation=activation),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
        ]
    )
    x = rng.normal(size=(2, 4, 3)).astype("float32")
    plain = model.predict(x, verbose=0)
    before = everything_of(model)
    broken = True
    with pytest.raises(RuntimeError, match="broken on purpose"):
        mc_predict(model, x, passes=2)
    broken = False
    assert_unchanged(model, before)
    assert_equal(model.predict(x, verbose=0), plain)
    assert np.isfinite(model(x, training=True)).all()


def test_trap_dropout_baked_in_when_building_does_nothing_in_predict():
    inputs = keras.Input((50,))
    model = keras.Model(inputs, layers.Dropout(0.5)(inputs, training=True))  # migrate: ignore
    np.testing.assert_array_equal(model.predict(np.ones((4, 50)), verbose=0), 1)
    assert (np.asarray(model(np.ones((4, 50)))) == 0).any()


def test_trap_calling_in_training_mode_moves_batch_norm_statistics(rng):
    normalisation = layers.BatchNormalization()
    model = keras.Sequential([keras.Input((3,)), normalisation, layers.Dropout(0.5)])
    x = rng.normal(5.0, size=(4, 3)).astype("float32")
    before = np.array(normalisation.moving_mean)
    mc_predict(model, x, passes=3)
    np.testing.assert_array_equal(normalisation.moving_mean, before)
    model(x, training=True)
    assert (np.abs(normalisation.moving_mean - before) > 0.01).all()


def test_trap_dropout_after_the_last_layer_gives_zeros():
    model = keras.Sequential(
        [keras.Input((2,)), layers.Dense(1, bias_initializer="ones"), layers.Dropout(0.5)]
    )
    samples = mc_predict(model, np.zeros((1, 2)), passes=400, seed=0, return_samples=True).samples
    assert set(np.unique(samples)) == {0, 2} and 0.4 < (samples == 0).mean() < 0.6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"passes": 0}, "`passes` is 0, but must be at least 1"),
        ({"batch_size": 0}, "`batch_size` is 0"),
        ({"seed": -1}, "`seed` is -1"),
        ({"x": np.zeros((0, 3))}, r"arrays of \[0\] rows"),
        ({"x": [np.zeros((2, 3)), np.zeros((3, 3))]}, r"arrays of \[2, 3\] rows"),
        ({"x": [[1.0, 2.0, 3.0]]}, "`x` must be an array, or a list or dictionary of arrays"),
        ({"activation": "soft"}, "`activation`: .*soft"),
        ({"model": "network"}, "`model` is 'network', but must be a `keras.Model`"),
        ({"model": keras.Sequential([layers.Dropout(0.5)])}, "has no weights yet"),
        ({"model": builders.mlp((3,), 1)}, "no dropout with a rate above 0.*mc_dropout_network"),
        ({"model": keras.Sequential([keras.Input((3,)), layers.Dropout(0.0)])}, "no dropout"),
        ({"model": keras.Sequential([keras.Input((4, 3)), layers.LSTM(2)])}, "no dropout"),
    ],
)
def test_errors(arguments, message):
    arguments = {"model": dense_network(), "x": np.zeros((2, 3))} | arguments
    with pytest.raises(InputError, match=message):
        mc_predict(**arguments)


@pytest.fixture
def classified(rng):
    """Samples of probabilities of shape (passes, rows, classes) with a certain one, and labels."""
    samples = rng.dirichlet([0.5, 0.5, 0.5], size=(6, 40))
    samples[:, 0] = [0.0, 1.0, 0.0]
    return samples, rng.integers(3, size=40)


def entropy_by_hand(probabilities):
    return -sum(p * np.log(p) for p in probabilities if p > 0)


def test_predictive_entropy(classified):
    mean = classified[0].mean(axis=0)
    assert_equal(predictive_entropy(mean), np.array([entropy_by_hand(row) for row in mean]), 1e-12)
    assert predictive_entropy(mean)[0] == 0
    assert_equal(predictive_entropy(np.full((1, 4), 0.25)), np.log([4.0]), 1e-12)


def test_mutual_information(classified):
    samples, _ = classified
    expected = []
    for row in range(samples.shape[1]):
        passes = samples[:, row]
        inside = sum(entropy_by_hand(one) for one in passes) / len(passes)
        expected.append(entropy_by_hand(sum(passes) / len(passes)) - inside)
    assert_equal(mutual_information(samples), np.array(expected), 1e-12)
    assert mutual_information(samples)[0] == 0
    assert_equal(mutual_information(np.repeat(samples[:1], 5, axis=0)), np.zeros(40), 1e-12)
    assert (mutual_information(samples) >= 0).all()


def test_negative_log_likelihood(classified):
    probabilities, labels = classified[0].mean(axis=0), classified[1]
    total = 0
    for row in range(1, 40):
        total -= np.log(probabilities[row][labels[row]])
    assert_equal(negative_log_likelihood(labels[1:], probabilities[1:]), total / 39, 1e-12)


def test_negative_log_likelihood_of_a_certain_mistake():
    assert negative_log_likelihood([1], [[1.0, 0.0]]) == -np.log(1e-7)
    assert negative_log_likelihood([1], [[1.0, 0.0]], epsilon=0) == np.inf
    assert negative_log_likelihood([0], [[1.0, 0.0]]) == 0


def test_brier(classified):
    probabilities, labels = classified[0].mean(axis=0), classified[1]
    total = 0
    for row, label in zip(probabilities, labels, strict=True):
        for number, probability in enumerate(row):
            total += (probability - (number == label)) ** 2
    assert_equal(brier(labels, probabilities), total / len(labels), 1e-12)
    assert brier([0, 0], [[1.0, 0.0], [0.0, 1.0]]) == 1


@pytest.mark.parametrize("bins", [1, 4, 10, 50])
def test_expected_calibration_error(classified, bins):
    probabilities, labels = classified[0].mean(axis=0), classified[1]
    expected = 0
    for number in range(bins):
        inside = [
            (row.max(), row.argmax() == label)
            for row, label in zip(probabilities, labels, strict=True)
            if number / bins < row.max() <= (number + 1) / bins
        ]
        if inside:
            confidence, accuracy = np.mean(inside, axis=0)
            expected += len(inside) / len(labels) * abs(accuracy - confidence)
    assert_equal(expected_calibration_error(labels, probabilities, bins), expected, 1e-12)


def test_expected_calibration_error_on_the_edge_of_a_bin():
    probabilities = np.array([[0.5, 0.5], [0.6, 0.4]])
    assert_equal(expected_calibration_error([0, 1], probabilities, bins=2), (0.5 + 0.6) / 2, 1e-12)
    assert_equal(expected_calibration_error([1, 0], probabilities, bins=1), 0.05, 1e-12)
    assert expected_calibration_error([0, 1], np.eye(2)) == 0


def test_classification_scores(classified):
    probabilities, labels = classified[0].mean(axis=0), classified[1]
    right = [row.argmax() == label for row, label in zip(probabilities, labels, strict=True)]
    assert classification_scores(labels, probabilities) == {
        "nll": negative_log_likelihood(labels, probabilities),
        "accuracy": sum(right) / 40,
        "ece": expected_calibration_error(labels, probabilities),
        "brier": brier(labels, probabilities),
    }


def likelihood_by_hand(targets, samples, precision):
    """Equation 8 for one row after the other, in its product form."""
    total = 0
    for row, target in enumerate(targets):
        density = 0
        for one in samples[:, row]:
            product = 1
            for value, truth in zip(one, target, strict=True):
                scale = np.sqrt(precision / (2 * np.pi))
                product *= scale * np.exp(-0.5 * precision * (truth - value) ** 2)
            density += product / len(samples)
        total -= np.log(density)
    return total / len(targets)


@pytest.mark.parametrize("outputs", [1, 3])
def test_gaussian_negative_log_likelihood(rng, outputs):
    targets, samples = rng.normal(size=(6, outputs)), rng.normal(size=(5, 6, outputs))
    for precision in (0.1, 1.0, 7.0):
        actual = gaussian_negative_log_likelihood(targets, samples, precision)
        assert_equal(actual, likelihood_by_hand(targets, samples, precision), 1e-9)


def test_flat_targets_meet_the_column_of_a_network(rng):
    targets, samples = rng.normal(size=6), rng.normal(size=(5, 6, 1))
    actual = gaussian_negative_log_likelihood(targets, samples, 2.0)
    assert actual == gaussian_negative_log_likelihood(targets[:, None], samples, 2.0)
    assert actual == gaussian_negative_log_likelihood(targets, samples[..., 0], 2.0)


@pytest.mark.parametrize("outputs", [1, 3])
def test_regression_scores(rng, outputs):
    targets, samples = rng.normal(size=(6, outputs)), rng.normal(size=(5, 6, outputs))
    squares = 0
    for row in range(6):
        for output in range(outputs):
            squares += (sum(samples[:, row, output]) / 5 - targets[row, output]) ** 2
    scores = regression_scores(targets, samples, 2.0)
    assert scores["nll"] == gaussian_negative_log_likelihood(targets, samples, 2.0)
    assert_equal(scores["rmse"], np.sqrt(squares / (6 * outputs)), 1e-12)


@pytest.mark.parametrize(("spread", "outputs"), [(0.0, 1), (0.1, 1), (1.0, 2), (30.0, 1)])
def test_no_precision_is_better_than_the_fitted_one(rng, spread, outputs):
    targets = rng.normal(size=(60, outputs))
    samples = 0.3 * rng.normal(size=(60, outputs)) + spread * rng.normal(size=(20, 60, outputs))
    precision = fit_precision(targets, samples)
    best = gaussian_negative_log_likelihood(targets, samples, precision)
    for other in precision * np.geomspace(1e-3, 1e3, 2001):
        assert best <= gaussian_negative_log_likelihood(targets, samples, other) + 1e-6


def test_one_pass_gives_one_over_the_mean_squared_error(rng):
    targets, samples = rng.normal(size=9), rng.normal(size=(1, 9))
    assert_equal(fit_precision(targets, samples) * np.mean((targets - samples) ** 2), 1.0)


@pytest.mark.parametrize(
    ("score", "arguments", "message"),
    [
        (brier, ([0, 1], [[2.0, -1.0], [0.5, 0.5]]), "no probabilities.*Logits need a softmax"),
        (predictive_entropy, ([[1.0, 3.0]],), "no probabilities"),
        (mutual_information, ([[[1.0, 3.0]]],), "no probabilities"),
        (
            brier,
            ([0], [[0.5, 0.5], [0.5, 0.5]]),
            r"shape \(1,\) and `probabilities` of shape \(2, 2",
        ),
        (brier, ([[0, 1]], [[0.5, 0.5]]), "do not fit"),
        (brier, ([0.0], [[0.5, 0.5]]), "type float64, but must hold integers"),
        (brier, ([2], [[0.5, 0.5]]), "from 2 to 2, but `probabilities` has columns for 0 to 1"),
        (negative_log_likelihood, ([-1], [[0.5, 0.5]]), "from -1"),
        (expected_calibration_error, ([0], [[0.5, 0.5]], 0), "`bins` is 0"),
        (gaussian_negative_log_likelihood, ([0.0], [[1.0]], 0.0), "`precision` is 0.0"),
        (fit_precision, ([0.0, 1.0], [[0.0]]), r"shape \(1, 1\).*shape \(2,\)"),
        (fit_precision, ([0.0, 1.0], np.zeros((4, 2, 2))), "`targets` has 1 outputs.*has 2"),
        (fit_precision, ([0.0], [0.0]), r"axes \(passes, rows, outputs\)"),
        (fit_precision, ([1.0], [[1.0], [1.0]]), "equal their samples everywhere"),
    ],
)
def test_errors_of_the_scores(score, arguments, message):
    with pytest.raises(InputError, match=message):
        score(*arguments)
