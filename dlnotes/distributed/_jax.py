"""The training step that JAX processes share."""

from dlnotes._keras import keras
from dlnotes.distributed.process import process
import jax
from jax.experimental import multihost_utils
import numpy as np


class Engine:
    """Trains a model of this process together with its copies in the others.

    The step is Keras' own, compiled over the mesh of `keras.distribution.DataParallel`: JAX sees
    one batch, whose rows lie on the devices of all processes, and adds the communication. The state
    of the training lies on all devices; `begin` takes it from the model, `end` puts it back.

    Args:
        model: A compiled and built `keras.Model`.
    """

    def __init__(self, model):
        self.model = model
        mesh = keras.distribution.DataParallel(auto_shard_dataset=False).device_mesh.backend_mesh
        self._devices = mesh.size
        self._on_all = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
        self._by_rows = jax.sharding.NamedSharding(
            mesh, jax.sharding.PartitionSpec(*mesh.axis_names)
        )
        self._train = self._compiled(model.train_step)
        self._test = self._compiled(model.test_step)
        self._state = self._training = None

    def _compiled(self, step):
        def on_rows(state, data):
            x = jax.tree.map(self._divide, data[0])
            return step(state, (x, *data[1:]))

        return jax.jit(on_rows, donate_argnums=0, out_shardings=(self._on_all, self._on_all))

    def _divide(self, array):
        return jax.lax.with_sharding_constraint(array, self._by_rows)

    def begin(self, training):
        """Takes the model as the callbacks left it."""
        if self._state is None:
            self._training = training
            self._state = keras.tree.map_structure(
                lambda variable: self._replicate(variable.value), self._variables()
            )

    def end(self):
        """Gives the model what all processes have."""
        if self._state is not None:
            values = zip(
                keras.tree.flatten(self._variables()),
                keras.tree.flatten(self._state),
                strict=True,
            )
            for variable, value in values:
                variable.assign(np.asarray(value))
        self._state = None

    def _variables(self):
        model = self.model
        optimizer = [model.optimizer.variables] if self._training else []
        states = [model.trainable_variables, model.non_trainable_variables]
        return (*states, *optimizer, model.metrics_variables)

    def _replicate(self, value):
        return jax.make_array_from_process_local_data(self._on_all, np.asarray(value))

    def train(self, x, y, weight):
        """One step on a batch, whose rows come whole; the metrics so far."""
        return self._run(self._train, x, y, weight)

    def test(self, x, y, weight):
        """The metrics so far, after another batch."""
        return self._run(self._test, x, y, weight)

    def _run(self, step, *data):
        data = tuple(
            None if part is None else keras.tree.map_structure(self._feed, part) for part in data
        )
        logs, self._state = step(self._state, data)
        return {name: float(np.asarray(value)) for name, value in logs.items()}

    def _feed(self, array):
        """The rows of a batch on the devices: divided where they can be, or else on each."""
        if array is None:
            return None
        rows, here = len(array), process()
        if rows % self._devices:
            return self._replicate(array)
        size = rows // here.processes
        own = array[here.rank * size : (here.rank + 1) * size]
        return jax.make_array_from_process_local_data(self._by_rows, own)

    def logs_of_first(self, logs):
        """The logs of rank 0."""
        if process().processes == 1:
            return logs
        values = multihost_utils.broadcast_one_to_all(np.array([*logs.values()], "float32"))
        return dict(zip(logs, map(float, values), strict=True))

    def first_says(self, flag):
        """Whether something is true in rank 0."""
        return bool(self.logs_of_first({"flag": float(flag)})["flag"])


def take_from_first(variables):
    """Sets variables to their values in rank 0."""
    if process().processes > 1:
        values = multihost_utils.broadcast_one_to_all([np.asarray(v.value) for v in variables])
        for variable, value in zip(variables, values, strict=True):
            variable.assign(np.asarray(value))
