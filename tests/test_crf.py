"""The recursions equal sums and maxima over all sequences of tags."""

import itertools

from dlnotes import crf, saving
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal

DOUBLE = keras.backend.backend() == "tensorflow"  # JAX computes in float32 unless told otherwise
TOLERANCE = 1e-9 if DOUBLE else 2e-5
MASKS = np.array(
    [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [0, 1, 1, 1, 0], [1, 0, 0, 1, 1]], bool
)


def random_facts(rng, tags, rows=5, steps=5):
    """Potentials, transitions, scores of the first and the last tag."""
    shapes = (rows, steps, tags), (tags, tags), (tags,), (tags,)
    return [rng.normal(scale=2, size=shape) for shape in shapes]


def runs_of(mask):
    """The unbroken runs of real steps, as arrays of step numbers."""
    steps = np.flatnonzero(mask)
    runs = np.split(steps, np.flatnonzero(np.diff(steps) > 1) + 1)
    return [run for run in runs if len(run)]


def all_scores(potentials, transitions, start, end):
    """Every sequence of tags of one run of real steps, with its score, written out."""
    steps, tags = potentials.shape
    scores = {}
    for path in itertools.product(range(tags), repeat=steps):
        total = start[path[0]] + end[path[-1]]
        total += sum(potentials[step, tag] for step, tag in enumerate(path))
        scores[path] = total + sum(transitions[pair] for pair in itertools.pairwise(path))
    return scores


def by_enumeration(mask, potentials, *facts):
    """Log-partition, best tags (zero on padded steps) and marginals of one row."""
    total, best = 0.0, np.zeros(len(mask), int)
    marginals = np.full(potentials.shape, np.nan)
    for run in runs_of(mask):
        scores = all_scores(potentials[run], *facts)
        log_sum = np.logaddexp.reduce(list(scores.values()))
        total += log_sum
        best[run] = max(scores, key=scores.get)
        marginals[run] = 0
        for path, score in scores.items():
            marginals[run, path] += np.exp(score - log_sum)
    return total, best, marginals


@pytest.mark.parametrize("tags", [2, 3, 4])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5])
def test_sum_best_and_marginals_are_those_of_all_sequences(steps, tags, rng):
    facts = random_facts(rng, tags, steps=steps)
    mask = MASKS[:, :steps]
    chain = crf.conditionals(*facts, mask)
    totals, bests, marginals = (
        crf.log_partition(*facts, mask),
        crf.decode(chain),
        crf.marginals(chain),
    )
    for row, real in enumerate(mask):
        total, best, expected = by_enumeration(real, facts[0][row], *facts[1:])
        assert_equal(totals[row], total, TOLERANCE)
        np.testing.assert_array_equal(bests[row], best)
        assert_equal(np.asarray(marginals[row])[real], expected[real], TOLERANCE)


def test_without_a_mask_all_steps_are_real_and_ends_score_nothing_unless_given(rng):
    potentials, transitions, *_ = random_facts(rng, 3, rows=2, steps=4)
    nothing, every = np.zeros(3), np.ones((2, 4), bool)
    assert_equal(
        crf.log_partition(potentials, transitions),
        crf.log_partition(potentials, transitions, nothing, nothing, every),
    )
    for row, total in zip(potentials, crf.log_partition(potentials, transitions), strict=True):
        scores = all_scores(row, transitions, nothing, nothing)
        assert_equal(total, np.logaddexp.reduce(list(scores.values())), TOLERANCE)


def test_the_probabilities_of_all_sequences_are_exp_of_the_score_over_the_sum(rng):
    facts = random_facts(rng, 3, rows=1, steps=3)
    scores = all_scores(facts[0][0], *facts[1:])
    paths = np.array(list(scores))
    copies = [np.repeat(facts[0], len(paths), axis=0), *facts[1:]]
    found = crf.score(copies[0], paths, *copies[1:])
    assert_equal(found, np.array(list(scores.values())), TOLERANCE)
    likelihood = np.asarray(crf.log_likelihood(crf.conditionals(*copies), paths))
    assert_equal(likelihood, np.asarray(found) - np.asarray(crf.log_partition(*copies)), TOLERANCE)
    assert_equal(np.exp(likelihood).sum(), 1.0, 10 * TOLERANCE)


def test_the_chain_holds_the_probability_of_each_tag_after_each_tag(rng):
    facts = random_facts(rng, 3, rows=1, steps=4)
    scores = all_scores(facts[0][0], *facts[1:])
    together = np.zeros((4, 3, 3))
    for path, score in scores.items():
        for step in range(1, 4):
            together[step, path[step - 1], path[step]] += np.exp(score)
    chain = np.exp(crf.conditionals(*facts))[0]
    expected = together / together.sum(axis=-1, keepdims=True).clip(1e-300)
    assert_equal(chain[1:], expected[1:], TOLERANCE)
    assert_equal(
        chain[0], np.tile(np.asarray(crf.marginals(crf.conditionals(*facts)))[0, 0], (3, 1))
    )


def test_a_hidden_markov_model_is_a_special_case(rng):
    first, rows, emission = (
        rng.dirichlet(np.ones(size), count) for size, count in ((3, 1), (3, 3), (4, 3))
    )
    seen = rng.integers(0, 4, 6)
    forward = first[0] * emission[:, seen[0]]
    for symbol in seen[1:]:
        forward = forward @ rows * emission[:, symbol]
    total = crf.log_partition(np.log(emission[:, seen].T)[None], np.log(rows), np.log(first[0]))
    assert_equal(total, np.log([forward.sum()]), TOLERANCE)


def gradients(function, arrays):
    """The derivatives of a scalar function of several arrays."""
    if DOUBLE:
        import tensorflow as tf

        variables = [tf.Variable(array) for array in arrays]
        with tf.GradientTape() as tape:
            value = function(*variables)
        return tape.gradient(value, variables)
    import jax

    return jax.grad(function, range(len(arrays)))(*map(keras.ops.convert_to_tensor, arrays))


def differences(function, arrays, by):
    """The same by moving one number at a time."""
    for array in arrays:
        slopes = np.zeros_like(array)
        for place in np.ndindex(array.shape):
            kept = array[place]
            values = []
            for moved in (kept + by, kept - by):
                array[place] = moved
                values.append(float(function(*arrays)))
            array[place] = kept
            slopes[place] = (values[0] - values[1]) / (2 * by)
        yield slopes


def test_gradients_equal_finite_differences(rng):
    mask, tags = MASKS[[1, 2], :4], rng.integers(0, 2, (2, 4))
    facts = random_facts(rng, 2, rows=2, steps=4)

    def loss(*facts):
        return -keras.ops.sum(crf.log_likelihood(crf.conditionals(*facts, mask), tags))

    by, tolerance = (1e-5, 1e-8) if DOUBLE else (2e-2, 5e-3)
    expected = list(differences(loss, facts, by))
    for found, slopes in zip(gradients(loss, facts), expected, strict=True):
        assert_equal(found, slopes, tolerance)
    assert np.abs(expected[0][~mask]).max() == 0


def test_the_derivative_of_the_log_partition_is_the_marginals(rng):
    facts = random_facts(rng, 3)
    chain = crf.conditionals(*facts, MASKS)
    (found,) = gradients(
        lambda potentials: keras.ops.sum(crf.log_partition(potentials, *facts[1:], MASKS)),
        facts[:1],
    )
    assert_equal(np.asarray(found)[MASKS], np.asarray(crf.marginals(chain))[MASKS], TOLERANCE)


def test_what_stands_on_padded_steps_reaches_neither_values_nor_gradients(rng):
    facts, tags = random_facts(rng, 3), rng.integers(0, 3, MASKS.shape)

    def loss(*facts):
        return keras.ops.sum(crf.log_likelihood(crf.conditionals(*facts, MASKS), tags))

    clean = loss(*facts), gradients(loss, facts)
    facts[0][~MASKS], tags[~MASKS] = np.nan, -1
    assert_equal((loss(*facts), gradients(loss, facts)), clean, TOLERANCE)


def test_a_gap_makes_two_sequences(rng):
    potentials, *facts = random_facts(rng, 3, rows=1)
    gap = np.array([[True, True, False, True, True]])
    parts = crf.log_partition(np.concatenate([potentials[:, :2], potentials[:, 3:]]), *facts)
    assert_equal(crf.log_partition(potentials, *facts, gap)[0], np.sum(parts), 10 * TOLERANCE)


def test_many_steps_lose_no_digits(rng):
    facts = random_facts(rng, 3, rows=1, steps=400)
    single = [np.asarray(array, "float32") for array in facts]
    chain = np.asarray(crf.conditionals(*single))
    assert chain.dtype == "float32"
    after, logadd = np.zeros(3), np.logaddexp.reduce
    potentials, transitions, start, end = (np.asarray(array, "float64") for array in single)
    potentials[0, -1] += end
    for step in reversed(range(400)):
        entry = np.tile(start, (3, 1)) if step == 0 else transitions
        scores = entry + potentials[0, step] + after
        after = logadd(scores, axis=1)
        assert np.abs(chain[0, step] - (scores - after[:, None])).max() < 2e-5


def test_decoding_never_takes_a_forbidden_step_and_marginals_may(rng):
    pairs = np.array([[0.31, 1e-9, 0.15], [1e-9, 0.29, 1e-9], [1e-9, 0.25, 1e-9]])
    chain = crf.conditionals(np.zeros((1, 2, 3)), np.log(pairs))
    assert np.argmax(crf.marginals(chain)[0], axis=-1).tolist() == [0, 1]
    assert np.asarray(crf.decode(chain))[0].tolist() == [0, 0]


def test_the_loss_is_the_likelihood_per_real_step(rng):
    facts, tags = random_facts(rng, 3), rng.integers(0, 3, MASKS.shape)
    chain = crf.conditionals(*facts, MASKS)
    likelihood, lengths = np.asarray(crf.log_likelihood(chain, tags)), MASKS.sum(axis=1)
    tags[~MASKS] = 99
    loss, weights = crf.CRFLoss(), MASKS.astype("float32")
    assert_equal(loss(tags, chain), -likelihood.sum() / lengths.sum())
    assert_equal(loss(tags[..., None], chain, weights), -likelihood.sum() / lengths.sum())
    assert_equal(crf.CRFLoss("sum")(tags, chain), -likelihood.sum(), 1e-4)
    # five sequences of five steps: Keras itself would take these for weights of the steps
    per_row = np.array([1.0, 0, 0, 2, 0], "float32")
    assert_equal(loss(tags, chain, per_row), -(likelihood @ per_row) / (lengths @ per_row))


@pytest.mark.parametrize("wrong", [-1, 3])
def test_a_target_that_does_not_exist_gives_nan_and_spares_the_other_rows(wrong, rng):
    facts, tags = random_facts(rng, 3), np.zeros(MASKS.shape, int)
    tags[1, 2] = wrong
    likelihood = np.asarray(crf.log_likelihood(crf.conditionals(*facts, MASKS), tags))
    np.testing.assert_array_equal(np.isnan(likelihood), [False, True, False, False, False])


def test_accuracy_counts_the_right_tags_of_the_best_sequence(rng):
    chain = crf.conditionals(*random_facts(rng, 3), MASKS)
    tags = np.array(crf.decode(chain))
    tags[0, 0] = (tags[0, 0] + 1) % 3
    metric = crf.CRFAccuracy()
    expected = (MASKS.sum() - 1) / MASKS.sum()
    assert_equal(metric(tags, chain), expected)
    metric.reset_state()
    assert_equal(metric(tags[..., None], chain, MASKS.astype("float32")), expected)
    metric.reset_state()
    assert_equal(metric(tags, chain, np.array([2.0, 0, 0, 1, 0])), (2 * 4 + 3) / (2 * 5 + 3))


def test_loss_and_metric_come_back_in_safe_mode(tmp_path, rng):
    inputs = keras.Input((None, 3, 3))
    model = keras.Model(inputs, keras.layers.Activation("linear")(inputs))
    loss = crf.CRFLoss("sum", name="tags")
    model.compile("sgd", loss, metrics=[crf.CRFAccuracy(name="right")])
    facts, y = random_facts(rng, 3), rng.integers(0, 3, MASKS.shape)
    x = np.asarray(crf.conditionals(*facts, MASKS))
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    model.save(tmp_path / "model.keras")
    loaded = saving.load_model(tmp_path / "model.keras")
    found = loaded.evaluate(x, y, verbose=0, return_dict=True)
    assert found == pytest.approx(expected) and set(found) == {"loss", "right"}
    assert loaded.loss.name == "tags"


def test_shapes_that_do_not_fit_are_named(rng):
    potentials, transitions, start, _ = random_facts(rng, 3)
    with pytest.raises(
        InputError, match=r"`potentials` has shape \(5, 3\), but must be \(batch, s"
    ):
        crf.conditionals(potentials[0], transitions)
    with pytest.raises(InputError, match=r"`transitions` has shape \(2, 3\), but must be \(3, 3\)"):
        crf.conditionals(potentials, transitions[:2])
    with pytest.raises(
        InputError, match=r"`end` has shape \(2,\), but must be \(3,\): `potentials` has 3"
    ):
        crf.log_partition(potentials, transitions, start, start[:2])
