"""The claims about Monte Carlo dropout change their verdict when what they check is broken."""

from dlnotes import catalogue, claims
import keras
import numpy as np
import pytest

EXACT = {
    "mc-passes-sample": "holds",
    "mc-bernoulli-weights": "holds",
    "mc-mean-cleaner": "holds",
    "mc-trainable-flag": "contradicted",
    "mc-baked-training-arg": "contradicted",
    "mc-dropout-at-end": "holds",
    "outdated-1": "holds",
    "outdated-2": "holds",
    "outdated-40": "holds",
    "outdated-41": "holds",
    "outdated-42": "holds",
}


@pytest.fixture(scope="module")
def module():
    return catalogue.find("mc_dropout").load_claims()


def verdict(module, name, *scores):
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == name)
    return claims.verdict(claim.findings(*scores))


def replace_dropout(monkeypatch, drop, always=False):
    """Dropout that does as `drop` says: in training, or always."""

    def call(self, inputs, training=False):
        return drop(self, inputs) if training or always else inputs

    monkeypatch.setattr(keras.layers.Dropout, "call", call)


def real_dropout(layer, inputs):
    return keras.random.dropout(inputs, layer.rate, seed=layer.seed_generator)


def noise(layer, inputs):
    return inputs * (1 + keras.random.normal(keras.ops.shape(inputs), seed=layer.seed_generator))


def one_mask_for_all(layer, inputs):
    shape = (1, *inputs.shape[1:])
    return keras.random.dropout(inputs, layer.rate, noise_shape=shape, seed=layer.seed_generator)


def nothing(layer, inputs):
    return inputs


@pytest.mark.parametrize("name", EXACT)
def test_untouched(module, name):
    assert verdict(module, name) == EXACT[name]


@pytest.mark.parametrize("name", ["mc-bernoulli-weights", "mc-mean-cleaner", "outdated-1"])
def test_with_the_same_dropout_written_anew(module, name, monkeypatch):
    replace_dropout(monkeypatch, real_dropout)
    assert verdict(module, name) == EXACT[name]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("mc-baked-training-arg", "holds"),
        ("outdated-1", "contradicted"),
        ("outdated-2", "contradicted"),
    ],
)
def test_dropout_that_predict_does_not_switch_off(module, name, found, monkeypatch):
    replace_dropout(monkeypatch, real_dropout, always=True)
    assert verdict(module, name) == found


def test_a_flag_that_switches_dropout_on(module, monkeypatch):
    def call(self, inputs, training=False):
        return real_dropout(self, inputs) if self.trainable else inputs

    monkeypatch.setattr(keras.layers.Dropout, "call", call)
    assert verdict(module, "mc-trainable-flag") == "holds"


@pytest.mark.parametrize(
    "name", ["mc-bernoulli-weights", "mc-dropout-at-end", "outdated-2", "outdated-41"]
)
def test_noise_in_place_of_zeros(module, name, monkeypatch):
    replace_dropout(monkeypatch, noise)
    assert verdict(module, name) == "contradicted"


def test_passes_that_share_a_mask_have_no_cleaner_mean(module, monkeypatch):
    replace_dropout(monkeypatch, one_mask_for_all)
    assert verdict(module, "mc-mean-cleaner") == "contradicted"


def test_dropout_that_drops_nothing_draws_no_samples(module, monkeypatch):
    replace_dropout(monkeypatch, nothing)
    assert verdict(module, "mc-passes-sample") == "contradicted"


def test_weights_that_are_drawn_on_their_own(module, monkeypatch):
    def call(self, inputs):
        outputs = keras.ops.matmul(inputs, self.kernel)
        return outputs * (1 + keras.random.normal(keras.ops.shape(outputs), seed=3))

    monkeypatch.setattr(keras.layers.Dense, "call", call)
    assert verdict(module, "mc-bernoulli-weights") == "contradicted"
    assert verdict(module, "outdated-40") == "contradicted"


def ten_seeds_like(numbers):
    rng = np.random.default_rng(0)
    return {name: value + rng.normal(0, 0.01, 10) for name, value in numbers.items()}


def test_labels_permuted(module, monkeypatch):
    judged = ten_seeds_like(module.digits.run(0))
    assert verdict(module, "softmax-not-confidence", judged) == "holds"

    def permuted(samples, rng, digits=module.STORY.digits):
        data, unknown = digits(samples, rng)
        for part in (data.train, data.validation):
            rng.shuffle(part.y)
        return data, unknown

    monkeypatch.setattr(module.STORY, "digits", permuted)
    judged = ten_seeds_like(module.digits.run(0))
    assert verdict(module, "softmax-not-confidence", judged) == "contradicted"
