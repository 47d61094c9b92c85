from dlnotes import datasets
from dlnotes.errors import InputError
import numpy as np
import pytest

ANSWERS = {"same": list, "reverse": lambda source: source[::-1], "sorted": sorted}


@pytest.mark.parametrize("order", ANSWERS)
def test_the_answer_is_the_source_in_its_order(order):
    data = datasets.copying(50, steps=6, shortest=2, symbols=5, order=order, seed=1)
    assert [len(part.x) for part in vars(data).values()] == [30, 10, 10]
    seen = set()
    for x, y in vars(data).values():
        assert x.dtype == y.dtype == "int32"
        for source, target in zip(x.tolist(), y.tolist(), strict=True):
            length = 6 - source.count(0)
            seen.add(length)
            assert source[length:] == target[length:] == [0] * (6 - length)
            assert set(source[:length]) <= {1, 2, 3, 4, 5}
            assert target[:length] == ANSWERS[order](source[:length])
    assert seen == {2, 3, 4, 5, 6}


def test_the_sources_of_a_seed_are_those_of_every_order():
    same, reverse, other = (
        datasets.copying(20, order=order, seed=seed).train.x
        for order, seed in (("same", 3), ("reverse", 3), ("same", 4))
    )
    assert np.array_equal(same, reverse) and not np.array_equal(same, other)


def test_the_shortest_is_half_unless_said():
    lengths = (datasets.copying(2000, steps=7).train.x > 0).sum(axis=1)
    assert lengths.min() == 4 and lengths.max() == 7
    assert (datasets.copying(20, steps=7, shortest=7).train.x > 0).all()


def test_tokens_are_equally_likely():
    x = datasets.copying(3000, steps=10, symbols=8).train.x
    shares = np.bincount(x[x > 0]) / (x > 0).sum()
    np.testing.assert_allclose(shares[1:], 1 / 8, atol=0.01)


def test_wrong_arguments_are_refused():
    with pytest.raises(InputError, match="`shortest` is 9, but must lie between 1 and `steps`"):
        datasets.copying(steps=8, shortest=9)
    with pytest.raises(InputError, match="`order` is 'back', but must be 'same', 'reverse' or"):
        datasets.copying(order="back")
    with pytest.raises(InputError, match="`symbols` is 1, but must be at least 2"):
        datasets.copying(symbols=1)
