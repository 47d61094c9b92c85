"""The claims about sparse attention change their verdict when what they check is broken."""

from dlnotes import catalogue, claims
import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def module():
    return catalogue.find("sparse_attention").load_claims()


def claim(module, name):
    return next(claim for claim in claims.of_module(module) if claim.id == name)


def test_a_softmax_in_the_place_of_entmax(module, monkeypatch):
    zeros = claim(module, "entmax-zeros")
    assert claims.verdict(zeros.findings()) == "holds"
    monkeypatch.setattr(module, "entmax", lambda scores, alpha: keras.ops.softmax(scores))
    assert claims.verdict(zeros.findings()) == "contradicted"


SHOWN = {"spread of alphas": 0.5, "learned alpha, diversity": 1.4, "softmax, diversity": 1.0}
SHOWN |= {
    f"{v}, {name}": 0.99 for v in ("softmax", "learned alpha") for name in ("copy", "majority")
}


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ({"spread of alphas": 0.2}, "contradicted"),
        ({"learned alpha, diversity": 0.9}, "contradicted"),
        ({"learned alpha, diversity": 1.05}, "not shown"),
        ({"learned alpha, majority": 0.9}, "contradicted"),
    ],
)
def test_numbers_that_say_otherwise(module, broken, expected):
    learned, random = claim(module, "entmax-learned-alpha"), np.random.default_rng(0)

    def spread(numbers):
        return {key: value + random.normal(0, 0.001, 10) for key, value in numbers.items()}

    assert claims.verdict(learned.findings(spread(SHOWN))) == "holds"
    assert claims.verdict(learned.findings(spread(SHOWN | broken))) == expected


def test_diversity_of_heads(module):
    apart = np.eye(4)[None]
    assert module.STORY.diversity(apart) == 2
    alike = np.tile([0.5, 0.5, 0, 0], (1, 4, 1))
    assert module.STORY.diversity(alike) == 0


def test_the_marked_symbol_and_the_majority_are_in_the_sequence(module):
    x, y = module.STORY.symbols(50, 9, 0)
    drawn, marks = x[:, 1:, :8].argmax(axis=-1), x[:, 1:, 8]
    assert (x[:, 0, 9] == 1).all() and (x[:, 1:, :8].sum(axis=-1) == 1).all()
    np.testing.assert_array_equal((drawn * marks).sum(axis=1), y["copy"])
    np.testing.assert_array_equal((drawn >= 4).sum(axis=1) > 4, y["majority"])
    assert 0.3 < y["majority"].mean() < 0.7
