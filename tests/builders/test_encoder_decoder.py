from dlnotes.builders import encoder_decoder, encoder_decoder_space
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_builder, check_mixed_precision
from loops import padded, randomise, sigmoid

ATTENTIONS = [None, "additive", "multiplicative", "hard", "local"]
LENGTHS = [5, 2, 4]
TOKENS = 6


def gru_step(x, state, kernel, recurrent_kernel, bias):
    given = np.split(x @ kernel + bias[0], 3)
    kept = np.split(state @ recurrent_kernel + bias[1], 3)
    update, reset = (sigmoid(one + other) for one, other in zip(given[:2], kept[:2], strict=True))
    return update * state + (1 - update) * np.tanh(given[2] + reset * kept[2])


def softmax(scores):
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def loop(model, source, so_far, attention):
    """Encoder and decoder with one GRU each, token by token, for one source without padding."""
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")

    def weights(part, name):
        return part.get_layer(name).get_weights()

    table, state, memory = weights(encoder, "source_embedding")[0], np.zeros(3), []
    for token in source:
        state = gru_step(table[token], state, *weights(encoder, "reading"))
        memory.append(state)
    memory, table = np.array(memory), weights(decoder, "target_embedding")[0]
    written = weights(decoder, "writing")
    logits = []
    for token in so_far:
        if attention == "additive":
            context, state = bahdanau(table[token], state, memory, encoder, written)
        else:
            state = gru_step(table[token], state, *written)
            if attention:
                context = luong(state, memory, encoder, decoder, attention)
        result = state
        if attention:
            kernel, bias = weights(decoder, "attentional")
            result = np.tanh(np.concatenate([context, state]) @ kernel + bias)
        kernel, bias = weights(decoder, "logits")
        logits.append(result @ kernel + bias)
    return np.array(logits)


def bahdanau(x, state, memory, encoder, written):
    """Equations 4 to 6: the last state asks, the cell reads the answer."""
    *own, query, v = written
    keys = memory @ encoder.get_layer("keys").get_weights()[0]
    context = softmax(np.tanh(state @ query + keys) @ v) @ memory
    return context, gru_step(np.concatenate([x, context]), state, *own)


def luong(state, memory, encoder, decoder, attention):
    """Equations 7 to 10: the new state asks; hard attention takes the step of the highest score."""
    scores = memory @ encoder.get_layer("keys").get_weights()[0] @ state
    weights = softmax(scores)
    if attention == "hard":
        weights = np.eye(len(memory))[scores.argmax()]
    if attention == "local":
        first, second = decoder.get_layer("attention").get_weights()
        places = np.arange(len(memory)) + 1
        distance = places - len(memory) * sigmoid(np.tanh(state @ first) @ second)
        near = np.abs(distance) <= 2
        weights = np.zeros(len(memory))
        weights[near] = softmax(scores[near]) * np.exp(-(distance[near] ** 2) / 2)
    return weights @ memory


def small(rng, **options):
    model = encoder_decoder(TOKENS, TOKENS, units=3, window=2, **options)
    return randomise(model, rng)


@pytest.fixture
def sources(rng):
    return [rng.integers(1, TOKENS, size=length) for length in LENGTHS]


@pytest.fixture
def so_far(rng):
    return rng.integers(TOKENS, size=(3, 4))


def test_contract(tmp_path, rng):
    x = {name: rng.integers(TOKENS, size=(5, 4)) for name in ("source", "target_so_far")}
    gru = 2 * 3 * 64 * (64 + 64 + 2)
    attention = 64 * 64 + 64
    check_builder(
        encoder_decoder,
        {"source_tokens": TOKENS, "target_tokens": TOKENS},
        x,
        rng.integers(TOKENS, size=(5, 4)),
        tmp_path,
        space=encoder_decoder_space,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        output_shape=(None, None, TOKENS),
        parameters=2 * TOKENS * 64
        + gru
        + (128 + 1) * 64
        + 128 * 64
        + 3 * 64 * (64 + 128 + 64 + 2)
        + attention
        + (128 + 64 + 1) * 64
        + (64 + 1) * TOKENS,
    )


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_equals_a_loop_over_the_tokens(attention, sources, so_far, rng):
    model = small(rng, attention=attention, bidirectional=False)
    found = model({"source": padded(sources, 6), "target_so_far": so_far})
    expected = [loop(model, *pair, attention) for pair in zip(sources, so_far, strict=True)]
    assert_equal(np.asarray(found), np.array(expected))


@pytest.mark.parametrize(
    ("attention", "cell"), [(None, "lstm"), ("additive", "lstm"), ("local", "gru")]
)
def test_padded_sources_are_answered_as_each_one_alone(attention, cell, sources, so_far, rng):
    model = small(rng, attention=attention, cell=cell)
    alone = [
        model({"source": source[np.newaxis], "target_so_far": row[np.newaxis]})
        for source, row in zip(sources, so_far, strict=True)
    ]
    for steps in (5, 7):
        together = model({"source": padded(sources, steps), "target_so_far": so_far})
        assert_equal(together, keras.ops.concatenate(alone))


def test_padded_sources_in_predict(sources, so_far, rng):
    model = small(rng, attention="multiplicative")
    short, long = (
        model.predict({"source": padded(sources, steps), "target_so_far": so_far}, verbose=0)
        for steps in (5, 7)
    )
    assert_equal(short, long)


@pytest.mark.parametrize("attention", [None, "additive", "multiplicative"])
def test_what_comes_later_changes_nothing_before(attention, sources, so_far, rng):
    model = small(rng, attention=attention)
    changed = so_far.copy()
    changed[:, 2] = (changed[:, 2] + 1) % TOKENS
    before, after = (
        np.asarray(model({"source": padded(sources, 5), "target_so_far": rows}))
        for rows in (so_far, changed)
    )
    assert_equal(before[:, :2], after[:, :2])
    assert np.abs(before[:, 2:] - after[:, 2:]).min(axis=(1, 2)).max() > 1e-4


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_the_decoder_goes_on_from_its_states(cell, sources, so_far, rng):
    model = small(rng, attention="additive", cell=cell)
    source = padded(sources, 5)
    encoded = model.get_layer("encoder")(source)
    decoder, logits = model.get_layer("decoder"), []
    for token in so_far.T:
        encoded = {name: np.asarray(value) for name, value in encoded.items()}
        results = decoder({"tokens": token[:, np.newaxis]} | encoded)
        logits.append(results["logits"])
        encoded |= {name: results[name] for name in decoder.output if name in encoded}
    together = model({"source": source, "target_so_far": so_far})
    assert_equal(keras.ops.concatenate(logits, axis=1), together)


def test_without_attention_one_vector_is_all_that_the_decoder_gets():
    decoder = encoder_decoder(TOKENS, TOKENS, units=3, attention=None).get_layer("decoder")
    assert {name: tensor.shape for name, tensor in decoder.input.items()} == {
        "tokens": (None, None),
        "hidden": (None, 3),
    }


def test_everything_is_trained(rng):
    model = small(rng, dropout=0.1)
    x = {name: rng.integers(1, TOKENS, size=(6, 4)) for name in ("source", "target_so_far")}
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = model.get_weights()
    model.fit(x, rng.integers(TOKENS, size=(6, 4)), verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert not np.array_equal(old, new)


@pytest.mark.parametrize("attention", ["additive", "local"])
def test_mixed_precision(attention, sources, so_far):
    x = {"source": padded(sources, 5), "target_so_far": so_far}
    check_mixed_precision(lambda: encoder_decoder(TOKENS, TOKENS, attention=attention), x)


def test_wrong_choices_are_refused():
    with pytest.raises(InputError, match="`attention` is 'soft', but must be one of None, 'addi"):
        encoder_decoder(4, 4, attention="soft")
    with pytest.raises(InputError, match="`cell` is 'rnn', but must be 'gru' or 'lstm'"):
        encoder_decoder(4, 4, cell="rnn")
    with pytest.raises(InputError, match="`source_tokens` is 1, but must be at least 2"):
        encoder_decoder(1, 4)
