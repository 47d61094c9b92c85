from dlnotes import crf, masks
from dlnotes.builders import crf_tagger, crf_tagger_space
from dlnotes.errors import InputError
from dlnotes.layers import CRF
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_builder, check_padding
from loops import lstm, randomise


def test_contract(tmp_path, rng):
    check_builder(
        crf_tagger,
        {"input_shape": (4, 2), "tags": 3, "mask_value": 0.0},
        rng.normal(size=(5, 4, 2)).astype("float32"),
        rng.integers(0, 3, (5, 4)),
        tmp_path,
        space=crf_tagger_space,
        loss=crf.CRFLoss(),
        output_shape=(None, 4, 3, 3),
        parameters=2 * 4 * 32 * (2 + 32 + 1) + (64 + 1) * 3 + 3 * 3 + 3 + 3,
    )


def test_padded_batch_equals_sequences_alone(rng):
    model = randomise(crf_tagger((None, 2), 3, units=4, layers=2, mask_value=0.0), rng)
    sequences = [rng.normal(size=(length, 2)).astype("float32") for length in (5, 2, 4, 1)]
    check_padding(model, sequences, per_step=True)


def test_it_is_a_chain_over_the_scores_of_two_lstm_loops(rng):
    model = randomise(crf_tagger((None, 2), 3, units=4), rng)
    x = rng.normal(size=(6, 2)).astype("float32")
    *halves, kernel, bias, transitions, start, end = model.get_weights()
    states = lstm(x, *halves[:3]), lstm(x[::-1], *halves[3:])[::-1]
    scores = np.concatenate(states, axis=-1) @ kernel + bias
    expected = crf.conditionals(scores[None], transitions, start, end)
    assert_equal(model.predict(x[None], verbose=0), expected)


def states_that_last(rng, rows, steps=20, tags=3, stays=0.85, noise=1.2):
    """States that last for a while then go one further, seen through noise, and the chain."""
    transitions = np.eye(tags) * stays + np.roll(np.eye(tags), 1, axis=1) * (1 - stays)
    y = np.zeros((rows, steps), int)
    y[:, 0] = rng.integers(0, tags, rows)
    for step in range(1, steps):
        y[:, step] = (y[:, step - 1] + (rng.random(rows) > stays)) % tags
    x = np.eye(tags)[y] + rng.normal(scale=noise, size=(rows, steps, tags))
    lengths = rng.integers(steps // 2, steps + 1, rows)
    x[np.arange(steps) >= lengths[:, None]] = 0
    return x.astype("float32"), y, transitions


def test_where_transitions_matter_it_beats_a_softmax_and_nears_the_truth(rng):
    x, y, transitions = states_that_last(rng, 600)
    weights = masks.step_weights(x)
    accuracies = {}
    for name in ("softmax", "crf"):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((None, 3))
        outputs = keras.layers.Dense(3)(inputs)
        loss = keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight")
        if name == "crf":
            outputs = CRF(name="crf")(outputs, mask=masks.step_mask(inputs))
            loss = crf.CRFLoss()
        model = keras.Model(inputs, outputs)
        model.compile(keras.optimizers.Adam(0.1), loss)
        # batches of two lengths in one fit
        parts = [slice(0, 250), slice(250, 500)]
        batches = [
            (x[part, :steps], y[part, :steps], weights[part, :steps])
            for part, steps in zip(parts, (20, 15), strict=True)
        ]
        model.fit((batch for batch in batches * 40), steps_per_epoch=80, shuffle=False, verbose=0)
        found = model.predict(x[500:], verbose=0)
        tags = np.asarray(crf.decode(found) if name == "crf" else found.argmax(axis=-1))
        accuracies[name] = (tags == y[500:])[weights[500:] > 0].mean()
    potentials = -((x[500:, :, None] - np.eye(3)) ** 2).sum(axis=-1) / (2 * 1.2**2)
    truth = crf.conditionals(potentials, np.log(transitions + 1e-9), mask=weights[500:] > 0)
    best = (np.asarray(crf.decode(truth)) == y[500:])[weights[500:] > 0].mean()
    assert accuracies["crf"] > accuracies["softmax"] + 0.1
    assert abs(accuracies["crf"] - best) < 0.03
    learned = model.get_layer("crf").get_weights()[0]
    assert learned.argmax(axis=1).tolist() == [0, 1, 2]
    assert learned.argmin(axis=1).tolist() == [2, 0, 1]


def test_wrong_facts_are_refused():
    with pytest.raises(InputError, match="`tags` is 1, but must be at least 2"):
        crf_tagger((4, 2), 1)
    with pytest.raises(InputError, match=r"`input_shape` is \(4,\)"):
        crf_tagger((4,), 2)
