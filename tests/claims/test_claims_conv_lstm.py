"""The claims about the ConvLSTM change their verdict when what they check is broken."""

import functools

from dlnotes import catalogue, claims, datasets
import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def module():
    return catalogue.find("conv_lstm").load_claims()


def verdict(module, name, numbers=None):
    """The verdict, for an empirical claim of ten seeds that give nearly the same numbers."""
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == name)
    if numbers is None:
        return claims.verdict(claim.findings())
    noise = np.random.default_rng(0).normal(0, 0.001, (len(numbers), 10))
    pairs = zip(numbers.items(), noise, strict=True)
    return claims.verdict(claim.findings({key: value + some for (key, value), some in pairs}))


def test_a_layer_that_knows_where_it_is(module, monkeypatch):
    assert verdict(module, "convlstm-shift") == "holds"
    call = keras.layers.ConvLSTM2D.call

    @functools.wraps(call)
    def placed(self, sequences, **options):
        return call(self, sequences + keras.ops.reshape(keras.ops.arange(9.0), (9, 1)), **options)

    monkeypatch.setattr(keras.layers.ConvLSTM2D, "call", placed)
    assert verdict(module, "convlstm-shift") == "contradicted"


def test_a_layer_that_sees_the_whole_frame(module, monkeypatch):
    assert verdict(module, "convlstm-reach") == "holds"
    call = keras.layers.ConvLSTM2D.call

    @functools.wraps(call)
    def mixed(self, sequences, **options):
        whole = keras.ops.mean(sequences, axis=(2, 3), keepdims=True)
        return call(self, sequences + whole, **options)

    monkeypatch.setattr(keras.layers.ConvLSTM2D, "call", mixed)
    assert verdict(module, "convlstm-reach") == "contradicted"


def test_films_whose_frames_are_shuffled(module, monkeypatch):
    """Without motion there is little that a neighbour knows."""
    monkeypatch.delitem(module.STORY.BUILDERS, "convolution of two frames")
    moving = module.films.run(0)
    assert verdict(module, "convlstm-next-frame", moving) == "holds"
    films, random = datasets.films, np.random.default_rng(0)

    def shuffled(*arguments, **options):
        data = films(*arguments, **options)
        for part in vars(data).values():
            for film in part.x:
                random.shuffle(film[: len(film) // 2])
        return data

    monkeypatch.setattr(datasets, "films", shuffled)
    still = module.films.run(0)
    gains = [errors["LSTM for each pixel"] - errors["ConvLSTM"] for errors in (moving, still)]
    assert gains[1] < gains[0] / 2


ERRORS = {"copy of the last frame": -3.3, "LSTM for each pixel": -4.0}
ERRORS |= {"convolution of two frames": -4.1, "ConvLSTM": -4.3}


@pytest.mark.parametrize(
    ("name", "error", "expected"),
    [
        ("convlstm-next-frame", -4.3, "holds"),
        ("convlstm-next-frame", -3.5, "contradicted"),
        ("convlstm-memory-needed", -4.3, "holds"),
        ("convlstm-memory-needed", -4.15, "not shown"),
        ("convlstm-memory-needed", -4.0, "contradicted"),
    ],
)
def test_an_error_that_is_larger(module, name, error, expected):
    assert verdict(module, name, ERRORS | {"ConvLSTM": error}) == expected
