"""The claim about encoder and decoder changes its verdict when what it checks is broken."""

from dlnotes import catalogue, claims, decoding
import numpy as np
import pytest


@pytest.fixture(scope="module")
def module():
    module = catalogue.find("seq2seq").load_claims()
    module.LENGTHS, module.PAIRS, module.EPOCHS, module.UNITS = (3, 10), 300, 6, 24
    return module


def verdict(module, numbers):
    """The verdict for ten seeds that give nearly the same numbers."""
    (claim,) = claims.of_module(module)
    noise = np.random.default_rng(0).normal(0, 1e-4, 10)
    return claims.verdict(claim.findings({key: value + noise for key, value in numbers.items()}))


def test_attention_that_is_told_other_tokens(module, monkeypatch):
    assert verdict(module, module.reversing.run(0)) == "holds"
    teacher_forcing = decoding.teacher_forcing
    random = np.random.default_rng(0)

    def wrong(targets):
        so_far, targets, weights = teacher_forcing(targets)
        return so_far, random.permutation(targets), weights

    monkeypatch.setattr(decoding, "teacher_forcing", wrong)
    assert verdict(module, module.reversing.run(0)) != "holds"


def test_a_lead_that_does_not_grow_is_none(module):
    numbers = {"lead, 30 tokens": 0.5, "growth of the lead": -0.01}
    assert verdict(module, numbers) == "contradicted"
    assert verdict(module, numbers | {"growth of the lead": 0.01}) == "holds"
