"""What callbacks that set the learning rate at each batch have in common."""

from dlnotes.errors import InputError


def settable_optimizer(model):
    """The model's optimizer, also behind loss scaling; refused if its learning rate has a schedule.

    Raises:
        InputError: If the learning rate is no number.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if isinstance(optimizer.get_config()["learning_rate"], dict):
        raise InputError(
            "The optimizer's learning rate follows a schedule, which this callback cannot set: "
            "compile with a number, such as `learning_rate=0.001`."
        )
    return optimizer


def steps_ahead(params, epoch):
    """The number of batches that a `fit` still runs, beginning with this epoch.

    Raises:
        InputError: If it is not known.
    """
    if not params.get("steps"):
        raise InputError(
            "`steps` is needed: the number of batches of this data is not known beforehand."
        )
    return params["steps"] * (params["epochs"] - epoch)
