from dlnotes.entmax import entmax
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

ALPHAS = [1.1, 1.5, 2.0, 2.5]


def plain(scores, alpha):
    """Equation 8 of Peters et al. with a bisection to the last bit, for each row alone."""
    rows = []
    for row in (alpha - 1) * np.asarray(scores, "float64"):
        low, high = row.max() - 1, row.max()
        for _ in range(200):
            middle = (low + high) / 2
            total = (np.maximum(row - middle, 0) ** (1 / (alpha - 1))).sum()
            low, high = (middle, high) if total >= 1 else (low, middle)
        rows.append(np.maximum(row - low, 0) ** (1 / (alpha - 1)))
    return np.array(rows)


def gradients(scores, alpha, towards):
    """The gradients of `sum(towards * entmax(scores, alpha))`, of one layer with two weights."""
    layer = keras.layers.Layer()
    layer.scores = layer.add_weight(shape=scores.shape, initializer="zeros", dtype="float64")
    layer.alpha = layer.add_weight(shape=(), initializer="zeros", dtype="float64")
    layer.scores.assign(scores)
    layer.alpha.assign(alpha)
    if keras.config.backend() == "jax":
        import jax

        def total(scores, alpha):
            return (entmax(scores, alpha) * towards).sum()

        return [np.asarray(g) for g in jax.grad(total, (0, 1))(scores.astype("float32"), alpha)]
    import tensorflow as tf

    with tf.GradientTape() as tape:
        probabilities = entmax(layer.scores.value, layer.alpha.value)
        total = tf.reduce_sum(probabilities * towards)
    return [np.asarray(g) for g in tape.gradient(total, [v.value for v in layer.variables])]


@pytest.fixture
def scores(rng):
    return 2 * rng.normal(size=(20, 9))


@pytest.mark.parametrize("alpha", ALPHAS)
def test_equals_the_definition(alpha, scores):
    found, expected = np.asarray(entmax(scores, alpha)), plain(scores, alpha)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=2e-6)
    np.testing.assert_array_equal(found > 0, expected > 0)


def test_sparsemax_of_the_textbook_and_softmax_as_the_limit(scores):
    textbook = np.array([[3.0, 1.0, 0.5, -1.0], [0.5, 0.4, -0.2, -1.0]])
    np.testing.assert_allclose(entmax(textbook, 2), [[1, 0, 0, 0], [0.55, 0.45, 0, 0]], atol=1e-6)
    small = scores / 10
    np.testing.assert_allclose(
        entmax(small, 1.01), keras.ops.softmax(keras.ops.cast(small, "float32")), atol=2e-3
    )


def test_zeros_grow_with_alpha_and_softmax_has_none(scores):
    zeros = [(np.asarray(entmax(scores, alpha)) == 0).mean() for alpha in ALPHAS]
    assert zeros == sorted(zeros) and zeros[0] < zeros[-1]
    assert (np.asarray(keras.ops.softmax(scores)) > 0).all()


@pytest.mark.parametrize("alpha", ALPHAS)
def test_gradient_equals_the_jacobian_of_the_paper(alpha, scores, rng):
    towards = rng.normal(size=scores.shape)
    found, _ = gradients(scores, alpha, towards)
    p = plain(scores, alpha)
    s = np.where(p > 0, np.where(p > 0, p, 1) ** (2 - alpha), 0)
    share = (s * towards).sum(axis=-1, keepdims=True) / s.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(found, s * (towards - share), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_gradients_equal_finite_differences(alpha, scores, rng):
    scores, towards, step = scores[:3], rng.normal(size=(3, 9)), 1e-5
    by_scores, by_alpha = gradients(scores, alpha, towards)

    def total(scores, alpha):
        return (plain(scores, alpha) * towards).sum()

    for place in np.ndindex(scores.shape):
        moved = np.zeros_like(scores)
        moved[place] = step
        slope = (total(scores + moved, alpha) - total(scores - moved, alpha)) / (2 * step)
        np.testing.assert_allclose(by_scores[place], slope, atol=1e-3)
    slope = (total(scores, alpha + step) - total(scores, alpha - step)) / (2 * step)
    np.testing.assert_allclose(by_alpha, slope, rtol=1e-2, atol=1e-3)


def test_each_row_of_scores_may_have_its_own_alpha_and_axis(scores):
    alphas = np.linspace(1.2, 2, 20)[:, np.newaxis]
    expected = np.concatenate([plain(row[None], *a) for row, a in zip(scores, alphas, strict=True)])
    np.testing.assert_allclose(entmax(scores, alphas), expected, atol=2e-6)
    np.testing.assert_allclose(entmax(scores.T, alphas.T, axis=0), expected.T, atol=2e-6)


def test_extreme_scores_stay_finite_in_half_precision():
    scores = np.array([[6e4, 0.0, -6e4], [0.0, 0.0, 0.0]], "float16")
    found = entmax(scores, 1.5)
    assert keras.backend.standardize_dtype(found.dtype) == "float16"
    np.testing.assert_allclose(found, [[1, 0, 0], [1 / 3] * 3], atol=1e-3)


def test_alpha_of_softmax_is_refused():
    with pytest.raises(InputError, match=r"`alpha` is 1, .* use `keras\.ops\.softmax`"):
        entmax(np.zeros((1, 2)), 1)
