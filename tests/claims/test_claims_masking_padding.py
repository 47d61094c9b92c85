"""The claims about masks and padding change their verdict when what they check is broken."""

import functools

from dlnotes import catalogue, claims, datasets, masks
import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def module():
    return catalogue.find("masking_padding").load_claims()


def verdict(module, name, numbers=None):
    """The verdict, for an empirical claim of ten seeds that give nearly the same numbers."""
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == name)
    if numbers is None:
        return claims.verdict(claim.findings())
    noise = np.random.default_rng(0).normal(0, 0.01, 10)
    return claims.verdict(claim.findings({key: value + noise for key, value in numbers.items()}))


def test_a_mask_that_masks_nothing(module, monkeypatch):
    assert verdict(module, "mask-equals-truncation") == "holds"
    monkeypatch.setattr(masks, "step_mask", lambda x: keras.ops.ones_like(x[..., 0], dtype="bool"))
    assert verdict(module, "mask-equals-truncation") == "contradicted"


def test_weights_of_one_for_padding(module, monkeypatch):
    assert verdict(module, "pads-enter-loss") == "holds"
    step_weights = masks.step_weights
    monkeypatch.setattr(masks, "step_weights", lambda x: step_weights(x) * 0 + 1)
    assert verdict(module, "pads-enter-loss") == "contradicted"


def test_padding_behind_by_default(module, monkeypatch):
    assert verdict(module, "pad-sequences-rule") == "holds"
    behind = functools.partial(keras.utils.pad_sequences, padding="post")
    monkeypatch.setattr(keras.utils, "pad_sequences", behind)
    assert verdict(module, "pad-sequences-rule") == "contradicted"


def test_inputs_of_a_fixed_length(module, monkeypatch):
    assert verdict(module, "rnn-needs-fixed-length") == "contradicted"
    fixed = functools.partial(keras.Input, batch_size=None)
    monkeypatch.setattr(keras, "Input", lambda shape: fixed((5, 2)))
    assert verdict(module, "rnn-needs-fixed-length") == "holds"


def test_masks_that_are_never_passed_bring_nothing(module, monkeypatch):
    assert verdict(module, "mask-helps", {"count": 0.05, "speakers": 0.05}) == "holds"
    assert verdict(module, "mask-helps", {"count": -0.05, "speakers": 0.05}) == "contradicted"
    build, small = module.STORY.build, datasets.counting(100, steps=9, modulus=9)
    monkeypatch.setattr(datasets, "counting", lambda *arguments, **options: small)
    monkeypatch.setattr(datasets, "japanese_vowels", lambda seed: small)
    monkeypatch.setattr(
        module.STORY, "build", lambda seed, mask_value, *sizes: build(seed, None, 2, 41, 16)
    )
    numbers = module.gains.run(0)
    assert numbers == {"count": 0, "speakers": 0}
    assert verdict(module, "mask-helps", numbers) == "not shown"
