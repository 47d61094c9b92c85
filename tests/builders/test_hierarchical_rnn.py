from dlnotes.builders import hierarchical_rnn, hierarchical_rnn_space
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_builder, check_mixed_precision
from loops import lstm, padded, randomise

LENGTHS = [[3, 1], [2], [4, 2, 3]]


@pytest.fixture
def documents(rng):
    """Sequences of parts, both of unequal length."""
    return [
        [rng.normal(size=(length, 2)).astype("float32") for length in lengths]
        for lengths in LENGTHS
    ]


def batch(documents, parts, steps, value=0.0):
    return padded([padded(parts_, steps, value) for parts_ in documents], parts, value)


def by_hand(model, documents):
    inner, outer = (model.get_layer(name).get_weights() for name in ("inner", "outer"))
    kernel, bias = model.get_layer("outputs").get_weights()
    encoded = [np.array([lstm(part, *inner)[-1] for part in parts]) for parts in documents]
    return np.array([lstm(parts, *outer)[-1] @ kernel + bias for parts in encoded])


def test_contract(tmp_path, rng):
    check_builder(
        hierarchical_rnn,
        {"input_shape": (3, 4, 2), "outputs": 3},
        rng.normal(size=(5, 3, 4, 2)),
        np.zeros((5, 3)),
        tmp_path,
        space=hierarchical_rnn_space,
        loss="mse",
        output_shape=(None, 3),
        parameters=4 * 32 * (2 + 32 + 1) + 4 * 32 * (32 + 32 + 1) + (32 + 1) * 3,
    )


def test_contract_with_every_choice(tmp_path, rng):
    choices = {"inner_units": 3, "outer_units": 5, "cell": "gru", "dropout": 0.2}
    choices |= {"mask_value": -1.0, "name": "documents"}
    check_builder(
        lambda **arguments: hierarchical_rnn(**(choices | arguments)),
        {"input_shape": (None, None, 2), "outputs": 2},
        rng.normal(size=(5, 3, 4, 2)),
        np.zeros((5, 2)),
        tmp_path,
        space=hierarchical_rnn_space,
        loss="mse",
        output_shape=(None, 2),
        parameters=3 * (3 * (3 + 2) + 6) + 3 * (5 * (5 + 3) + 10) + (5 + 1) * 2,
    )


def test_equals_a_loop_over_the_parts_and_one_over_the_steps_of_each(documents, rng):
    options = {"inner_units": 3, "outer_units": 4, "mask_value": 0.0}
    model = randomise(hierarchical_rnn((None, None, 2), 2, **options), rng)
    expected = by_hand(model, documents)
    for parts, steps in ((3, 4), (5, 6)):
        assert_equal(model.predict(batch(documents, parts, steps), verbose=0), expected)


def test_without_padding_no_mask_is_needed(rng):
    model = randomise(hierarchical_rnn((None, None, 2), 2, inner_units=3, outer_units=4), rng)
    for parts, steps in ((3, 5), (6, 2)):
        x = rng.normal(size=(4, parts, steps, 2)).astype("float32")
        assert_equal(np.asarray(model(x)), by_hand(model, x))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_more_padding_on_either_level_changes_nothing(cell, documents, rng):
    options = {"inner_units": 3, "outer_units": 4, "cell": cell, "mask_value": -1.0}
    model = randomise(hierarchical_rnn((None, None, 2), 2, **options), rng)
    short = np.asarray(model(batch(documents, 3, 4, -1.0)))
    for parts, steps in ((3, 6), (5, 4)):
        assert_equal(np.asarray(model(batch(documents, parts, steps, -1.0))), short)


def test_without_a_mask_padding_on_either_level_does_change_the_outputs(documents, rng):
    model = randomise(hierarchical_rnn((None, None, 2), 2, inner_units=3, outer_units=4), rng)
    short = np.asarray(model(batch(documents, 3, 4)))
    for parts, steps in ((3, 6), (5, 4)):
        changed = np.asarray(model(batch(documents, parts, steps)))
        assert np.abs(changed - short).max() > 1e-2


def test_masks_are_passed_and_not_inherited(documents, rng, monkeypatch):
    for layer in (keras.layers.LSTM, keras.layers.Dropout):
        monkeypatch.setattr(layer, "compute_mask", lambda self, *arguments: None)
    options = {"inner_units": 3, "outer_units": 4, "dropout": 0.5, "mask_value": 0.0}
    model = randomise(hierarchical_rnn((None, None, 2), 2, **options), rng)
    assert_equal(np.asarray(model(batch(documents, 5, 6))), by_hand(model, documents))


def test_the_inner_layer_cannot_see_the_other_parts(rng):
    model = hierarchical_rnn((3, 4, 2), 1, inner_units=3)
    inner = keras.Model(model.input, model.get_layer("inner").output)
    x = rng.normal(size=(2, 3, 4, 2)).astype("float32")
    changed = x.copy()
    changed[:, 1] += 1
    before, after = (np.asarray(inner(batch_)) for batch_ in (x, changed))
    assert_equal(before[:, [0, 2]], after[:, [0, 2]])
    assert np.abs(before - after)[:, 1].max() > 1e-2


def test_mixed_precision(rng):
    x = rng.normal(size=(2, 3, 4, 2)).astype("float32")
    check_mixed_precision(lambda: hierarchical_rnn((3, 4, 2), 2, mask_value=0.0), x)


def test_wrong_facts_are_refused():
    with pytest.raises(InputError, match=r"`input_shape` is \(8, 8\), but must be \(parts, steps"):
        hierarchical_rnn((8, 8), 1)
    with pytest.raises(InputError, match="`cell` is 'simple_rnn', but must be 'lstm' or 'gru'"):
        hierarchical_rnn((8, 8, 1), 1, cell="simple_rnn")
    with pytest.raises(InputError, match="`inner_units` is 0, but must be at least 1"):
        hierarchical_rnn((8, 8, 1), 1, inner_units=0)
