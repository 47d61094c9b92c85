"""Writing with a recurrent language model, one token at a time."""

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
from dlnotes.recurrent import rebatch
import numpy as np


def generate(model, prompt, steps, *, temperature=1.0, seed=None):
    """Continues sequences: each token is drawn with the probability that the model gives it.

    The model is made stateful for this, so that each token costs one step however long the text has
    become; the given model is not changed. For models with an encoder see `dlnotes.decoding`.

    Args:
        model: A recurrent `keras.Model` from tokens of shape `(batch, steps)` to the logits of the
            next token, `(batch, steps, vocabulary)`, for any number of steps, such as
            `dlnotes.builders.char_rnn`.
        prompt: Integer array of shape `(rows, steps)`, what is to be continued.
        steps: Integer, tokens to be written.
        temperature: Float, or one for each row, by which the logits are divided before drawing:
            below one the probable tokens become more so. 0 takes the most probable one. Defaults to
            `1.0`.
        seed: Integer; `None` for another result in each call. Defaults to `None`.

    Returns:
        Integer array of shape `(rows, steps)`, without the prompt.

    Raises:
        InputError: If the prompt is not `(rows, steps)`, a temperature is negative, or the model
            has a fixed number of steps, no recurrent layer, or looks at other steps in another way
            than by a state that goes forwards.

    Example:

    >>> import numpy as np
    >>> from dlnotes import builders, generation
    >>> model = builders.char_rnn(50, units=8)
    >>> generation.generate(model, np.array([[3, 4, 5]]), steps=7, seed=0).shape
    (1, 7)
    """
    prompt = np.asarray(prompt)
    _check(model, prompt)
    check_at_least(1, steps=steps)
    check_at_least(0, temperature=np.min(temperature))
    temperature = np.broadcast_to(temperature, len(prompt))[:, None]
    random = np.random.default_rng(seed)
    writer = rebatch(model, len(prompt), stateful=True)
    if prompt.shape[1] > 1:
        writer.predict_on_batch(prompt[:, :-1])
    written = prompt[:, -1:]
    logits = _last(writer, written)
    _check_that_state_is_all(model, prompt, logits)
    for step in range(steps):
        if step:
            logits = _last(writer, written[:, -1:])
        # the largest of noisy logits: softmax(logits / temperature), and argmax at temperature 0
        logits = logits + temperature * random.gumbel(size=logits.shape)
        written = np.concatenate([written, logits.argmax(axis=-1)[:, None]], axis=1)
    return written[:, 1:]


def _last(model, tokens):
    """The logits of the last step, as float64."""
    return np.asarray(model.predict_on_batch(tokens), "float64")[:, -1]


def _check(model, prompt):
    if prompt.ndim != 2 or not prompt.size or prompt.dtype.kind not in "iu":
        raise InputError(
            f"`prompt` has shape {prompt.shape} and type {prompt.dtype}, but must be integers of "
            "shape (rows, steps), at least one of each."
        )
    shapes = [model.input_shape, model.output_shape]
    if not all(isinstance(shape, tuple) for shape in shapes) or [len(s) for s in shapes] != [2, 3]:
        raise InputError(
            f"`model` ({model.name!r}) goes from {shapes[0]} to {shapes[1]}, but must go from "
            "(batch, steps) to (batch, steps, vocabulary)."
        )
    if model.input_shape[1] is not None:
        raise InputError(
            f"`model` ({model.name!r}) takes {model.input_shape[1]} steps, but must take any "
            "number: build it with `keras.Input((None,))`."
        )


def _check_that_state_is_all(model, prompt, logits):
    """Refuses models whose answer depends on earlier or later steps by more than a state."""
    whole = np.asarray(keras.ops.convert_to_numpy(model(prompt)), "float64")[:, -1]
    if prompt.shape[1] > 1 and np.abs(whole - logits).max() > 0.01 * max(1, np.abs(whole).max()):
        raise InputError(
            f"`model` ({model.name!r}) gives another answer to the last step of the prompt alone, "
            "after the steps before it, than to the whole prompt: it looks back or ahead by more "
            "than the state of its recurrent layers, as convolutions, attention and "
            "`Bidirectional` do."
        )
