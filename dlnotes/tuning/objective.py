"""What to search for, with the direction that the metric itself states."""

import functools
import inspect
import re

from dlnotes._keras import keras
from dlnotes._names import did_you_mean
from dlnotes.errors import InputError

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


@functools.cache
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
