"""The claim about attention changes its verdict when what it checks is broken."""

from dlnotes import catalogue, claims
import keras
import pytest


@pytest.fixture(scope="module")
def claim():
    (claim,) = claims.of_module(catalogue.find("attention_seq2seq").load_claims())
    return claim


def verdict(claim):
    return claims.verdict(claim.findings())


def test_weights_that_are_no_softmax(claim, monkeypatch):
    assert verdict(claim) == "holds"
    monkeypatch.setattr(keras.ops, "softmax", lambda scores, axis=-1: keras.ops.sigmoid(scores))
    for module in (keras.layers.Attention, keras.layers.AdditiveAttention):
        apply = keras.layers.Attention._apply_scores

        def unlike(self, scores, value, scores_mask=None, training=False, apply=apply):
            return apply(self, 2 * scores, value, scores_mask, training)

        monkeypatch.setattr(module, "_apply_scores", unlike)
    assert verdict(claim) == "contradicted"


def test_a_context_of_something_else(claim, monkeypatch):
    call = keras.layers.Attention.call

    def other(self, inputs, mask=None, **options):
        query, value, *key = inputs
        return call(self, [query, value[:, ::-1], *key], mask, **options)

    monkeypatch.setattr(keras.layers.Attention, "call", other)
    assert verdict(claim) == "contradicted"


def test_additive_scores_that_multiply(claim, monkeypatch):
    product = keras.layers.Attention._calculate_scores

    def multiplied(self, query, key):
        self.score_mode, self.scale = "dot", None
        return product(self, query, key)

    monkeypatch.setattr(keras.layers.AdditiveAttention, "_calculate_scores", multiplied)
    assert verdict(claim) == "contradicted"
