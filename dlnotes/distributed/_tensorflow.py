"""The training step that TensorFlow processes share."""

from dlnotes._keras import keras
from dlnotes.distributed.process import process, strategy
import numpy as np
import tensorflow as tf

BETWEEN_SEEDS = 1_000_003


class Engine:
    """Trains a model of this process together with its copies in the others.

    The variables are plain ones of this process. Each process computes the outputs of its share;
    all outputs are brought together, so that the loss and the metrics are those of the whole batch
    in every process; the gradients of the shares add up. What goes between processes goes through
    the collectives of the `MultiWorkerMirroredStrategy`. (Keras' `fit` raises under it.)

    Args:
        model: A compiled and built `keras.Model`.
    """

    def __init__(self, model):
        self.model = model
        here = process()
        self.rank, self.processes = here.rank, here.processes
        self._loss = next(metric for metric in model.metrics if metric.name == "loss")
        self._seeds = [v for v in model.variables if v.path.endswith("seed_generator_state")]
        self._graphs = {}
        self._before = None

    def begin(self, training):
        """Takes the model as the callbacks left it."""
        if training and self._before is None and self.processes > 1:
            self._before = [np.asarray(v) for v in self.model.non_trainable_weights]

    def end(self):
        """Gives the model what all processes have: also the mean of their moving statistics."""
        if self._before:
            weights = self.model.non_trainable_weights
            moved = [np.asarray(v) - old for v, old in zip(weights, self._before, strict=True)]
            totals = _sum_of_arrays(moved)
            for variable, old, total in zip(weights, self._before, totals, strict=True):
                variable.assign(old + total / self.processes)
        self._before = None

    def train(self, x, y, weight):
        """One step on a batch, whose rows come whole; the metrics so far."""
        return self._run(self._train_step, x, y, weight)

    def test(self, x, y, weight):
        """The metrics so far, after another batch."""
        return self._run(self._test_step, x, y, weight)

    def _run(self, step, x, y, weight):
        rows = len(keras.tree.flatten(x)[0])
        data = (self._share(x, rows), *(part for part in (y, weight) if part is not None))
        data = keras.tree.map_structure(tf.convert_to_tensor, data)
        if not self.model.run_eagerly:
            step = self._graph(step, data)
        return {name: float(value) for name, value in step(data, tf.constant(rows)).items()}

    def _graph(self, step, data):
        """The compiled step, for any number of rows."""
        signature = keras.tree.map_structure(
            lambda tensor: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype), data
        )
        key = step.__name__, str(signature)
        if key not in self._graphs:
            rows = tf.TensorSpec([], "int32")
            self._graphs[key] = tf.function(step, [signature, rows], autograph=False)
        return self._graphs[key]

    def _share(self, x, rows):
        """The rows of this process: as many in each, filled up from the first row on."""
        size = -(-rows // self.processes)
        chosen = np.arange(self.rank * size, (self.rank + 1) * size) % rows
        return keras.tree.map_structure(lambda array: array[chosen], x)

    def _train_step(self, data, rows):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        model, optimizer = self.model, self.model.optimizer
        with tf.GradientTape() as tape:
            y_pred = self._outputs_of_all(x, rows, training=True)
            loss, own = self._losses(x, y, y_pred, weight)
            own = optimizer.scale_loss(own)
        variables = model.trainable_variables
        gradients = tape.gradient(own, variables)
        used = [number for number, gradient in enumerate(gradients) if gradient is not None]
        totals = self._sum([gradients[number] for number in used])
        for number, total in zip(used, totals, strict=True):
            gradients[number] = total
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return self._metrics(x, y, y_pred, weight, loss, rows)

    def _test_step(self, data, rows):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        y_pred = self._outputs_of_all(x, rows, training=False)
        loss, _ = self._losses(x, y, y_pred, weight)
        return self._metrics(x, y, y_pred, weight, loss, rows)

    def _metrics(self, x, y, y_pred, weight, loss, rows):
        self._loss.update_state(loss, sample_weight=rows)
        return self.model.compute_metrics(x, y, y_pred, weight)

    def _losses(self, x, y, y_pred, weight):
        """The loss of the batch, and the part of it whose gradient this process adds."""
        loss = self.model.compute_loss(x, y, y_pred, weight)
        if not self.model.losses:
            return loss, loss
        of_layers = tf.add_n([tf.cast(value, loss.dtype) for value in self.model.losses])
        (total,) = self._sum([tf.stop_gradient(of_layers)])
        without = loss - of_layers
        return without + total / self.processes, without + of_layers / self.processes

    def _outputs_of_all(self, x, rows, training):
        self._shift_seeds(self.rank * BETWEEN_SEEDS)
        y_pred = self.model(x, training=training)
        self._shift_seeds(-self.rank * BETWEEN_SEEDS)
        if self.processes == 1:
            return y_pred
        return keras.tree.map_structure(lambda own: self._of_all(own, rows), y_pred)

    def _shift_seeds(self, distance):
        """Another stream of random numbers for each process."""
        for state in self._seeds if distance else []:
            state.assign(state + keras.ops.cast([distance, 0], state.dtype))

    def _of_all(self, own, rows):
        """The rows of all processes; gradients flow to the own ones."""
        mask = getattr(own, "_keras_mask", None)
        size = tf.shape(own)[0]
        around = [self.rank * size, (self.processes - 1 - self.rank) * size]
        placed = tf.pad(own, [around, *[[0, 0]] * (own.shape.rank - 1)])
        (everyone,) = self._sum([tf.stop_gradient(placed)])
        is_own = tf.range(size * self.processes) // size == self.rank
        is_own = tf.reshape(is_own, [-1, *[1] * (own.shape.rank - 1)])
        together = tf.where(is_own, placed, everyone)[:rows]
        together.set_shape([None, *own.shape[1:]])
        if mask is not None:
            together._keras_mask = self._of_all(tf.cast(mask, "int32"), rows) > 0
        return together

    def _sum(self, values):
        return _sum(values) if self.processes > 1 and values else values

    def logs_of_first(self, logs):
        """The logs of rank 0."""
        return dict(zip(logs, map(float, _of_first([*logs.values()])), strict=True))

    def first_says(self, flag):
        """Whether something is true in rank 0."""
        return bool(_of_first([flag])[0])


def take_from_first(variables):
    """Sets variables to their values in rank 0."""
    if process().processes > 1:
        for variable, value in zip(variables, _of_first(variables), strict=True):
            variable.assign(keras.ops.cast(value, variable.dtype))


def _of_first(values):
    """Values of rank 0, as arrays of 64 bits."""
    if process().processes == 1:
        return values
    is_first = process().rank == 0
    return _sum_of_arrays([np.asarray(value, "float64") * is_first for value in values])


def _sum_of_arrays(arrays):
    """The sums of NumPy arrays over all processes."""
    flat = np.concatenate([np.ravel(array).astype("float64") for array in arrays])
    ends = np.cumsum([array.size for array in arrays])[:-1]
    parts = np.split(_sum_of_vector(tf.constant(flat)).numpy(), ends)
    return [part.reshape(array.shape) for part, array in zip(parts, arrays, strict=True)]


@tf.function(input_signature=[tf.TensorSpec([None], "float64")], autograph=False)
def _sum_of_vector(vector):
    return _sum([vector])[0]


def _sum(values):
    """The sums of tensors over all processes, through the collectives of the strategy."""

    def reduce(*values):
        placed = [tf.identity(value) for value in values]  # on the device of the process
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, placed)

    return strategy().run(reduce, args=tuple(values))
