"""A linear-chain conditional random field as the last layer of a tagger."""

from dlnotes import crf
from dlnotes._keras import keras
from dlnotes.errors import InputError


@keras.saving.register_keras_serializable(package="dlnotes")
class CRF(keras.layers.Layer):
    """Learns which tag follows which, on top of the scores that a network gives to each step.

    A softmax on each step decides about each tag alone. This layer adds a score for every pair of
    neighbouring tags, for the first tag and for the last one, and normalises over whole sequences.
    Use it where what follows what is a fact about the tags (spans, states that last, grammar) that
    single steps do not show. Where the network below sees enough to know the tags, it brings
    nothing.

    It returns the chain of `dlnotes.crf.conditionals`, an array of `tags * tags` numbers for each
    step, from which everything else follows:

    ```
    model.compile("adam", crf.CRFLoss(), metrics=[crf.CRFAccuracy()])
    model.fit(x, y)
    chain = model.predict(x)
    tags, probabilities = crf.decode(chain), crf.marginals(chain)
    ```

    The number of tags is that of the last axis of the input. All scores of pairs start at zero,
    where the layer is a softmax on each step. Under mixed precision it computes in float32.

    Masks: padded steps, wherever they stand, change neither the other steps nor the loss. The mask
    is passed on.

    Reference:

    - [Lafferty, McCallum, Pereira 2001](https://dl.acm.org/doi/10.5555/645530.655813)
    - [Huang, Xu, Yu 2015](https://arxiv.org/abs/1508.01991), on top of a bidirectional LSTM

    Args:
        **kwargs: Arguments of every Keras layer, such as `name`.

    Call arguments:
        potentials: Tensor of shape `(batch, steps, tags)`, scores of any size (no softmax).
        mask: Boolean tensor of shape `(batch, steps)`. Optional.

    Input shape:
        `(batch, steps, tags)`, with at least two tags.

    Output shape:
        `(batch, steps, tags, tags)`, log-probabilities.

    Raises:
        InputError: If the input is not `(batch, steps, tags)` with two tags or more.

    Example:

    >>> import keras
    >>> from dlnotes import layers, masks
    >>> words = keras.Input((None, 16))
    >>> scores = keras.layers.Dense(5)(words)
    >>> layers.CRF()(scores, mask=masks.step_mask(words)).shape
    (None, None, 5, 5)
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        if len(input_shape) != 3 or input_shape[-1] is None or input_shape[-1] < 2:
            raise InputError(
                f"`CRF` got an input of shape {tuple(input_shape)}, but expected (batch, steps, "
                "tags) with at least two tags: put `keras.layers.Dense(tags)` before it."
            )
        tags = input_shape[-1]
        for name, shape in (("transitions", (tags, tags)), ("start", (tags,)), ("end", (tags,))):
            weight = self.add_weight(name=name, shape=shape, initializer="zeros", autocast=False)
            setattr(self, name, weight)

    def call(self, potentials, mask=None):
        return crf.conditionals(potentials, self.transitions, self.start, self.end, mask)

    def compute_output_shape(self, input_shape):
        return (*input_shape, input_shape[-1])

    def compute_output_spec(self, potentials, mask=None):
        kind = "float64" if self.compute_dtype == "float64" else "float32"
        return keras.KerasTensor(self.compute_output_shape(potentials.shape), kind)
