"""The claims about product keys change their verdict when what they check is broken."""

from dlnotes import catalogue, claims
from dlnotes.layers import ProductKeyMemory
import numpy as np
import pytest


@pytest.fixture(scope="module")
def module():
    return catalogue.find("product_key_memory").load_claims()


def claim(module, name):
    return next(claim for claim in claims.of_module(module) if claim.id == name)


def test_a_search_that_pairs_only_the_best_first_half(module, monkeypatch):
    halves = claim(module, "pkm-exact-topk")
    assert claims.verdict(halves.findings()) == "holds"
    whole = ProductKeyMemory._best

    def first_half_alone(self, scores):
        return whole(self, scores * np.array([1, 0], "float32")[:, None, None, None])

    monkeypatch.setattr(ProductKeyMemory, "_best", first_half_alone)
    assert claims.verdict(halves.findings()) == "contradicted"


SHOWN = {"four blocks": 0.6, "two blocks and a memory": 0.7, "time": 0.8}


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ({"two blocks and a memory": 0.5}, "contradicted"),
        ({"two blocks and a memory": 0.6}, "not shown"),
        ({"time": 1.2}, "contradicted"),
    ],
)
def test_numbers_that_say_otherwise(module, broken, expected):
    fewer, random = claim(module, "pkm-fewer-layers"), np.random.default_rng(3)

    def spread(numbers):
        return {key: value + random.normal(0, 0.002, 10) for key, value in numbers.items()}

    assert claims.verdict(fewer.findings(spread(SHOWN))) == "holds"
    assert claims.verdict(fewer.findings(spread(SHOWN | broken))) == expected


def test_sentences_name_both_and_the_facts_are_theirs_alone(module):
    story = module.STORY
    first, last, towns = story.facts(300, 0)
    assert len(set(zip(first, last, strict=True))) == 300 and np.ptp(towns) == story.TOWNS - 1
    one, other = (story.worded(first, last, seed) for seed in (1, 2))
    assert (one != other).any() and one.min() >= 1
    for sentences in (one, other):
        rows, places = np.nonzero(sentences > story.FILLERS)
        np.testing.assert_array_equal(rows, np.repeat(np.arange(300), 2))
        named = sentences[rows, places].reshape(300, 2) - 1 - story.FILLERS
        np.testing.assert_array_equal(named, np.stack([first, last + story.NAMES], axis=1))
