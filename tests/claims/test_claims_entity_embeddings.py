"""The claims about entity embeddings change their verdict when their subject is broken."""

from dlnotes import catalogue, claims
import keras
import numpy as np
import pytest

HOLD = ["entity-emb-helps", "entity-emb-reuse", "weekday-geometry"]


def load():
    return catalogue.find("entity_embeddings").load_claims()


def verdict(name, *scores):
    (claim,) = (claim for claim in claims.of_module(load()) if claim.id == name)
    return claims.verdict(claim.findings(*scores))


def shift_codes(monkeypatch, by):
    call = keras.layers.Embedding.call

    def call_with_shift(self, codes):
        return call(self, (codes + by) % self.input_dim)

    monkeypatch.setattr(keras.layers.Embedding, "call", call_with_shift)


def test_input_of_length_one():
    assert verdict("entity-emb-size-one-input") == "holds"


def test_vectors_of_other_codes(monkeypatch):
    shift_codes(monkeypatch, by=1)
    assert verdict("entity-emb-size-one-input") == "contradicted"


def test_merged_in_another_order(monkeypatch):
    call = keras.layers.Concatenate.call
    monkeypatch.setattr(keras.layers.Concatenate, "call", lambda self, x: call(self, x[::-1]))
    assert verdict("entity-emb-size-one-input") == "contradicted"


def ten_seeds():
    """The numbers of ten seeds like this one, each arm trained with one learning rate."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "tuned", lambda train: train(0.01)[1])
        scores = load().encodings.run(2)
    noise = np.random.default_rng(0).normal(0, 0.01, (len(scores), 10))
    return {name: scores[name] + row for name, row in zip(scores, noise, strict=True)}


@pytest.fixture(scope="module")
def untouched():
    return ten_seeds()


@pytest.fixture(scope="module")
def permuted():
    """Embeddings that see the categories of other rows."""
    call = keras.layers.Embedding.call
    shuffled = keras.random.SeedGenerator(0)

    def call_shuffled(self, codes):
        return call(self, keras.random.shuffle(codes, seed=shuffled))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.layers.Embedding, "call", call_shuffled)
        return ten_seeds()


@pytest.mark.parametrize("name", HOLD)
def test_untouched(untouched, name):
    assert verdict(name, untouched) == "holds"


@pytest.mark.parametrize("name", HOLD)
def test_embeddings_of_other_rows(permuted, name):
    assert verdict(name, permuted) != "holds"


def test_they_are_worse_than_columns_then(permuted):
    assert verdict("entity-emb-helps", permuted) == "contradicted"
