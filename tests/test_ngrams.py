"""Counts of neighbouring symbols give probabilities, and those of the formula."""

from collections import Counter
import itertools

from dlnotes.errors import InputError
from dlnotes.ngrams import ngram_bits
import numpy as np
import pytest

TRAIN = "abracadabra"


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_the_probabilities_of_all_texts_of_a_length_sum_to_one(order):
    texts = map("".join, itertools.product("abcdrz", repeat=3))
    costs = [3 * ngram_bits(TRAIN, text, order, vocabulary=6) for text in texts]
    assert np.sum(2.0 ** -np.array(costs)) == pytest.approx(1)


def test_it_equals_the_formula_written_out():
    letters = Counter(TRAIN)

    def alone(letter):
        return (letters[letter] + 5 / 5) / (11 + 5)

    # what follows "a": b, c, d, b; what follows "b": r, r; the last letter is followed by nothing
    after_a = (Counter("bcdb")["b"] + 3 * alone("b")) / (4 + 3)
    after_b = (Counter("rr")["r"] + 1 * alone("r")) / (2 + 1)
    expected = -np.log2([alone("a"), after_a, after_b]).mean()
    assert ngram_bits(TRAIN, "abr", 1, vocabulary=5) == pytest.approx(expected)


def test_without_context_a_text_of_the_same_symbols_costs_its_entropy():
    train = "ab" * 5000 + "c" * 10000
    assert ngram_bits(train, train, 0, vocabulary=3) == pytest.approx(1.5, abs=1e-3)


def test_longer_contexts_know_more_of_a_rule_and_tuples_are_texts_too():
    train = tuple([1, 2, 2, 3] * 50)
    costs = [ngram_bits(train, train[:40], order, vocabulary=4) for order in (0, 1, 2)]
    assert costs[0] > costs[1] + 0.5 > costs[2] + 0.9


def test_impossible_arguments_are_named():
    with pytest.raises(InputError, match="must hold at least one symbol each"):
        ngram_bits("", "a", 1, 2)
    with pytest.raises(InputError, match="`order` is -1, but must be at least 0"):
        ngram_bits("a", "a", -1, 2)
