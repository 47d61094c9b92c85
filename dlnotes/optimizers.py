"""Optimizers that take less time than those of Keras."""

from dlnotes._keras import keras


@keras.saving.register_keras_serializable(package="dlnotes")
class FusedAdam(keras.optimizers.Adam):
    """Adam whose update of a variable is one operation.

    `keras.optimizers.Adam` writes its formula in about ten operations on TensorFlow, and each of
    them reads and writes arrays as large as the variable. Adam moves every row at every step, also
    those of an embedding that no code of the batch names, so that large tables spend nearly all of
    a step there. TensorFlow has the same formula as one kernel, which reads and writes each number
    once. It takes the arguments of `keras.optimizers.Adam`.

    Where a code comes several times in a batch, its gradients are summed before they are squared,
    as the paper has it and as Keras does on JAX; `keras.optimizers.Adam` on TensorFlow squares them
    one by one, so that the vectors of frequent codes take larger steps there. All else is equal.

    On other backends, with `amsgrad` and with a distribution strategy it is
    `keras.optimizers.Adam` unchanged.

    Reference: Kingma & Ba 2014, https://arxiv.org/abs/1412.6980, the formula before section 2.1.

    Args:
        learning_rate: Float, or a `keras.optimizers.schedules.LearningRateSchedule`. Defaults to
            `0.001`.
        beta_1: Float, decay of the first moment. Defaults to `0.9`.
        beta_2: Float, decay of the second moment. Defaults to `0.999`.
        epsilon: Float, added to the root of the second moment. Defaults to `1e-7`.
        **kwargs: Those of `keras.optimizers.Adam`.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from dlnotes.optimizers import FusedAdam
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Embedding(9, 2)])
    >>> model.compile(FusedAdam(0.01), "mse")
    >>> history = model.fit(np.ones((4, 1)), np.zeros((4, 1, 2)), verbose=0)
    """

    def update_step(self, gradient, variable, learning_rate):
        if keras.backend.backend() != "tensorflow" or self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        if tf.distribute.has_strategy():
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        step = keras.ops.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.cast(self.beta_1, variable.dtype) ** step,
            beta2_power=tf.cast(self.beta_2, variable.dtype) ** step,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=tf.cast(self.beta_1, variable.dtype),
            beta2=tf.cast(self.beta_2, variable.dtype),
            epsilon=tf.cast(self.epsilon, variable.dtype),
            grad=tf.cast(tf.convert_to_tensor(gradient), variable.dtype),
        )
