"""The claims about word vectors change their verdict when what they look at is spoilt."""

from dlnotes import catalogue, claims, datasets
import keras
import numpy as np
import pytest

SEEDS = 6


@pytest.fixture(scope="module")
def module():
    return catalogue.find("glove_embedding").load_claims()


def verdict(claim, *arguments):
    return claims.verdict(claim.findings(*arguments))


def test_a_frozen_table_that_is_trained_is_noticed(module, monkeypatch):
    assert verdict(module.frozen_stays) == "holds"
    build = module.STORY.build
    monkeypatch.setattr(module.STORY, "build", lambda table, kinds, _: build(table, kinds, True))
    assert verdict(module.frozen_stays) == "contradicted"


def test_rows_that_no_word_has_are_noticed(module, monkeypatch):
    fit = keras.Model.fit

    def spoilt(model, ids, *rest, **options):
        return fit(model, ids + 5, *rest, **options)

    monkeypatch.setattr(keras.Model, "fit", spoilt)
    found = module.frozen_stays.findings()
    assert [finding.verdict for finding in found] == ["holds", "contradicted"]


def test_a_tokenizer_that_is_back_is_noticed(module, monkeypatch):
    assert verdict(module.tokenizer_is_gone) == "holds"
    monkeypatch.setattr(keras.preprocessing, "text", keras.layers, raising=False)
    monkeypatch.setattr(keras.layers, "Tokenizer", list, raising=False)
    assert verdict(module.tokenizer_is_gone) == "contradicted"


def at_200_labels_alone(train):
    return train(0.01)[1] if 200 in train.args else 0.0


def advantages(module):
    """The verdicts about few labels, from one run and copies of it with noise."""
    scores = module.few_and_many_labels.run(0)
    noise = np.random.default_rng(0).normal(0, 0.005, (len(scores), SEEDS))
    scores = {name: scores[name] + row for name, row in zip(scores, noise, strict=True)}
    found = module.extra_edge.findings(scores)
    return [finding.verdict for finding in found if ", 200 labels" in finding.what]


def test_the_edge_vanishes_with_permuted_labels(module, monkeypatch):
    monkeypatch.setattr(claims, "tuned", at_200_labels_alone)
    assert advantages(module) == ["holds", "holds"]
    texts = datasets.glosses()
    texts["label"] = np.random.default_rng(0).permutation(texts["label"])
    monkeypatch.setattr(datasets, "glosses", lambda: texts)
    assert "holds" not in advantages(module)
