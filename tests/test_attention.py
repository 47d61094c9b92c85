from dlnotes.attention import attention_scores
from dlnotes.builders import mlp, transformer
from dlnotes.errors import InputError
import numpy as np
import pytest

from attention_loops import attention, block, everything, normalise, the_past
from contracts import assert_equal
from loops import padded, randomise


@pytest.mark.parametrize(("causal", "positions"), [(False, None), (True, "relative")])
def test_scores_of_two_blocks_equal_a_loop(causal, positions, rng):
    options = {"units": 8, "num_heads": 2, "layers": 2, "max_distance": 2, "positions": positions}
    model = randomise(transformer((None,), 9, vocabulary=9, causal=causal, **options), rng)
    sentences = [rng.integers(1, 9, size=length).astype("int32") for length in (5, 2)]
    before = model(padded(sentences, 6))
    scores = attention_scores(model, padded(sentences, 6))
    assert [found.shape for found in scores] == [(2, 2, 6, 6)] * 2
    (table,) = model.get_layer("tokens").get_weights()
    for row, sentence in enumerate(sentences):
        steps = len(sentence)
        looks_at = (the_past if causal else everything)(steps)
        x = table[sentence] * 8**0.5
        for name, found in zip(("block_1", "block_2"), scores, strict=True):
            layer = model.get_layer(name)
            inputs = normalise(x, layer.first_norm)
            expected = attention(inputs, layer.attention, looks_at, layer.max_distance)[1]
            assert_equal(found[row, :, :steps, :steps], expected, 1e-4)
            assert not found[row, :, :steps, steps:].any()
            x = block(x, layer, looks_at)
    assert_equal(model(padded(sentences, 6)), before, 0)


def test_a_model_without_blocks_is_refused():
    with pytest.raises(InputError, match="has no `TransformerBlock` whose attention"):
        attention_scores(mlp((3,), 1), np.zeros((2, 3)))
