"""Fine-tuning: training what was frozen."""

from dlnotes.errors import InputError


def thaw(model, learning_rate):
    """Makes every layer of a compiled model trainable and compiles it again.

    First train the new layers on top of frozen, pretrained weights; then train everything, gently:
    with a learning rate of a tenth or less, since the first large steps would wipe out what was
    learned before. Setting `trainable` alone is not enough, on the TensorFlow backend for two
    reasons: a model that has been fitted keeps its compiled training step, so the layer silently
    stays frozen; and `model.trainable = True` does nothing, whatever its layers are, where
    `model.trainable` is `True` already.

    Loss, metrics and the kind of optimizer stay; the optimizer starts afresh. Whatever was
    compiled must be serialisable, as it must be for `model.save`.

    Args:
        model: A compiled `keras.Model`.
        learning_rate: Float, the new learning rate.

    Returns:
        The model.

    Raises:
        InputError: If the model is not compiled.

    Example:

    >>> import numpy as np
    >>> from dlnotes import builders, transfer
    >>> model = builders.pretrained_text_classifier(np.eye(4), 2, units=3)
    >>> model.compile("adam", "mse")
    >>> len(model.trainable_weights), len(transfer.thaw(model, 1e-4).trainable_weights)
    (4, 5)
    """
    from dlnotes._keras import keras

    if not model.compiled:
        raise InputError(
            "`model` is not compiled: compile it, train it with its frozen layers, then thaw it."
        )
    config = model.get_compile_config()
    optimizer = keras.optimizers.get(config["optimizer"])
    settings = optimizer.get_config() | {"learning_rate": learning_rate}
    optimizer = type(optimizer).from_config(settings)
    for trainable in (False, True):
        model.trainable = trainable
    model.compile_from_config(
        config | {"optimizer": keras.saving.serialize_keras_object(optimizer)}
    )
    return model
