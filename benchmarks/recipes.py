"""Each recipe's training against the same network compiled and fitted the plain way.

Every recipe runs until it fits the model that its story is about, which is caught there with all
arguments of `fit`. The first comparison of each recipe is a whole training, from `compile` on: with
the callbacks of the recipe, and the plain way. Most of such a short training is tracing.

The second shows what settings do to a training of a few epochs that is traced already, without
callbacks and validation: pieces of 8 steps and of an epoch (`steps_per_execution`), XLA
(`jit_compile`, where all layers allow it), and a prepared `tf.data` pipeline in place of arrays.
The rows keep their order and nothing is drawn at random, for XLA draws other numbers; so the losses
are equal. Memory is mostly that of TensorFlow itself and is not measured.
"""

from dataclasses import dataclass
import functools

from dlnotes import catalogue, fitting
from dlnotes.callbacks import ResetStates
import keras
import numpy as np
from side_by_side import Subject, main
import tensorflow as tf

EPOCHS = 3
# The task (None: any) and the variant that are fitted, and the samples of the run.
MAIN_FITS = {
    "functional_io": (None, "equal", 4000),
    "bidirectional": (None, "concat", 800),
    "stateful_lstm": ("echo", "stateful", 480),
    "time_distributed": (None, "folded whole", 400),
    "entity_embeddings": (None, "embedded", 5000),
    "glove_embedding": (None, "frozen", 3000),
    "hub_sentence_encoder": (None, "module, fine-tuned", 3000),
    "mc_dropout": (None, "diabetes", 400),
}
WITHOUT_XLA = ("stateful_lstm", "hub_sentence_encoder")
FORECAST = "stateful_lstm, forecast"
DATA = ("x", "y", "sample_weight")


class Caught(Exception):  # noqa: N818
    """Ends the run of a recipe."""


@dataclass(frozen=True, eq=False)
class Training:
    """A model before its fit, and the arguments of that."""

    model: keras.Model
    arguments: dict

    def copy(self, **compilation):
        """An equal model, compiled as the recipe did but for what is given."""
        model = keras.models.clone_model(self.model)
        # Not `compile_from_config`: it builds the optimizer, which the plain way leaves to `fit`.
        config = keras.saving.deserialize_keras_object(self.model.get_compile_config())
        model.compile(**config | compilation)
        assign(model.variables, self.model.variables)
        return model

    def given(self, *names):
        return {name: self.arguments[name] for name in names if name in self.arguments}

    @functools.cached_property
    def batch_size(self):
        return self.arguments.get("batch_size") or 32

    @functools.cached_property
    def steps(self):
        rows = len(keras.tree.flatten(self.arguments["x"])[0])
        return -(-rows // self.batch_size)

    @functools.cached_property
    def resets(self):
        callbacks = keras.tree.flatten(self.arguments.get("callbacks") or [])
        return [callback for callback in callbacks if isinstance(callback, ResetStates)]

    @functools.cache  # noqa: B019
    def traced(self, **compilation):
        """A compiled model, all its variables, and the values that they begin with."""
        model = self.copy(**compilation)
        for layer in model._flatten_layers():
            if hasattr(layer, "rate"):
                layer.rate = 0
        model.optimizer.build(model.trainable_variables)
        variables = [*model.variables, *model.optimizer.variables]
        return model, variables, [variable.numpy() for variable in variables]


def assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


@functools.cache
def catch(name, task, variant, samples):
    """Runs a recipe until it fits the wanted model; the fits before take one epoch."""
    caught = []

    def wanted(model, fit, arguments):
        for callback in arguments.get("callbacks") or ():
            label = getattr(callback, "label", {})
            if label.get("variant") == variant and task in (None, label["task"]):
                caught.append(Training(model, arguments))
                raise Caught
        return fit(**arguments | {"epochs": 1})

    try:
        with fitting.through(wanted):
            catalogue.find(name).load().run(samples=samples, epochs=EPOCHS)
    except Caught:
        return caught[0]
    raise AssertionError(f"{name} has no fit of {variant!r}")


def as_the_recipe_does(training):
    model = training.copy()
    keras.utils.set_random_seed(0)
    return model.fit(**training.arguments | {"epochs": EPOCHS}).history["loss"]


def the_plain_way(training):
    """Resets are all that is kept of the callbacks: without them it is another training."""
    model = training.copy(steps_per_execution=1)
    keras.utils.set_random_seed(0)
    data = training.given(*DATA, "batch_size", "validation_data", "shuffle")
    callbacks = training.resets
    return model.fit(**data, epochs=EPOCHS, callbacks=callbacks, verbose=0).history["loss"]


def with_settings(training, batches=None, **compilation):
    """The losses of a training whose graph was traced in an earlier round."""
    model, variables, beginning = training.traced(**{"steps_per_execution": 1} | compilation)
    assign(variables, beginning)
    data = training.given(*DATA, "batch_size") if batches is None else {"x": batches}
    return model.fit(**data, epochs=EPOCHS, shuffle=False, verbose=0).history["loss"]


def pieces_of_8(training):
    return with_settings(training, steps_per_execution=8)


def pieces_of_an_epoch(training):
    return with_settings(training, steps_per_execution=training.steps)


def xla(training):
    return with_settings(training, jit_compile=True)


def pipeline(training):
    """Batches that are made once and kept, the next ones fetched ahead."""
    data = tuple(value for value in training.given(*DATA).values() if value is not None)
    data = keras.tree.map_structure(as_fit_takes_it, keras.tree.lists_to_tuples(data))
    batches = tf.data.Dataset.from_tensor_slices(data)
    batches = batches.batch(training.batch_size, drop_remainder=bool(training.resets))
    return with_settings(training, batches.cache().prefetch(tf.data.AUTOTUNE))


def as_fit_takes_it(array):
    array = np.asarray(array)
    is_float = np.issubdtype(array.dtype, np.floating)
    return array.astype(keras.config.floatx()) if is_float else array


def difference(training, losses, others):
    assert len(losses) == EPOCHS
    return np.max(np.abs(np.subtract(losses, others)) / np.maximum(1, np.abs(losses)))


def subjects(name, title, task, variant, samples, tiny):
    settings = {
        "arrays, step by step": with_settings,
        "steps_per_execution=8": pieces_of_8,
        "steps_per_execution of an epoch": pieces_of_an_epoch,
        "jit_compile": xla,
        "cached tf.data": pipeline,
    }
    if name in WITHOUT_XLA:
        del settings["jit_compile"]
    common = {
        "unit": "samples of the recipe",
        "sizes": (samples,),
        "tiny": (tiny,),
        "prepare": lambda size: catch(name, task, variant, size),
        "difference": difference,
        "in_this_process": False,
    }
    yield Subject(
        name=title,
        title=f"The training of {title}, from compile on",
        contestants={"recipe": as_the_recipe_does, "plain": the_plain_way},
        ours="recipe",
        tolerance=1e-5,
        **common,
    )
    yield Subject(
        name=f"{title}, settings",
        title=f"Settings of the training of {title}",
        contestants=settings,
        ours="arrays, step by step",
        tolerance=1e-4,
        **common,
    )


SUBJECTS = [
    subject
    for name, (task, variant, samples) in MAIN_FITS.items()
    for subject in subjects(name, name, task, variant, samples, tiny=min(samples, 200))
]
SUBJECTS += subjects("stateful_lstm", FORECAST, "forecast", "stateful", 480, tiny=200)

if __name__ == "__main__":
    main(__doc__, SUBJECTS)
