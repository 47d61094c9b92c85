# %% [markdown]
"""
# What is searched: several inputs, a shared tower, several outputs

The network with two heads: width and depth of the towers and of the trunk, dropout, learning rate and
batch size; whether both weathers share a tower; whether the losses are balanced; whether the classes are.

Searched for is the area under the ROC curve of the class. Losses would not do, since they differ between
trials by their very weights; nor would accuracy, which class weights move by moving the threshold.

`DEFAULTS` is what the recipe uses without a search, in the variant that it calls *equal*. Rows are in
order of time. Scale and categories, the weight of a loss and the weight of a class come from the training
rows of each division.
"""

# %%
from pathlib import Path

from dlnotes import builders, claims, datasets, errors, outputs, tuning
import keras
import numpy as np

STORY = claims.story(__file__)
DEFAULTS = {"units": 32, "layers": 1, "trunk_units": 64, "trunk_layers": 1, "dropout": 0.1}
DEFAULTS |= {"shared": True, "loss_weights": "equal", "class_weights": False}
DEFAULTS |= {"learning_rate": 0.003, "batch_size": 128}


# %%
def prepare(hp, *parts):
    x, y = parts[0]
    scale, tables = x | {"weather_before": x.get("weather_now")}, {}
    if hp.Boolean("class_weights"):
        tables = {"classification": outputs.balanced_class_weight(y["classification"])}
    for x, y in parts:
        x = {name: STORY.encode(frame, scale[name]) for name, frame in x.items()}
        yield outputs.class_weighted((x, y), tables)


def loss_weights(y):
    """One over the losses of the best constants, so that both losses begin near one."""
    constant = {"regression": y["regression"].mean()}
    constant["classification"] = -np.log(1 / y["classification"].mean() - 1)
    constants = {name: np.full_like(y[name], constant[name]) for name in y}
    return {name: 1 / float(loss(y[name], constants[name])) for name, loss in STORY.LOSSES.items()}


def build(hp, train):
    x, y, _ = train
    choices = builders.multi_io_network_space(hp)
    if "weather_now" in x and hp.Boolean("shared"):
        choices["shared"] = {"weather": ("weather_now", "weather_before")}
    shapes = {name: values.shape[1:] for name, values in x.items()}
    model = builders.multi_io_network(shapes, dict.fromkeys(y, 1), **choices)
    adam = keras.optimizers.Adam(hp.Float("learning_rate", 0.0003, 0.03, sampling="log"))
    balanced = hp.Choice("loss_weights", ["equal", "balanced"]) == "balanced"
    area = keras.metrics.AUC(name="auc", from_logits=True)
    metrics = {"regression": ["mae"], "classification": [area]}
    weights = loss_weights(y) if balanced else None
    return outputs.compile_checked(model, adam, STORY.LOSSES, loss_weights=weights, metrics=metrics)


# %%
def task(
    samples: int = 12000, seed: int = 0, epochs: int = 12, csv: Path | None = None, target: str = ""
) -> tuning.Task:
    """Says what is searched: one network for how late a flight is and whether it is late.

    Args:
        samples: Rows of the table, spread evenly over it.
        seed: Without effect: the rows stay in their order.
        epochs: Passes over the training rows, at most: the best one on the validation rows counts.
        csv: Your own table in place of the flights. Its first rows are for training.
        target: Two of its columns with a comma between: the number and the class to predict.
    """
    errors.check_at_least(200, samples=samples)
    x, y = STORY.own_table(csv, target.partition(",")[::2]) if csv else STORY.flights()
    y = {name: np.asarray(values, "float32")[:, None] for name, values in y.items()}
    rows = np.unique(np.linspace(0, len(y["regression"]) - 1, samples).astype(int))
    parts = np.split(rows, [len(rows) * 6 // 10, len(rows) * 8 // 10])
    data = datasets.Dataset(*(tuning.task.take(datasets.Split(x, y), part) for part in parts))
    if any(len(np.unique(part.y["classification"])) < 2 for part in vars(data).values()):
        raise errors.InputError("Too few rows: a part of them holds only one of the classes.")
    return tuning.Task(
        build,
        data,
        tuning.objective("auc", output="classification"),
        epochs,
        fit=lambda hp: {"batch_size": hp.Choice("batch_size", [64, 128, 256, 512])},
        prepare=prepare,
        order="time",
        defaults={n: v for n, v in DEFAULTS.items() if n != "shared" or "weather_now" in x},
    )
