from dlnotes.builders import transformer, transformer_space
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from attention_loops import block, everything, normalise, the_past, waves
from contracts import assert_equal, check_builder, check_mixed_precision, check_padding
from loops import padded, randomise

POSITIONS = ["learned", "sinusoidal", "relative", None]
LENGTHS = [5, 2, 4]
SMALL = {"units": 8, "num_heads": 2, "max_distance": 2}


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(length, 3)).astype("float32") for length in LENGTHS]


@pytest.fixture
def sentences(rng):
    return [rng.integers(1, 9, size=length).astype("int32") for length in LENGTHS]


BLOCK = 4 * 32 * 33 + 32 * 128 + 128 + 128 * 32 + 32 + 4 * 32


@pytest.mark.parametrize(
    ("facts", "shape", "parameters"),
    [
        ({"input_shape": (5, 3), "outputs": 2}, (None, 2), 32 * 4 + BLOCK + 64 + 33 * 2),
        (
            {"input_shape": (5,), "outputs": 9, "vocabulary": 9, "causal": True},
            (None, 5, 9),
            9 * 32 + BLOCK + 64 + 33 * 9,
        ),
    ],
)
def test_contract(facts, shape, parameters, tmp_path, rng):
    tokens = "vocabulary" in facts
    check_builder(
        transformer,
        facts,
        rng.integers(1, 9, (4, 5)) if tokens else rng.normal(size=(4, 5, 3)),
        np.zeros((4, *shape[1:])),
        tmp_path,
        space=transformer_space,
        loss="mse",
        output_shape=shape,
        parameters=parameters,
    )


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("positions", POSITIONS)
def test_two_blocks_equal_a_loop(positions, causal, sentences, rng):
    model = transformer(
        (6,), 2, vocabulary=9, causal=causal, layers=2, positions=positions, **SMALL
    )
    randomise(model, rng)
    kernel, bias = model.get_layer("outputs").get_weights()
    (table,) = model.get_layer("tokens").get_weights()
    prediction = model(padded(sentences, 6))
    for row, sentence in zip(prediction, sentences, strict=True):
        steps = len(sentence)
        x = table[sentence] * 8**0.5
        if positions == "learned":
            x = x + model.get_layer("positions").get_weights()[0][:steps]
        elif positions == "sinusoidal":
            x = x + waves(steps, 8)
        for name in ("block_1", "block_2"):
            x = block(x, model.get_layer(name), (the_past if causal else everything)(steps))
        x = normalise(x, model.get_layer("norm"))
        if causal:
            row = row[:steps]
        else:
            x = x.mean(axis=0)
        assert_equal(row, x @ kernel + bias, 1e-3)


def test_padded_tokens_change_nothing(sentences, rng):
    model = randomise(transformer((None,), 2, vocabulary=9, **SMALL), rng)
    check_padding(model, sentences)


def test_padded_features_change_nothing(sequences, rng):
    options = {"return_sequences": True, "positions": "relative", "layers": 2}
    model = randomise(transformer((None, 3), 2, **options, **SMALL), rng)
    check_padding(model, sequences, per_step=True)


def test_learned_positions_read_shorter_sequences_padded(sentences, rng):
    models = [
        transformer((steps,), 2, vocabulary=9, positions="learned", **SMALL) for steps in (5, 7)
    ]
    randomise(models[0], rng)
    weights = models[0].get_weights()
    longer = [np.pad(w, ((0, 2), (0, 0))) if w.shape == (5, 8) else w for w in weights]
    models[1].set_weights(longer)
    short, long = (
        model(padded(sentences, steps)) for model, steps in zip(models, (5, 7), strict=True)
    )
    assert_equal(short, long, 1e-4)


@pytest.mark.parametrize("positions", POSITIONS)
def test_the_order_counts_where_positions_are_known(positions, sentences, rng):
    model = randomise(transformer((5,), 2, vocabulary=9, positions=positions, **SMALL), rng)
    x = np.arange(1, 6)[None]
    moved = np.abs(model(x) - model(x[:, ::-1])).max()
    assert moved < 1e-4 if positions is None else moved > 1e-2


def test_the_next_token_is_learned_from_the_past_alone():
    x = np.tile([[1, 2, 1, 3]], (20, 1))  # after 1 comes 2 the first time and 3 the second time
    y = np.tile([[2, 1, 3, 0]], (20, 1))
    keras.utils.set_random_seed(0)
    model = transformer((None,), 4, vocabulary=4, causal=True, dropout=0.0, **SMALL)
    loss = keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight")
    model.compile(keras.optimizers.Adam(0.02), loss)
    model.fit(x, y, sample_weight=(y != 0).astype("float32"), batch_size=2, epochs=3, verbose=0)
    prediction = model.predict(x[:1], verbose=0).argmax(axis=-1)
    assert prediction[0, :3].tolist() == [2, 1, 3]


@pytest.mark.parametrize("positions", ["learned", "relative"])
def test_mixed_precision(positions, sentences):
    x = padded(sentences, 5)
    check_mixed_precision(
        lambda: transformer((5,), 2, vocabulary=9, causal=True, positions=positions, **SMALL), x
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (12,)}, r"`input_shape` is \(12,\), but must be \(steps, features\)"),
        (
            {"input_shape": (12, 3), "vocabulary": 9},
            r"but must be \(steps,\), such as \(12,",
        ),
        ({"positions": "absolute"}, "'absolute', but must be one of 'learned', 'sinusoidal', 'rel"),
        ({"input_shape": (None, 3), "positions": "learned"}, "which needs to know the longest"),
        ({"num_heads": 5}, "`num_heads` is 5, but must divide the number of features, 32"),
        ({"layers": 0}, "`layers` is 0, but must be at least 1"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        transformer(**{"input_shape": (5, 3), "outputs": 2} | arguments)
