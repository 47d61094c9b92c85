from dlnotes import datasets
from dlnotes.errors import InputError
import numpy as np
import pytest


def test_every_target_is_the_bit_of_so_many_steps_ago():
    for x, y in vars(datasets.echo(streams=3, steps=20, delays=5, seed=1)).values():
        assert x.shape == (3, 20, 1) and y.shape == (3, 20, 5)
        assert set(np.unique(x)) == {-1, 1} and x.dtype == y.dtype == "float32"
        for stream in range(3):
            for step in range(20):
                for delay in range(1, min(step, 5) + 1):
                    assert y[stream, step, delay - 1] == (x[stream, step - delay, 0] + 1) / 2


def test_what_came_before_the_stream_is_not_known_but_consistent():
    _, y = datasets.echo(streams=2, steps=6, delays=4).train
    np.testing.assert_array_equal(y[:, 0, :3], y[:, 1, 1:])
    assert len(np.unique(datasets.echo(streams=50, steps=1, delays=1).train.y)) == 2


def test_parts_and_seeds_differ_and_a_seed_repeats():
    first, again, other = (datasets.echo(steps=50, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.test.x, again.test.x)
    assert (first.test.x != other.test.x).any()
    assert (first.test.x != first.train.x).any() and (first.test.x != first.validation.x).any()


@pytest.mark.parametrize("name", ["streams", "steps", "delays"])
def test_too_few_is_refused(name):
    with pytest.raises(InputError, match=f"`{name}` is 0, but must be at least 1"):
        datasets.echo(**{name: 0})
