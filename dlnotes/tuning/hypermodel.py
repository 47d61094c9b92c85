"""A builder with its space, as a keras-tuner tuner takes it."""

import inspect

from dlnotes._keras import keras
from dlnotes._names import did_you_mean, listing
from dlnotes.errors import InputError
from dlnotes.outputs import compile_checked


def hypermodel(build, space, *, learning_rate=(1e-4, 1e-2), seed=0, **fixed):
    """Joins a builder and its search space to what a keras-tuner tuner takes.

    Reference: notes 002:1139; https://keras.io/keras_tuner/api/hypermodels/base_hypermodel/

    Args:
        build: Builder of a model, such as `builders.mlp`.
        space: Its search space, such as `builders.mlp_space`: a function of a
            `keras_tuner.HyperParameters` that returns keyword arguments for `build`.
        learning_rate: Pair of floats, the range that the learning rate is searched in, on a
            logarithmic scale. `None` leaves the optimizer's own. Defaults to `(1e-4, 1e-2)`.
        seed: Integer that every trial starts from, so that trials differ in their hyper-parameters
            alone; further executions of a trial count on from it. `None` sets no seed. Defaults to
            `0`.
        **fixed: What is the same in every trial: the builder's other arguments, such as
            `input_shape=(64,), outputs=10`, and those of `Model.compile`: `loss`, and if wanted
            `optimizer` (default `"adam"`), `metrics` and others. Every trial gets an optimizer and
            metrics of its own.

    Returns:
        A `keras_tuner.HyperModel`.

    Raises:
        InputError: If neither the builder nor `compile` takes an argument, or one is lacking.

    Example:

    >>> import keras_tuner
    >>> from dlnotes.builders import mlp, mlp_space
    >>> from dlnotes.tuning import hypermodel
    >>> model = hypermodel(mlp, mlp_space, input_shape=(4,), outputs=1, loss="mse")
    >>> model.build(keras_tuner.HyperParameters()).output_shape
    (None, 1)
    """
    import keras_tuner

    facts, compiling = _apart(build, fixed)
    _check_arguments(build, {**facts, **space(keras_tuner.HyperParameters())})
    _check_compiling(compiling, learning_rate)

    class Hypermodel(keras_tuner.HyperModel):
        def __init__(self):
            super().__init__(name=build.__name__)
            self.trial, self.execution = None, 0

        def build(self, hp):
            self.execution = self.execution + 1 if hp is self.trial else 0
            self.trial = hp
            if seed is not None:
                keras.utils.set_random_seed(seed + self.execution)
            return self.compiled(hp)

        def compiled(self, hp):
            """The compiled model, without setting a seed."""
            arguments = {"optimizer": "adam", **keras.tree.map_structure(_fresh, compiling)}
            optimizer = keras.optimizers.get(arguments.pop("optimizer"))
            model = build(**facts, **space(hp))
            if learning_rate is not None:
                low, high = learning_rate
                optimizer.learning_rate = hp.Float(
                    "learning_rate", low, high, sampling="log", default=(low * high) ** 0.5
                )
            return compile_checked(model, optimizer, **arguments)

    return Hypermodel()


def _apart(build, fixed):
    """The arguments of the builder, and those of `compile`."""
    taken = list(inspect.signature(build).parameters)
    of_compile = [n for n in inspect.signature(keras.Model.compile).parameters if n != "self"]
    for name in fixed:
        if name not in taken and name not in of_compile:
            mend = did_you_mean(name, [*taken, *of_compile])
            raise InputError(
                f"Neither {build.__name__} nor `Model.compile` takes an argument {name!r}.{mend} "
                f"{build.__name__} takes {listing(taken)}; `compile` takes {listing(of_compile)}."
            )
    facts = {name: value for name, value in fixed.items() if name in taken}
    return facts, {name: value for name, value in fixed.items() if name not in taken}


def _check_arguments(build, arguments):
    """Refuses a space with arguments that the builder does not take, and their absence."""
    parameters = inspect.signature(build).parameters
    for name in arguments:
        if name not in parameters:
            raise InputError(
                f"`space` gives {name!r}, but {build.__name__} takes no such argument."
                f"{did_you_mean(name, parameters)}"
            )
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in arguments:
            raise InputError(
                f"{build.__name__} needs the argument {name!r}: give it to `hypermodel`."
            )


def _check_compiling(arguments, learning_rate):
    """Refuses a missing loss, and an optimizer whose learning rate cannot be searched."""
    if arguments.get("loss") is None:
        raise InputError("`loss` is missing: give it to `hypermodel`, as to `Model.compile`.")
    if learning_rate is None:
        return
    low, high = learning_rate
    if not 0 < low < high:
        raise InputError(
            f"`learning_rate` is {learning_rate}, but must be two rising numbers above 0, or None."
        )
    own = keras.optimizers.get(arguments.get("optimizer", "adam")).get_config()["learning_rate"]
    if isinstance(own, dict):
        raise InputError(
            "`optimizer` has a learning rate schedule. Give `learning_rate=None` to keep it, or an "
            "optimizer without one to search the learning rate."
        )


def _fresh(part):
    """A new object with the same settings, for what changes in training."""
    if isinstance(part, (keras.metrics.Metric, keras.optimizers.Optimizer)):
        return type(part).from_config(part.get_config())
    return part
