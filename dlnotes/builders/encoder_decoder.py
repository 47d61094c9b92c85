"""A network that reads one sequence of tokens and writes another."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
from dlnotes.layers.attentive_rnn import AttentiveRNN
from dlnotes.layers.selective_attention import SelectiveAttention

ATTENTIONS = (None, "additive", "multiplicative", "hard", "local")
STATES = {"gru": ("hidden",), "lstm": ("hidden", "cell")}


def encoder_decoder(
    source_tokens,
    target_tokens,
    *,
    units=64,
    cell="gru",
    attention="additive",
    bidirectional=True,
    window=3,
    dropout=0.0,
    name="encoder_decoder",
):
    """Builds a recurrent encoder and a recurrent decoder, with or without attention between them.

    For turning one sequence of tokens into another whose length is not known beforehand:
    translation, normalisation of dates or names, correction, commands to actions. Without attention
    the source reaches the decoder as the last state alone, one vector whatever its length; with
    attention every step of the decoder looks at all steps of the encoder.

    It is trained with the right answer so far as its second input (teacher forcing), for which
    `dlnotes.decoding.teacher_forcing` makes the arrays:
    `model.fit({"source": source, "target_so_far": so_far}, targets, sample_weight=weights)`.
    To answer, it has to feed on its own output: `dlnotes.decoding.greedy_decode` and `beam_search`
    encode once and run the decoder step by step.

    Token 0 fills up the sources; the padding changes nothing. What stands in `target_so_far` after
    a step never reaches that step, so no mask is needed there; give the loss sample weights.

    What `attention` says:

    - `None`: the decoder begins at the encoder's last state, and that is all (Sutskever, Cho).
    - `"additive"`: the state before each step asks, and the cell reads the answer beside its input
      (Bahdanau).
    - `"multiplicative"`: the state after each step asks, with scores `state . W memory` (Luong,
      global, general). All steps at once in training, so faster.
    - `"hard"`: as multiplicative, but one step is looked at; in training it is drawn (Xu).
    - `"local"`: as multiplicative, but in a window around a predicted place (Luong, local-p).

    The model consists of two models, `model.get_layer("encoder")` and `model.get_layer("decoder")`,
    which can be used and trained elsewhere. The encoder turns the source into a dictionary; the
    decoder takes what it needs of it, and `tokens`, and gives `logits`, its states under the names
    that they came in by, and with attention its `weights`.

    Reference: Sutskever, Vinyals, Le 2014, https://arxiv.org/abs/1409.3215; Cho et al. 2014,
    https://arxiv.org/abs/1406.1078; Bahdanau, Cho, Bengio 2015, https://arxiv.org/abs/1409.0473,
    equations 4 to 6; Luong, Pham, Manning 2015, https://arxiv.org/abs/1508.04025, equations 5 to
    10; Xu et al. 2015, https://arxiv.org/abs/1502.03044; notes 002:1462-1473, 003:130-136.

    Args:
        source_tokens: Integer, number of different tokens in the sources, 0 among them.
        target_tokens: Integer, number of different tokens in the answers, all special ones among
            them.
        units: Integer, width of embeddings, states and attention. Defaults to `64`.
        cell: `"gru"` or `"lstm"`. Defaults to `"gru"`.
        attention: `None`, `"additive"`, `"multiplicative"`, `"hard"` or `"local"`. Defaults to
            `"additive"`.
        bidirectional: Boolean, whether the encoder reads from both ends, with `units` each way; a
            `Dense` layer then brings its last states to the width of the decoder. Defaults to
            `True`.
        window: Number, how far from the predicted place local attention looks. Defaults to `3`.
        dropout: Float in [0, 1), share of the embeddings and of the decoder's results dropped.
            Defaults to `0.0`.
        name: String, name of the model. Defaults to `"encoder_decoder"`.

    Input shape:
        A dictionary: `"source"` of shape `(batch, source steps)`, `"target_so_far"` of shape
        `(batch, target steps)`, integers.

    Output shape:
        `(batch, target steps, target_tokens)`: logits of the token that comes next.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        InputError: If `attention` or `cell` is unknown, or a number is too small.

    Example:

    >>> from dlnotes import builders, datasets, decoding
    >>> source, answers = datasets.copying(samples=20, steps=5, order="reverse").train
    >>> so_far, targets, weights = decoding.teacher_forcing(answers)
    >>> model = builders.encoder_decoder(9, 9, units=8, attention="multiplicative")
    >>> model({"source": source, "target_so_far": so_far}).shape == (*targets.shape, 9)
    True
    >>> decoding.greedy_decode(model, source, steps=6).tokens.shape
    (12, 6)
    """
    _check(source_tokens, target_tokens, cell, attention, window)
    encoder = _encoder(source_tokens, units, cell, attention, bidirectional, dropout)
    decoder = _decoder(target_tokens, units, cell, attention, window, dropout, encoder.output)
    source = keras.Input((None,), dtype="int32", name="source")
    so_far = keras.Input((None,), dtype="int32", name="target_so_far")
    encoded = encoder(source)
    taken = {name: encoded[name] for name in decoder.input if name != "tokens"}
    logits = decoder({"tokens": so_far} | taken)["logits"]
    return keras.Model({"source": source, "target_so_far": so_far}, logits, name=name)


def _encoder(tokens, units, cell, attention, bidirectional, dropout):
    source = keras.Input((None,), dtype="int32", name="source")
    mask = keras.ops.not_equal(source, 0)
    x = keras.layers.Embedding(tokens, units, name="source_embedding")(source)
    x = keras.layers.Dropout(dropout, name="source_dropout")(x) if dropout else x
    layer = _layer(cell)(units, return_sequences=True, return_state=True, name="reading")
    if bidirectional:
        layer = keras.layers.Bidirectional(layer, name="reading")
    memory, *states = layer(x, mask=mask)
    names = STATES[cell]
    if bidirectional:
        halves = zip(names, states[: len(names)], states[len(names) :], strict=True)
        states = [_joined(units, name, pair) for name, *pair in halves]
    encoded = dict(zip(names, states, strict=True))
    if attention:
        keys = keras.layers.Dense(units, use_bias=False, name="keys")(memory)
        encoded |= {"memory": memory, "keys": keys, "mask": mask}
    return keras.Model(source, encoded, name="encoder")


def _joined(units, name, halves):
    """The last states of both directions as one state of the decoder."""
    activation = "tanh" if name == "hidden" else None
    layer = keras.layers.Dense(units, activation, name=f"joined_{name}")
    return layer(keras.ops.concatenate(halves, axis=-1))


def _decoder(target_tokens, units, cell, attention, window, dropout, encoded):
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    given = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for name, tensor in encoded.items()
    }
    states = [given[name] for name in STATES[cell]]
    x = keras.layers.Embedding(target_tokens, units, name="target_embedding")(tokens)
    x = keras.layers.Dropout(dropout, name="target_dropout")(x) if dropout else x
    outputs = {}
    if attention == "additive":
        sequences = [given[name] for name in ("memory", "keys")]
        layer = AttentiveRNN(_cell(cell)(units), name="writing")
        x, contexts, outputs["weights"], *states = layer(
            x, *sequences, states, memory_mask=given["mask"]
        )
    else:
        layer = _layer(cell)(units, return_sequences=True, return_state=True, name="writing")
        x, *states = layer(x, initial_state=states)
        if attention:
            contexts, outputs["weights"] = _attention(attention, window)(
                [x, given["memory"], given["keys"]],
                mask=[None, given["mask"]],
                return_attention_scores=True,
            )
    if attention:
        x = keras.ops.concatenate([contexts, x], axis=-1)
        x = keras.layers.Dense(units, "tanh", name="attentional")(x)
    x = keras.layers.Dropout(dropout, name="dropout")(x) if dropout else x
    outputs["logits"] = keras.layers.Dense(target_tokens, name="logits")(x)
    outputs |= dict(zip(STATES[cell], states, strict=True))
    return keras.Model({"tokens": tokens} | given, outputs, name="decoder")


def _attention(attention, window):
    if attention == "multiplicative":
        return keras.layers.Attention(name="attention")
    return SelectiveAttention(
        hard=attention == "hard",
        window=window if attention == "local" else None,
        name="attention",
    )


def _layer(cell):
    return {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM}[cell]


def _cell(cell):
    return {"gru": keras.layers.GRUCell, "lstm": keras.layers.LSTMCell}[cell]


def _check(source_tokens, target_tokens, cell, attention, window):
    check_at_least(2, source_tokens=source_tokens, target_tokens=target_tokens)
    check_at_least(1, window=window)
    if cell not in STATES:
        raise InputError(f"`cell` is {cell!r}, but must be 'gru' or 'lstm'.")
    if attention not in ATTENTIONS:
        raise InputError(
            f"`attention` is {attention!r}, but must be one of {', '.join(map(repr, ATTENTIONS))}."
        )


def encoder_decoder_space(hp):
    """The search space of `encoder_decoder`: width, cell, attention, directions and dropout.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        Dictionary of keyword arguments for `encoder_decoder`.
    """
    return {
        "units": hp.Int("units", 16, 256, step=2, sampling="log"),
        "cell": hp.Choice("cell", list(STATES)),
        "attention": hp.Choice("attention", [one for one in ATTENTIONS if one]),
        "bidirectional": hp.Boolean("bidirectional", default=True),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
    }
