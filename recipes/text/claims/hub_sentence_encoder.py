# %% [markdown]
"""
# What the notes say about tensorflow-hub modules

The module is a matrix, saved as a SavedModel.
"""

# %%
import tempfile

from dlnotes import claims, layers
import keras
import numpy as np


# %%
def save_module(folder):
    """Saves a module of one weight and returns the weight."""
    import tensorflow as tf

    module = tf.Module()
    module.kernel = tf.Variable(np.random.default_rng(0).normal(size=(3, 2)).astype("float32"))
    module.__call__ = tf.function(
        lambda inputs: inputs @ module.kernel, [tf.TensorSpec((None, 3), tf.float32)]
    )
    tf.saved_model.save(module, folder)
    return module.kernel.numpy()


@claims.outdated(
    30,
    was="`hub.KerasLayer(handle)` as a layer of a model",
    now="`dlnotes.layers.SavedModelLayer(handle, trainable=True)`: `hub.KerasLayer` is a layer of "
    "Keras 2, and refused.",
    where="002:1272, 1423-1425, 1525-1530, 1570, 1581",
)
def keras_layer_is_refused():
    import tensorflow_hub as hub

    with tempfile.TemporaryDirectory() as folder:
        kernel = save_module(folder)
        old = hub.KerasLayer(folder)  # migrate: ignore
        new = layers.SavedModelLayer(folder, trainable=True)
    inputs, rows = keras.Input((3,)), np.random.default_rng(1).normal(size=(4, 3))
    rows = rows.astype("float32")
    sequential = keras.Sequential([inputs, new])
    return [
        claims.raises("in Sequential", ValueError, lambda: keras.Sequential([inputs, old])),
        claims.raises("in a functional model", TypeError, lambda: old(inputs)),
        claims.equal("SavedModelLayer in Sequential", sequential(rows), rows @ kernel),
        claims.equal(
            "SavedModelLayer, functional", keras.Model(inputs, new(inputs))(rows), rows @ kernel
        ),
        claims.equal("weights it trains", len(new.trainable_weights), 1),
    ]
