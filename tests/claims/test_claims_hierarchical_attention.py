"""The claim about hierarchical attention changes its verdict when what it checks is broken."""

import itertools

from dlnotes import catalogue, claims, datasets
import numpy as np
import pytest


@pytest.fixture(scope="module")
def module():
    return catalogue.find("hierarchical_attention").load_claims()


def verdict(module, scores):
    """The verdict over ten seeds that give nearly the same numbers."""
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == "han-vs-cnn-rnn")
    noise = np.random.default_rng(0)
    numbers = {name: score + noise.normal(0, 0.002, 10) for name, score in scores.items()}
    return claims.verdict(claim.findings(numbers))


@pytest.fixture
def scores(module):
    """Everywhere the same ranking: hierarchical attention, LSTM, convolution."""
    values = {"hierarchical attention": 0.9, "LSTM": 0.8, "convolution": 0.7}
    pairs = itertools.product(values, module.KINDS)
    return {f"{contestant}, {kind}": values[contestant] for contestant, kind in pairs}


def test_the_same_ranking_everywhere_contradicts(module, scores):
    assert verdict(module, scores) == "contradicted"


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_ranking_that_differs_on_one_kind_of_documents_holds(module, scores, kind):
    scores[f"convolution, {module.KINDS[kind]}"] = 0.85
    assert verdict(module, scores) == "holds"


def test_nearly_equal_contestants_show_nothing(module, scores):
    equal = dict.fromkeys(scores, 0.8)
    assert verdict(module, equal) == "not shown"


def test_who_falls_behind_where_one_decides_does_not_compete(module, scores):
    scores["hierarchical attention, one decides"] = 0.5
    assert verdict(module, scores) == "contradicted"


def test_documents_that_agree_repeat_no_definition(module):
    table = module.documents("all agree", 200, 0)
    kinds = datasets.glosses().set_index("text")["label"]
    texts = [text for document in table["sentences"] for text in document]
    assert len(set(texts)) == len(texts) == 4 * 200
    for document in table[:50].itertuples():
        assert set(kinds[list(document.sentences)]) == {document.label}


def test_permuted_labels(module, monkeypatch):
    monkeypatch.setattr(module, "KINDS", ("one decides",))
    monkeypatch.setattr(module, "RATES", (0.015,))
    monkeypatch.setattr(module.STORY, "CONTESTANTS", ("convolution",))
    (score,) = module.contest.run(0).values()
    assert score > 0.6
    make = datasets.gloss_documents

    def permuted(*arguments, **options):
        table = make(*arguments, **options)
        return table.assign(label=table["label"].sample(frac=1, random_state=0).to_numpy())

    monkeypatch.setattr(datasets, "gloss_documents", permuted)
    (score,) = module.contest.run(0).values()
    assert score < 0.35
