"""What keras-tuner needs from this package: a builder with its space, and what to search for."""

import inspect
import re

from dlnotes._keras import keras
from dlnotes._names import did_you_mean, listing
from dlnotes.errors import InputError
from dlnotes.outputs import compile_checked

# Keras gives these no direction, or only to an object made with arguments.
HIGHER_IS_BETTER = {
    "accuracy",
    "acc",
    "true_positives",
    "true_negatives",
    "precision_at_recall",
    "recall_at_precision",
    "sensitivity_at_specificity",
    "specificity_at_sensitivity",
    "io_u",
    "mean_io_u",
    "one_hot_io_u",
    "one_hot_mean_io_u",
}
LOWER_IS_BETTER = {
    "loss",
    "false_positives",
    "false_negatives",
    "crossentropy",
    "ce",
    "bce",
    "mse",
    "mae",
    "mape",
    "msle",
}


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


def objective(metric, *, output=None):
    """Names a validation score for keras-tuner, with the direction that the metric itself states.

    A plain string leaves the direction to a list in keras-tuner 1.4.8, which minimises every score
    that it does not know: `val_f1_score`, `val_r2_score` and others. The search then returns the
    worst model.

    Reference: notes 002:1121.

    Args:
        metric: A `keras.metrics.Metric` or its class, a Keras metric function, or the name of one
            as in the training history, with `"val_"` or without: `"val_f1_score"`, `"mae"`,
            `"loss"`. A search is judged on validation data, so `"val_"` is always put before the
            name. A `keras.losses.Loss` stands for the loss that is logged. A callback gives its
            `monitor` and `mode`: `callbacks.EpochMetric(...)`.
        output: String, the output that the metric belongs to, for a model with several. Defaults
            to none.

    Returns:
        A `keras_tuner.Objective`.

    Raises:
        InputError: If the metric is unknown or states no direction.

    Example:

    >>> from dlnotes.tuning import objective
    >>> print(objective("val_f1_score"))
    Objective(name="val_f1_score", direction="max")
    >>> print(objective("mae", output="late"))
    Objective(name="val_late_mae", direction="min")
    """
    import keras_tuner

    if getattr(metric, "mode", None) in ("min", "max"):
        return keras_tuner.Objective(metric.monitor, metric.mode)
    if isinstance(metric, str):
        name = metric.removeprefix("val_")
        direction = _direction_of_name(name)
    else:
        name, direction = _name_and_direction(metric)
    prefix = f"val_{output}_" if output else "val_"
    return keras_tuner.Objective(prefix + name, direction)


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


def _name_and_direction(metric):
    """The name in the history, and the direction, of a metric or loss object, class or function."""
    if inspect.isclass(metric) and issubclass(metric, keras.metrics.Metric):
        name = _snake_case(metric.__name__)
        return name, _direction_of_name(name)
    if isinstance(metric, keras.metrics.Metric):
        stated = getattr(metric, "_direction", None)
        if stated is None:
            return metric.name, _direction_of_name(_snake_case(type(metric).__name__))
        return metric.name, {"up": "max", "down": "min"}[stated]
    is_loss_class = inspect.isclass(metric) and issubclass(metric, keras.losses.Loss)
    if is_loss_class or isinstance(metric, keras.losses.Loss):
        return "loss", "min"
    name = getattr(metric, "__name__", str(metric))
    return name, _direction_of_name(name)


def _direction_of_name(name):
    """The direction of a metric, from its name in the history."""
    directions = _directions()
    base = re.sub(
        r"_\d+$", "", name.removeprefix("weighted_")
    )  # what Keras adds to tell twins apart
    for known in (name, base):
        if known in directions:
            return directions[known]
    endings = [known for known in directions if name.endswith(f"_{known}")]
    if endings:
        metric = max(endings, key=len)
        output = name.removesuffix(f"_{metric}")
        mend = f" If {metric!r} of the output {output!r} is meant: ({metric!r}, output={output!r})."
    else:
        mend = did_you_mean(name, directions)
    raise InputError(
        f"`metric`: no direction is known for {name!r}.{mend} Known are "
        f"{', '.join(sorted(directions))}. For a metric of your own give "
        "keras_tuner.Objective(name, direction)."
    )


def _directions():
    """The direction of everything that Keras logs by itself, by its name in the history."""
    directions = {}
    for name, loss in vars(keras.losses).items():
        if inspect.isclass(loss) and loss is not keras.losses.Loss:
            directions[_snake_case(name)] = "min"
    for name, kind in vars(keras.metrics).items():
        if inspect.isclass(kind) and issubclass(kind, keras.metrics.Metric):
            stated = _stated_direction(kind)
            if stated is not None:
                directions[_snake_case(name)] = directions[stated[0]] = stated[1]
    return (
        directions | dict.fromkeys(HIGHER_IS_BETTER, "max") | dict.fromkeys(LOWER_IS_BETTER, "min")
    )


def _stated_direction(kind):
    """The name and the direction that a metric class gives its objects."""
    try:
        metric = kind()
    except TypeError:  # it needs arguments
        return None
    stated = getattr(metric, "_direction", None)
    return stated and (metric.name, {"up": "max", "down": "min"}[stated])


def _snake_case(name):
    """The name that Keras gives to an object of a class."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
