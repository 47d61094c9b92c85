"""Counts of neighbouring symbols: what a language model has to beat."""

from collections import Counter

from dlnotes.errors import InputError, check_at_least
import numpy as np


def ngram_bits(train, text, order, vocabulary):
    """Measures what a text costs, in bits per symbol, by the counts of another text.

    The probability of a symbol mixes how often it followed the last `order` symbols with how often
    it followed the last `order - 1`, and so on down to nothing at all. The more different symbols
    have followed a context, the more weight the shorter ones get:

    `P(symbol | context) = (count + kinds * P(symbol | shorter context)) / (total + kinds)`

    where `count` and `total` are how often the symbol, and anything, followed the context, and
    `kinds` is how many different symbols did.

    Reference: Witten, Bell 1991, https://doi.org/10.1109/18.87000 (method C), as in
    Chen, Goodman, "An empirical study of smoothing techniques", 1998.

    Args:
        train: String, or tuple of any hashable symbols: where the counts are from.
        text: The same: what is measured. Its first symbols have shorter contexts.
        order: Integer, the longest context, at least 0.
        vocabulary: Integer, number of symbols that there may be; without any context each of them
            is as likely as any other.

    Returns:
        Float, the mean of `-log2 P` over the symbols of the text.

    Raises:
        InputError: If a text is empty, `order` is negative or `vocabulary` below 1.

    Example:

    >>> from dlnotes.ngrams import ngram_bits
    >>> round(ngram_bits("abababab", "abab", order=0, vocabulary=2), 3)
    1.0
    >>> round(ngram_bits("abababab", "abab", order=1, vocabulary=2), 3)
    0.374
    """
    check_at_least(0, order=order)
    check_at_least(1, vocabulary=vocabulary)
    if not len(train) or not len(text):
        raise InputError("`train` and `text` must hold at least one symbol each.")
    starts = range(len(train))
    counts = Counter(
        train[at : at + size]
        for size in range(1, order + 2)
        for at in starts[: len(train) - size + 1]
    )
    follow, kinds = Counter(), Counter()
    for gram, count in counts.items():
        follow[gram[:-1]] += count
        kinds[gram[:-1]] += 1

    def probability(gram):
        if not gram:
            return 1 / vocabulary
        shorter, context = probability(gram[1:]), gram[:-1]
        seen = follow[context] + kinds[context]
        return (counts[gram] + kinds[context] * shorter) / seen if seen else shorter

    grams = (text[max(0, at - order) : at + 1] for at in range(len(text)))
    return float(-np.mean([np.log2(probability(gram)) for gram in grams]))
