"""What is written is drawn from the model's own probabilities, one token after another."""

from dlnotes.builders import char_rnn
from dlnotes.errors import InputError
from dlnotes.generation import generate
import keras
import numpy as np
import pytest

from contracts import assert_equal
from loops import randomise


@pytest.fixture
def model(rng):
    return randomise(char_rnn(6, units=4, layers=2, embedding=3), rng)


PROMPT = np.array([[1, 2, 3], [4, 4, 0]])


def written_from_the_beginning(model, prompt, steps, temperature, seed):
    """The same without a state: the whole text is read again for each token."""
    random, text = np.random.default_rng(seed), prompt
    for _ in range(steps):
        logits = np.asarray(model(text), "float64")[:, -1]
        noise = random.gumbel(size=logits.shape)
        text = np.concatenate([text, (logits + temperature * noise).argmax(axis=-1)[:, None]], 1)
    return text[:, prompt.shape[1] :]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_it_equals_reading_the_whole_text_again_for_each_token(temperature, model):
    found = generate(model, PROMPT, 12, temperature=temperature, seed=3)
    expected = written_from_the_beginning(model, PROMPT, 12, temperature, seed=3)
    np.testing.assert_array_equal(found, expected)


def test_tokens_are_as_frequent_as_the_softmax_says(model):
    rows = 4000
    temperature = np.repeat([1.0, 0.5], rows)
    prompt = np.repeat(PROMPT[:1], 2 * rows, axis=0)
    found = generate(model, prompt, 1, temperature=temperature, seed=0)[:, 0]
    logits = np.asarray(model(PROMPT[:1]))[0, -1]
    for part, heat in ((found[:rows], 1.0), (found[rows:], 0.5)):
        expected = np.asarray(keras.ops.softmax(logits / heat))
        counts = np.bincount(part, minlength=6) / rows
        assert_equal(counts, expected, 4 * np.sqrt(0.25 / rows))


def test_rows_are_on_their_own_and_each_has_its_temperature(model):
    together = generate(model, PROMPT, 6, temperature=0)
    alone = [generate(model, row[None], 6, temperature=0) for row in PROMPT]
    np.testing.assert_array_equal(together, np.concatenate(alone))
    mixed = generate(model, PROMPT[[0, 0]], 40, temperature=[0, 2], seed=0)
    np.testing.assert_array_equal(mixed[0], generate(model, PROMPT, 40, temperature=0)[0])
    assert (mixed[0] != mixed[1]).any()


def test_the_seed_decides_and_the_model_stays_as_it_is(model):
    weights = model.get_weights()
    first, again, other = (generate(model, PROMPT, 20, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert_equal(model.get_weights(), weights, 0)
    assert not any(getattr(layer, "stateful", False) for layer in model.layers)


def test_a_prompt_of_one_token_will_do(model):
    assert generate(model, PROMPT[:, :1], 3).shape == (2, 3)


def language_model(*layers, steps=None):
    tokens = keras.Input((steps,), dtype="int32")
    x = keras.layers.Embedding(6, 3)(tokens)
    for layer in layers:
        x = layer(x)
    return keras.Model(tokens, keras.layers.Dense(6)(x))


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True))],
        lambda: [
            keras.layers.Conv1D(4, 3, padding="causal"),
            keras.layers.GRU(4, return_sequences=True),
        ],
    ],
)
def test_models_that_need_more_than_a_state_are_refused(layers, rng):
    model = randomise(language_model(*layers()), rng)
    with pytest.raises(InputError, match="looks back or ahead by more than the state"):
        generate(model, PROMPT, 3)


def test_other_models_are_named(model):
    lstm = keras.layers.LSTM(4, return_sequences=True)
    with pytest.raises(InputError, match="takes 3 steps, but must take any number"):
        generate(language_model(lstm, steps=3), PROMPT, 3)
    with pytest.raises(InputError, match="has no recurrent layer"):
        generate(language_model(), PROMPT, 3)
    with pytest.raises(InputError, match=r"goes from \(None, None, 2\) to \(None, 4\), but must"):
        inputs = keras.Input((None, 2))
        generate(keras.Model(inputs, keras.layers.LSTM(4)(inputs)), PROMPT, 3)


@pytest.mark.parametrize(
    ("prompt", "options", "message"),
    [
        (PROMPT[0], {}, r"`prompt` has shape \(3,\) and type int64"),
        (PROMPT * 1.0, {}, r"type float64, but must be integers"),
        (PROMPT[:, :0], {}, r"`prompt` has shape \(2, 0\)"),
        (PROMPT, {"steps": 0}, "`steps` is 0, but must be at least 1"),
        (PROMPT, {"temperature": -0.1}, "`temperature` is -0.1, but must be at least 0"),
        (PROMPT, {"temperature": [1.0, -2.0]}, "`temperature` is -2.0"),
    ],
)
def test_impossible_arguments_are_named(prompt, options, message, model):
    with pytest.raises(InputError, match=message):
        generate(model, prompt, **{"steps": 2} | options)
