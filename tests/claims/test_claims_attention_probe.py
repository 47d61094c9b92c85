"""The claims about attention heads change their verdict when what they check is broken."""

from dlnotes import attention, catalogue, claims, datasets
import numpy as np
import pytest


@pytest.fixture(scope="module")
def module():
    return catalogue.find("attention_probe").load_claims()


def verdict(module, name, numbers):
    """The verdict for ten seeds that give the same numbers."""
    (claim,) = (claim for claim in claims.of_module(module) if claim.id == name)
    return claims.verdict(claim.findings({key: np.full(10, v) for key, v in numbers.items()}))


def planted(x, looks_at):
    """Attention of one block in which head h of each word looks at the word looks_at[h] alone."""
    scores = np.zeros((len(x), len(looks_at), 12, 12))
    rows, words = np.nonzero(x)
    for head, places in enumerate(looks_at):
        scores[rows, head, words, places[rows, words]] = 1
    return [scores]


@pytest.fixture
def sentences():
    x, heads = datasets.grammar(300, target="heads").test
    return x, heads


def reads(module, monkeypatch, scores):
    monkeypatch.setattr(attention, "attention_scores", lambda model, x, batch_size: scores)
    return module.STORY.read(None, 300, 0, "test")


def test_heads_that_look_where_they_should_are_found(module, monkeypatch, sentences):
    x, heads = sentences
    place, last = np.arange(12), np.count_nonzero(x, axis=1)[:, None] - 1
    following = np.minimum(place + 1, last)
    before = np.broadcast_to(np.maximum(place - 1, 0), x.shape)
    found = reads(module, monkeypatch, planted(x, [following, before, 0 * x, heads]))
    shares = {name: values[0].round(6).tolist() for name, values in found.items()}
    assert shares["next"][:2] == [1, 0] and shares["previous"][:2] == [0, 1]
    assert shares["delimiter"][2] == 1
    assert all(shares[name][3] == 1 for name in module.STORY.TASKS["syntax"])
    fixed = {name: values[1] for name, values in found.items()}
    assert fixed["amod"].max() == 1 and fixed["det"].max() < 1
    assert shares["amod"][0] == 1  # an adjective stands before its noun: the next word


def test_the_other_direction_counts_too(module, monkeypatch, sentences):
    x, heads = sentences
    relations = datasets.grammar(300, target="relations").test.y
    back = np.zeros_like(x)
    rows, words = np.nonzero(relations == datasets.grammar_relations().index("nsubj"))
    back[rows, heads[rows, words]] = words
    found = reads(module, monkeypatch, planted(x, [back]))["nsubj"][0]
    assert found.tolist() == [0, 1]


def test_weights_in_random_order_are_what_shuffling_gives(module, sentences, rng):
    x, _ = sentences
    for name, pattern in module.STORY.patterns(x).items():
        means = []
        for _ in range(40):
            scores = rng.random((len(x), 1, 12, 12)) * (x != 0)[:, None, None]
            scores /= scores.sum(axis=-1, keepdims=True)
            means.append(module.STORY.weight_on(pattern, scores).item())
        expected = module.STORY.in_random_order(pattern, x).item()
        assert np.mean(means) == pytest.approx(expected, abs=0.01), name


def test_a_network_without_training_has_hardly_any_pattern(module):
    best, _ = module.STORY.probe(module.network(0), 300, 0)
    numbers = {}
    for name, (head, rule) in best.items():
        numbers |= {f"{name}, best head": head, f"{name}, without": rule}
    assert verdict(module, "heads-patterns", numbers) == "contradicted"
    assert verdict(module, "heads-not-conclusive", numbers) == "holds"
    for name in module.STORY.TASKS["patterns"]:
        numbers[f"{name}, best head"] = 0.6
    assert verdict(module, "heads-patterns", numbers) == "holds"
    for name in module.STORY.TASKS["syntax"]:
        numbers |= {f"{name}, best head": 0.9, f"{name}, without": 0.5}
    assert verdict(module, "heads-not-conclusive", numbers) == "contradicted"
