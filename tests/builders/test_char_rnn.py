from dlnotes import recurrent
from dlnotes.builders import char_rnn, char_rnn_space
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_builder, check_mixed_precision
from loops import lstm, randomise


def test_contract(tmp_path, rng):
    tokens = rng.integers(0, 9, (5, 7))
    check_builder(
        char_rnn,
        {"vocabulary": 9},
        tokens[:, :-1],
        tokens[:, 1:],
        tmp_path,
        space=char_rnn_space,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        output_shape=(None, None, 9),
        parameters=9 * 32 + 4 * 128 * (32 + 128 + 1) + (128 + 1) * 9,
    )


def test_it_is_two_lstm_loops_over_the_vectors_of_the_tokens(rng):
    model = randomise(char_rnn(6, units=4, layers=2, embedding=3, dropout=0.5), rng)
    table, *weights, kernel, bias = model.get_weights()
    tokens = rng.integers(0, 6, (2, 5))
    logits = model.predict(tokens, verbose=0)
    for row, expected in zip(tokens, logits, strict=True):
        assert_equal(lstm(lstm(table[row], *weights[:3]), *weights[3:]) @ kernel + bias, expected)


def test_no_answer_depends_on_later_tokens(rng):
    model = randomise(char_rnn(6, cell="gru", units=4), rng)
    tokens = rng.integers(0, 6, (2, 5))
    changed = tokens.copy()
    changed[:, 3] = (changed[:, 3] + 1) % 6
    before, after = (np.asarray(model(one)) for one in (tokens, changed))
    assert_equal(before[:, :3], after[:, :3])
    assert np.abs(before[:, 3:] - after[:, 3:]).min() > 1e-4


def test_windows_with_a_state_give_what_one_pass_gives(rng):
    model = randomise(char_rnn(6, units=4), rng)
    tokens = rng.integers(0, 6, (2, 8))
    stateful = recurrent.rebatch(model, 2, stateful=True)
    parts = [stateful.predict(tokens[:, first : first + 4], verbose=0) for first in (0, 4)]
    assert_equal(np.concatenate(parts, axis=1), model.predict(tokens, verbose=0))


def test_mixed_precision(rng):
    check_mixed_precision(lambda: char_rnn(6, units=8), rng.integers(0, 6, (2, 5)))


def test_wrong_facts_are_refused():
    with pytest.raises(InputError, match="`cell` is 'rnn', but must be one of 'lstm', 'gru', 's"):
        char_rnn(5, cell="rnn")
    with pytest.raises(InputError, match="`vocabulary` is 1, but must be at least 2"):
        char_rnn(1)
