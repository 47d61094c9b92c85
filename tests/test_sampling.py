"""What `mc_predict` computes once, what it computes in every pass, and what it remembers."""

import gc
import weakref

from dlnotes import _sampling
from dlnotes.uncertainty import mc_predict
import keras
from keras import layers, ops
import numpy as np
import pytest

from contracts import assert_equal


class Counter(layers.Layer):
    """Notes how many rows each of its calls really has, and how often it is traced."""

    def __init__(self, **options):
        super().__init__(**options)
        self.supports_masking = True
        self.rows, self._traces = [], 0

    def call(self, inputs):
        self._traces += 1
        if keras.config.backend() == "tensorflow":
            import tensorflow as tf

            tf.py_function(lambda rows: self.rows.append(int(rows)), [tf.shape(inputs)[0]], [])
        else:
            import jax

            jax.debug.callback(lambda batch: self.rows.append(len(batch)), inputs, ordered=True)
        return inputs

    @property
    def traces(self):
        return self._traces

    def forget(self):
        self.rows.clear()
        self._traces = 0


@keras.saving.register_keras_serializable(package="tests")
class EveryOther(layers.Dropout):
    """Dropout without chance: it drops every other unit, so that it can be compared exactly."""

    def call(self, inputs, training=False):
        if not training:
            return inputs
        return inputs * ops.cast(ops.arange(inputs.shape[-1]) % 2, inputs.dtype) / (1 - self.rate)


PASSES, ROWS = 6, 5


def counted(build):
    """Builds a model with a counter before and one behind its dropout; both forget the building."""
    before, behind = Counter(), Counter()
    model = build(before, behind)
    before.forget()
    behind.forget()
    return model, before, behind


def assert_split(model, before, behind, x, rows=ROWS):
    """What is before the dropout sees each row once, what is behind it sees it in every pass."""
    prediction = mc_predict(model, x, passes=PASSES, batch_size=16, seed=0)
    assert (before.traces, behind.traces) == (1, 1)
    assert sum(before.rows) == rows
    assert sum(behind.rows) == PASSES * rows
    return prediction


def dense(units=4, **options):
    return layers.Dense(units, activation="tanh", **options)


def sequential(before, behind, dropout=layers.Dropout):
    return keras.Sequential([keras.Input((4,)), dense(), before, dropout(0.5), dense(), behind])


def branches(before, behind, dropout=layers.Dropout):
    inputs = keras.Input((4,))
    sure = before(dense()(inputs))
    both = layers.Add()([sure, dropout(0.5)(dense()(inputs))])
    return keras.Model(inputs, behind(both + sure))


def operations(before, behind, dropout=layers.Dropout):
    inputs = keras.Input((4,))
    sure = before(ops.tanh(inputs * 2.0 + 1.0))
    return keras.Model(inputs, behind(ops.maximum(dropout(0.5)(sure), sure)))


def nested_backbone(before, behind, dropout=layers.Dropout):
    backbone = keras.Sequential([keras.Input((4,)), dense(), before])
    inputs = keras.Input((4,))
    return keras.Model(inputs, behind(dropout(0.5)(backbone(inputs))))


def late_dropout_in_a_nested_model(before, behind, dropout=layers.Dropout):
    nested = keras.Sequential([keras.Input((4,)), dense(), before, dropout(0.5), dense()])
    inputs = keras.Input((4,))
    return keras.Model(inputs, behind(nested(dense()(inputs))))


def nested_twice(before, behind, dropout=layers.Dropout):
    inner_inputs = keras.Input((4,))
    inner = before(dense()(inner_inputs))
    inner = keras.Model(inner_inputs, [dropout(0.5)(inner), inner])
    middle = keras.Sequential([keras.Input((4,)), dense(), layers.Dropout(0.0)])
    inputs = keras.Input((4,))
    dropped, sure = inner(middle(inputs))
    return keras.Model(inputs, behind(layers.Concatenate()([dropped, sure])))


def unused_dropout_of_rate_zero(before, behind, dropout=layers.Dropout):
    inputs = keras.Input((4,))
    x = before(layers.GaussianNoise(1.0)(layers.Dropout(0.0)(inputs)))
    return keras.Model(inputs, behind(dropout(0.5)(x)))


BUILDS = [
    sequential,
    branches,
    operations,
    nested_backbone,
    late_dropout_in_a_nested_model,
    nested_twice,
    unused_dropout_of_rate_zero,
]


@pytest.mark.parametrize("build", BUILDS)
def test_what_no_dropout_reaches_is_computed_once(build, rng):
    model, before, behind = counted(build)
    x = rng.normal(size=(ROWS, 4)).astype("float32")
    assert (assert_split(model, before, behind, x).std > 0).any()


@pytest.mark.parametrize("build", BUILDS)
def test_split_or_not_the_outputs_are_those_of_the_model(build, rng):
    model = build(layers.Activation("tanh"), dense(3), EveryOther)
    x = rng.normal(size=(ROWS, 4)).astype("float32")
    noise = [layer for layer in model.layers if isinstance(layer, layers.GaussianNoise)]
    for layer in noise:
        layer.stddev = 0.0
    expected = np.asarray(model(x, training=True))
    assert np.abs(expected - model.predict(x, verbose=0)).max() > 1e-3
    prediction = mc_predict(model, x, passes=PASSES, batch_size=7, return_samples=True)
    for sample in prediction.samples:
        assert_equal(sample, expected)
    assert_equal(mc_predict(model, x, passes=PASSES, batch_size=7).mean, expected)
    assert_equal(prediction.std, np.zeros_like(expected))


def test_several_inputs_and_outputs_of_which_one_is_sure(rng):
    before, behind = Counter(), Counter()
    left, right = keras.Input((4,), name="left"), keras.Input((3,), name="right")
    sure = before(dense()(left))
    unsure = behind(layers.Concatenate()([sure, layers.Dropout(0.5)(right)]))
    model = keras.Model({"left": left, "right": right}, {"sure": sure, "unsure": unsure})
    before.forget()
    behind.forget()
    x = {"left": rng.normal(size=(ROWS, 4)), "right": rng.normal(size=(ROWS, 3))}
    prediction = assert_split(model, before, behind, x)
    np.testing.assert_array_equal(prediction.std["sure"], 0)
    np.testing.assert_array_equal(prediction.std["unsure"][:, :4], 0)
    assert (prediction.std["unsure"][:, 4:] > 0).any()
    assert_equal(prediction.mean["sure"], model.predict(x, verbose=0)["sure"])


def test_a_layer_used_before_and_behind_the_dropout(rng):
    shared = dense()
    model = keras.Sequential([keras.Input((4,)), shared, EveryOther(0.5), shared, shared])
    inputs = keras.Input((4,))
    model = keras.Model(inputs, [shared(inputs), shared(EveryOther(0.5)(shared(inputs)))])
    x = rng.normal(size=(ROWS, 4)).astype("float32")
    kernel, bias = shared.get_weights()
    once = np.tanh(x @ kernel + bias)
    dropped = once * (np.arange(4) % 2) / 0.5
    sure, unsure = mc_predict(model, x, passes=3, batch_size=8).mean
    assert_equal(sure, once)
    assert_equal(unsure, np.tanh(dropped @ kernel + bias))


def test_a_nested_model_used_before_and_behind_the_dropout(rng):
    nested = keras.Sequential([keras.Input((4,)), dense(), EveryOther(0.5), dense()])
    inputs = keras.Input((4,))
    model = keras.Model(inputs, nested(nested(inputs)))
    x = rng.normal(size=(ROWS, 4)).astype("float32")
    expected = np.asarray(model(x, training=True))
    assert_equal(mc_predict(model, x, passes=3, batch_size=8).mean, expected)


def test_training_baked_into_a_call_does_not_reach_the_sure_part(rng):
    inputs = keras.Input((4,))
    x = layers.BatchNormalization()(inputs, training=True)  # migrate: ignore
    model = keras.Model(inputs, [layers.Dropout(0.5)(x), x])
    x = rng.normal(5.0, size=(ROWS, 4)).astype("float32")
    before = [np.array(variable) for variable in model.variables]
    assert_equal(mc_predict(model, x, passes=3).mean[1], model.predict(x, verbose=0)[1])
    for variable, old in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, old)


def padded_models():
    def straight(masked):
        x = EveryOther(0.5)(masked)
        return layers.LSTM(3)(x)

    def one_side(masked):
        sure = layers.LSTM(3, return_sequences=True)(masked)
        return layers.LSTM(3)(layers.Add()([EveryOther(0.5)(sure), sure]))

    def nested(masked):
        inner = keras.Sequential(
            [keras.Input((None, 4)), layers.GRU(3, return_sequences=True), EveryOther(0.5)]
        )
        return layers.LSTM(3)(inner(masked))

    def pooled(masked):
        return layers.GlobalAveragePooling1D()(EveryOther(0.5)(masked))

    return [straight, one_side, nested, pooled]


@pytest.mark.parametrize("build", padded_models())
def test_masks_reach_what_is_sampled(build, rng):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None,))
    model = keras.Model(inputs, build(layers.Embedding(9, 4, mask_zero=True)(inputs)))
    x = rng.integers(1, 9, size=(4, 5))
    x[1:, 3:] = 0
    expected = np.asarray(model(x, training=True))
    assert_equal(mc_predict(model, x, passes=3, batch_size=8).mean, expected)
    shorter = mc_predict(model, x[1:, :3], passes=3, batch_size=8).mean
    assert_equal(shorter, expected[1:])


def test_tensors_without_rows_in_front_are_not_repeated(rng):
    class Positions(layers.Layer):
        def call(self, inputs):
            return ops.ones_like(inputs[0]) * 0.5

        def compute_output_shape(self, input_shape):
            return input_shape[1:]

    inputs = keras.Input((3, 4))
    first = ops.transpose(dense()(inputs), (1, 0, 2))
    x = ops.transpose(EveryOther(0.5)(first), (1, 0, 2)) + Positions()(inputs)
    model = keras.Model(inputs, x)
    x = rng.normal(size=(ROWS, 3, 4)).astype("float32")
    expected = np.asarray(model(x, training=True))
    assert_equal(mc_predict(model, x, passes=6, batch_size=32).mean, expected)


def test_a_random_layer_of_ones_own_is_drawn_in_every_pass():
    class Noise(layers.Layer):
        def __init__(self):
            super().__init__()
            self.seed_generator = keras.random.SeedGenerator(1)

        def call(self, inputs):
            return inputs + keras.random.normal(ops.shape(inputs), seed=self.seed_generator)

    noise = Noise()
    inputs = keras.Input((4,))
    noisy = noise(inputs)
    model = keras.Model(inputs, [noisy, layers.Dropout(0.5)(noisy)])
    state = np.array(noise.seed_generator.state)
    assert (mc_predict(model, np.ones((3, 4)), passes=20, seed=0).std[0] > 0.3).all()
    np.testing.assert_array_equal(noise.seed_generator.state, state)


def test_moments_are_those_of_the_samples_over_many_calls(rng):
    model = sequential(dense(), dense())
    x = rng.normal(size=(7, 4))
    for passes, batch_size in ((3, 4), (33, 7), (40, 3), (70, 1), (70, 14)):
        options = {"passes": passes, "batch_size": batch_size, "seed": 3}
        prediction = mc_predict(model, x, **options)
        samples = mc_predict(model, x, **options, return_samples=True).samples
        assert_equal(prediction.mean, samples.mean(axis=0))
        assert_equal(prediction.std, samples.std(axis=0))


def test_a_second_call_traces_nothing_and_sees_new_weights(rng):
    model, before, behind = counted(sequential)
    x = rng.normal(size=(ROWS, 4)).astype("float32")
    old = mc_predict(model, x, passes=3, seed=0).mean
    for passes in (3, 5, 100):
        assert_equal(mc_predict(model, x, passes=3, seed=0).mean, old)
        mc_predict(model, x, passes=passes, batch_size=ROWS, seed=0)
    assert (before.traces, behind.traces) == (1, 2)
    kernel, bias = model.layers[0].get_weights()
    model.layers[0].set_weights([kernel + 1, bias])
    new = mc_predict(model, x, passes=3, seed=0).mean
    assert np.abs(new - old).max() > 1e-3 and behind.traces == 2
    model.layers[0].set_weights([kernel, bias])
    assert_equal(mc_predict(model, x, passes=3, seed=0).mean, old)


def test_fit_between_two_calls_is_seen(rng):
    model = keras.Sequential([keras.Input((4,)), dense(), EveryOther(0.5), dense(2)])
    model.compile("sgd", "mse")
    x, y = rng.normal(size=(ROWS, 4)).astype("float32"), np.ones((ROWS, 2))
    for _ in range(2):
        mc_predict(model, x, passes=3)
        model.fit(x, y, verbose=0)
        expected = np.asarray(model(x, training=True))
        assert_equal(mc_predict(model, x, passes=3).mean, expected)


def test_another_batch_size_and_other_rows(rng):
    model = keras.Sequential([keras.Input((4,)), dense(), EveryOther(0.5), dense(2)])
    for rows, batch_size in ((3, 4), (7, 4), (1, 64), (20, 64)):
        x = rng.normal(size=(rows, 4)).astype("float32")
        mean = mc_predict(model, x, passes=3, batch_size=batch_size).mean
        assert_equal(mean, np.asarray(model(x, training=True)))


def test_a_changed_layer_is_noticed():
    model = keras.Sequential([keras.Input((100,)), layers.Dropout(0.5)])
    x = np.ones((4, 100))

    def values():
        return set(np.unique(mc_predict(model, x, 5, seed=0, return_samples=True).samples))

    assert values() == {0, 2}
    model.layers[0].rate = 0.75
    assert values() == {0, 4}
    model.layers[0].noise_shape = (None, 1)
    samples = mc_predict(model, x, 5, seed=0, return_samples=True).samples
    np.testing.assert_array_equal(samples, samples[..., :1] * np.ones(100))
    model.add(layers.Rescaling(3.0))
    assert values() <= {0, 12}
    model.layers[-1].scale = 2.0
    assert values() <= {0, 8}
    model.pop()
    model.add(layers.Activation("exponential"))
    assert {round(float(value), 3) for value in values()} <= {1, round(float(np.exp(4)), 3)}


def test_the_cache_keeps_no_model_alive(rng):
    inputs = keras.Input((4,))
    outputs = dense()(layers.Dropout(0.5)(dense()(inputs)))
    for build in (lambda: keras.Model(inputs, outputs), lambda: sequential(dense(), dense())):
        model = build()
        mc_predict(model, rng.normal(size=(2, 4)), passes=2)
        assert _sampling.sampler_of(model) is _sampling.sampler_of(model)
        alive = weakref.ref(model)
        del model
        gc.collect()
        assert alive() is None


def drawn(units, rate, seed, **options):
    return np.asarray(_sampling.dropped(ops.ones(units), np.array(seed), rate, **options))


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.9])
def test_units_are_kept_at_the_right_rate_and_scaled(rate):
    units = 1_000_000
    values = drawn((1000, 1000), rate, (1, 2))
    np.testing.assert_allclose(np.unique(values), [0, 1 / (1 - rate)], rtol=1e-6)
    bound = 5 * np.sqrt(rate * (1 - rate) / units)
    assert abs((values == 0).mean() - rate) < bound
    for axis in (0, 1):
        shares = (values == 0).mean(axis=axis)
        expected = rate * (1 - rate) / 1000
        assert abs(shares.var() / expected - 1) < 5 * np.sqrt(2 / 1000)


def test_units_rows_and_seeds_are_independent():
    """The correlations of masks are as small as those of 400,000 independent coins."""
    masks = {seed: drawn((4000, 100), 0.5, seed) - 1 for seed in [(1, 2), (1, 3), (2, 2), (2, 1)]}
    bound = 5 / np.sqrt(400_000)
    first = masks[1, 2]
    for shift in (1, 2, 7, 64):
        assert abs((first * np.roll(first, shift, axis=0)).mean()) < bound
        assert abs((first * np.roll(first, shift, axis=1)).mean()) < bound
    for seed, other in masks.items():
        if seed != (1, 2):
            for shift in (0, 1, -1):
                flat = np.roll(other.ravel(), shift)
                assert abs((first.ravel() * flat).mean()) < bound
    pairs = np.corrcoef(first.T)[~np.eye(100, dtype=bool)]
    assert abs(pairs.std() * np.sqrt(4000) - 1) < 0.05


def test_the_same_layer_twice_in_a_pass_draws_two_masks():
    dropout = layers.Dropout(0.5)
    inputs = keras.Input((1000,))
    model = keras.Model(inputs, layers.Concatenate()([dropout(inputs), dropout(inputs)]))
    one, other = np.split(
        mc_predict(model, np.ones((20, 1000)), 1, seed=0, return_samples=True).samples[0] - 1, 2, 1
    )
    assert abs((one * other).mean()) < 5 / np.sqrt(20_000)


def test_a_noise_shape_shares_the_mask():
    values = drawn((50, 6, 4), 0.5, (1, 2), noise_shape=(None, 1, 4))
    np.testing.assert_array_equal(values, np.broadcast_to(values[:, :1], values.shape))
    assert len(np.unique(values[:, 0])) == 2 and np.ptp(values[:, 0], axis=1).max() == 2
