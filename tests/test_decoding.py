import itertools

from dlnotes import builders, decoding
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal
from loops import randomise

TOKENS, STEPS = 4, 3
SOURCE = np.array([[1, 2, 3, 0], [3, 3, 0, 0], [2, 1, 1, 3], [1, 0, 0, 0], [3, 2, 1, 2]])


def made(attention, cell="gru", seed=1, scale=1.5, eagerly=True):
    """A model with weights for which its answers differ."""
    model = builders.encoder_decoder(TOKENS, TOKENS, units=5, attention=attention, cell=cell)
    randomise(model, np.random.default_rng(seed))
    model.set_weights([scale * weight for weight in model.get_weights()])
    for name in ("encoder", "decoder"):
        model.get_layer(name).run_eagerly = eagerly
    return model


@pytest.fixture(scope="module")
def model():
    return made("additive")


def continuations(model, start=0):
    """By source and answer so far: the log-probabilities of the next token, computed anew."""
    answers = np.array(list(itertools.product(range(TOKENS), repeat=STEPS)))
    so_far = np.pad(answers, ((0, 0), (1, 0)), constant_values=start)
    found = {}
    for number, source in enumerate(SOURCE):
        x = {"source": np.tile(source, (len(so_far), 1)), "target_so_far": so_far}
        logits = np.asarray(model(x), "float64")
        logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        for answer, rows in zip(answers.tolist(), logits, strict=True):
            found |= {(number, *answer[:step]): row for step, row in enumerate(rows)}
    return found


@pytest.fixture(scope="module")
def known(model):
    return continuations(model)


def score(known, number, tokens, end=0):
    """Token by token, the end included."""
    written = [*tokens, end]
    return sum(known[number, *written[:step]][token] for step, token in enumerate(written))


def greedy(known, number, end=0):
    tokens = []
    while len(tokens) < STEPS:
        token = int(known[number, *tokens].argmax())
        if token == end:
            break
        tokens.append(token)
    return tokens


def beams(known, number, width, penalty):
    """Beam search with lists."""

    def key(candidate):
        tokens, found = candidate
        return found / ((5 + len(tokens)) / 6) ** penalty

    kept = [([], 0.0)]
    for step in range(STEPS + 1):
        candidates = [one for one in kept if one[0] and one[0][-1] == 0]
        for tokens, found in kept:
            if not tokens or tokens[-1]:
                after = known[number, *tokens]
                allowed = range(TOKENS) if step < STEPS else [0]
                candidates += [([*tokens, token], found + after[token]) for token in allowed]
        kept = sorted(candidates, key=key, reverse=True)[:width]
    return [tokens[:-1] for tokens, _ in kept], [key(one) for one in kept]


def as_lists(tokens):
    """Rows of tokens without the zeros behind them."""
    return [[int(token) for token in row if token] for row in tokens]


def every_answer(alphabet):
    """All sequences of up to `STEPS` tokens, filled up with zeros."""
    answers = [
        [*answer, *[0] * (STEPS - length)]
        for length in range(STEPS + 1)
        for answer in itertools.product(alphabet, repeat=length)
    ]
    return np.array(answers)


@pytest.mark.parametrize(
    "choices", [("additive", "gru"), (None, "lstm", 3), ("local", "gru", 2, 2.5)]
)
def test_greedy_equals_a_loop_that_computes_everything_anew(choices):
    model = made(*choices)
    known = continuations(model)
    tokens, scores = decoding.greedy_decode(model, SOURCE, STEPS, batch_size=2)
    expected = [greedy(known, number) for number in range(5)]
    assert len({tuple(answer) for answer in expected}) > 1
    assert as_lists(tokens) == expected
    found = [score(known, number, answer) for number, answer in enumerate(expected)]
    np.testing.assert_allclose(scores, found, atol=1e-4)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="tests on JAX compile all models")
def test_compiled_as_eagerly(model):
    compiled = made("additive", eagerly=False)
    for decode in (decoding.greedy_decode, decoding.beam_search):
        one, other = (decode(each, SOURCE, STEPS) for each in (compiled, model))
        assert np.array_equal(one.tokens, other.tokens)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("width", [2, 3])
def test_beam_search_equals_a_search_with_lists(model, known, width, penalty):
    tokens, scores = decoding.beam_search(model, SOURCE, STEPS, width, penalty, batch_size=3)
    for number, (row, found) in enumerate(zip(tokens, scores, strict=True)):
        expected, their_scores = beams(known, number, width, penalty)
        assert as_lists(row) == expected
        np.testing.assert_allclose(found, their_scores, atol=1e-4)


@pytest.mark.parametrize("penalty", [0.0, 0.7, 2.0])
def test_a_beam_of_one_is_greedy(model, penalty):
    tokens, scores = decoding.beam_search(model, SOURCE, STEPS, 1, penalty)
    greedy = decoding.greedy_decode(model, SOURCE, STEPS)
    assert np.array_equal(tokens[:, 0], greedy.tokens)
    lengths = (greedy.tokens > 0).sum(axis=1) + 1
    np.testing.assert_allclose(scores[:, 0], greedy.scores / ((5 + lengths) / 6) ** penalty)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_beam_of_all_answers_ranks_them_all(model, known, penalty):
    answers = every_answer([1, 2, 3])
    lengths = (answers > 0).sum(axis=1) + 1
    tokens, scores = decoding.beam_search(model, SOURCE, STEPS, len(answers) + 2, penalty)
    greedy = decoding.greedy_decode(model, SOURCE, STEPS).scores
    better = 0
    for row in range(len(SOURCE)):
        expected = np.array([score(known, row, answer) for answer in as_lists(answers)])
        better += expected.max() > greedy[row] + 1e-3
        expected /= ((5 + lengths) / 6) ** penalty
        order = np.argsort(-expected)
        assert np.array_equal(tokens[row, 0], answers[order[0]])
        assert sorted(map(tuple, tokens[row, :-2])) == sorted(map(tuple, answers))
        np.testing.assert_allclose(scores[row, :-2], expected[order], atol=1e-4)
        assert (scores[row, -2:] == -np.inf).all()
    assert better, "greedy decoding found every best answer: this shows nothing"


def test_log_probability_equals_the_sum_over_the_tokens(model, known):
    answers = np.array([[1, 2, 3], [0, 0, 0], [2, 0, 0], [3, 1, 0], [1, 1, 1]])
    found = decoding.log_probability(model, SOURCE, answers, batch_size=2)
    expected = [score(known, number, tokens) for number, tokens in enumerate(as_lists(answers))]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_tokens_of_ones_own_for_start_and_end(model):
    options = {"start": 2, "end": 3}
    known = continuations(model, start=2)
    tokens, scores = decoding.greedy_decode(model, SOURCE, STEPS, **options)
    expected = [greedy(known, number, end=3) for number in range(5)]
    assert any(0 < len(answer) < STEPS for answer in expected)
    for row, answer in zip(tokens, expected, strict=True):
        assert row.tolist() == answer + [0] * (STEPS - len(answer))
    found = [score(known, number, answer, end=3) for number, answer in enumerate(expected)]
    np.testing.assert_allclose(scores, found, atol=1e-4)
    beam = decoding.beam_search(model, SOURCE, STEPS, 1, **options)
    assert np.array_equal(beam.tokens[:, 0], tokens)


def test_samples_are_as_frequent_as_probable(model):
    source = np.repeat(SOURCE[:1], 4000, axis=0)
    tokens, scores = decoding.sample_decode(model, source, STEPS, seed=0, batch_size=4000)
    answers = every_answer([1, 2, 3])
    probabilities = np.exp(decoding.log_probability(model, source[: len(answers)], answers))
    whole = np.flatnonzero((answers[:, -1] == 0) & (probabilities > 0.02))
    assert len(whole) > 1
    for number in whole:
        share = (tokens == answers[number]).all(axis=1).mean()
        assert share == pytest.approx(probabilities[number], abs=0.03)
    np.testing.assert_allclose(
        scores[:50], decoding.log_probability(model, source[:50], tokens[:50]), atol=1e-4
    )


def test_cold_samples_are_greedy_and_warm_ones_differ(model):
    greedy = decoding.greedy_decode(model, SOURCE, STEPS)
    cold = decoding.sample_decode(model, SOURCE, STEPS, temperature=1e-4)
    assert np.array_equal(cold.tokens, greedy.tokens)
    np.testing.assert_allclose(cold.scores, greedy.scores)
    warm = [decoding.sample_decode(model, SOURCE, STEPS, seed=seed).tokens for seed in (0, 0, 1)]
    assert np.array_equal(warm[0], warm[1]) and not np.array_equal(warm[0], warm[2])


def test_teacher_forcing_shifts_by_one_and_weighs_up_to_the_end():
    so_far, targets, weights = decoding.teacher_forcing([[4, 5, 6], [7, 0, 0]], start=8, end=9)
    assert so_far.tolist() == [[8, 4, 5, 6], [8, 7, 0, 0]]
    assert targets.tolist() == [[4, 5, 6, 9], [7, 9, 0, 0]]
    assert weights.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]


def test_attention_weights_are_those_of_the_decoder(model):
    answers = np.array([[1, 2], [2, 0], [3, 3], [1, 0], [0, 0]])
    weights = decoding.attention_weights(model, SOURCE, answers)
    assert weights.shape == (5, 3, 4)
    assert_equal(weights.sum(axis=-1), np.ones((5, 3), "float32"))
    assert not weights[np.repeat((SOURCE == 0)[:, np.newaxis], 3, axis=1)].any()
    with pytest.raises(InputError, match="has no attention: its decoder gives no weights"):
        decoding.attention_weights(made(None), SOURCE, answers)


def test_any_model_of_an_encoder_and_a_decoder_is_decoded():
    """A chain: the next token depends on the last one alone, whatever the source."""
    table = np.log([[0.01, 0.6, 0.39], [0.3, 0.35, 0.35], [0.98, 0.01, 0.01]])
    source, tokens = (keras.Input((None,), dtype="int32", name=n) for n in ("source", "tokens"))
    encoder = keras.Model(source, {"length": keras.ops.sum(source, axis=1)}, name="encoder")
    length = keras.Input((), dtype="int32", name="length")
    chain = keras.layers.Embedding(3, 3, weights=[table])
    logits = {"logits": chain(tokens)}
    decoder = keras.Model({"tokens": tokens, "length": length}, logits, name="decoder")
    so_far = keras.Input((None,), dtype="int32")
    outputs = decoder({"tokens": so_far} | encoder(source))["logits"]
    model = keras.Model([source, so_far], outputs)
    source = np.array([[1, 2]])
    assert decoding.greedy_decode(model, source, 4).tokens.tolist() == [[1, 1, 1, 1]]
    tokens, scores = decoding.beam_search(model, source, 4, width=3)
    assert tokens[0, 0].tolist() == [2, 0, 0, 0]
    assert scores[0, 0] == pytest.approx(np.log(0.39 * 0.98), abs=1e-5)


def test_wrong_arguments_are_refused(model):
    plain = builders.mlp((4,), 2)
    with pytest.raises(InputError, match="`model` 'mlp' has no layers 'encoder' and 'decoder'"):
        decoding.greedy_decode(plain, SOURCE, 3)
    with pytest.raises(InputError, match="`steps` is 0, but must be at least 1"):
        decoding.greedy_decode(model, SOURCE, 0)
    with pytest.raises(InputError, match="`width` is 0, but must be at least 1"):
        decoding.beam_search(model, SOURCE, 3, 0)
    with pytest.raises(InputError, match="`temperature` is 0, but must be above 0"):
        decoding.sample_decode(model, SOURCE, 3, temperature=0)
    with pytest.raises(InputError, match=r"`targets` has shape \(2,\) and type"):
        decoding.teacher_forcing(np.array([1, 2]))
