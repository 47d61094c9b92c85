# %% [markdown]
"""
# Several inputs, a shared tower, several outputs

One network predicts how many minutes late a flight will land and whether it will be late at all, from the
timetable, the weather now and the weather three hours before.

**Question.** Is one network with two heads as good as two networks, and what do loss weights, class
weights and a shared tower change?

**Use it** when inputs are of different kinds, when some of them deserve the same treatment, or when
several targets have the same causes: one network is trained, stored and served in place of several.

**Do not use it** when the targets have nothing in common: they then compete for the trunk, and the one
with the larger loss wins. And do not use class weights for a better ranking: they move the threshold and
spoil the probabilities.

Data: flights that left New York in 2013, with weather; generated numbers; or your own table
Uses: dlnotes.builders.multi_io_network, dlnotes.outputs.compile_checked, dlnotes.outputs.class_weighted, dlnotes.outputs.balanced_class_weight, dlnotes.outputs.loss_map
Notes: 002:438-440; 002:500-505; 002:1113; 002:1119; 002:1157
Paper: Caruana 1997, https://doi.org/10.1023/A:1007379606734
Covers: functional_io
"""

# %%
from pathlib import Path

from dlnotes import builders, cli, datasets, errors, figures, outputs
from dlnotes.report import Report
import keras
import numpy as np
import pandas as pd
from sklearn import metrics

# %% [markdown]
"""
## The data

A flight is late when it lands more than 15 minutes after the timetable. Two groups of columns hold the
same five measurements of the weather, three hours apart; a third group is the timetable. (The delay at
departure would give the answer away.)

The generated table is the opposite of the flights: its two targets depend on different columns.

Rows stay in their order, which for the flights is that of time: six tenths are for training, two for
choices, the last two for the reported numbers. Scale and categories come from the training rows alone.
Both weathers get the scale of the weather now, since one tower will read both. A missing number becomes
the mean, a category not seen in training is none of the known ones, and texts with more than 200 values
are left out.
"""

# %%
WEATHER = ["temperature", "wind_speed", "precipitation", "visibility", "pressure"]
TIMETABLE = ["carrier", "origin", "destination", "hour", "weekday", "distance"]


def flights():
    table = datasets.flights().eval("late = arrival_delay > 15")
    before = table[[f"{column}_before" for column in WEATHER]].set_axis(WEATHER, axis=1)
    inputs = {"weather_now": table[WEATHER], "weather_before": before, "flight": table[TIMETABLE]}
    return inputs, {"regression": table["arrival_delay"], "classification": table["late"]}


def generated(rows, seed):
    x = np.random.default_rng(seed).normal(size=(rows, 6))
    large, small = (np.sin(2 * x[:, i]) + x[:, i + 1] * x[:, i + 2] for i in (0, 3))
    return {"numbers": pd.DataFrame(x)}, {"regression": 10 * large, "classification": small > 0}


def own_table(csv, targets):
    for target in targets:
        datasets.read_table(csv, target)  # refuses what cannot be used
    table = pd.read_csv(csv)
    numbers, classes = (table[target] for target in targets)
    others = table.drop(columns=list(targets))
    if numbers.dtype.kind not in "iuf" or classes.nunique() != 2 or others.empty:
        raise errors.InputError("`--target` needs numbers and two classes, beside other columns.")
    return {"columns": others}, {"regression": numbers, "classification": classes == classes.max()}


def encode(frame, train):
    """One-hot columns for texts, then everything standardised: with what the training rows say."""
    many = [n for n in train.select_dtypes(exclude="number") if train[n].nunique() > 200]
    train, frame = (pd.get_dummies(part.drop(columns=many)) for part in (train, frame))
    frame = frame.reindex(columns=train.columns, fill_value=0)
    return ((frame - train.mean()) / train.std()).fillna(0).clip(-5, 5).to_numpy("float32")


def prepare(inputs, targets, samples):
    """Pairs of inputs and targets for training, validation and test."""
    rows = np.unique(np.linspace(0, len(targets["regression"]) - 1, samples).astype(int))
    parts = np.split(rows, [len(rows) * 6 // 10, len(rows) * 8 // 10])
    scale = inputs | {"weather_before": inputs.get("weather_now")}
    for part in parts:
        y = {n: np.asarray(values, "float32")[part, None] for n, values in targets.items()}
        if len(np.unique(y["classification"])) < 2:
            raise errors.InputError("Too few rows: a part of them holds only one of the classes.")
        yield {n: encode(f.iloc[part], scale[n].iloc[parts[0]]) for n, f in inputs.items()}, y


# %% [markdown]
"""
## The network

A tower for the timetable, one for both weathers, a trunk, and a head for every output. Losses belong to
outputs by name, and `compile_checked` refuses a name that no output has. The total loss is the sum of the
losses times their weights.

`class_weighted` turns the class weights of an output into sample weights, for the validation rows as well:
otherwise the best epoch would be chosen by another loss than the one that is trained.
"""

# %%
LOSSES = {
    "regression": keras.losses.MeanSquaredError(),
    "classification": keras.losses.BinaryCrossentropy(from_logits=True),
}


def scores(name, y, predicted):
    if name == "regression":
        return {"mae": np.mean(abs(predicted - y)), "r2": metrics.r2_score(y, predicted)}
    return {
        "roc_auc": metrics.roc_auc_score(y, predicted),
        "pr_auc": metrics.average_precision_score(y, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, predicted > 0),
        "brier": np.mean((keras.activations.sigmoid(predicted) - y) ** 2),
    }


# %% [markdown]
"""
## The comparison

The baseline predicts the mean of the training rows, and the share of the class among them. Then two
networks with one head each, and networks with both heads: with equal loss weights; with balanced ones, one
over the loss of the baseline, so that both losses begin near one; with balanced ones and class weights;
with balanced ones and a tower for each weather.

Keras takes a loss weight under a name that no output has, here the name of a column, and gives it to an
output by position. It takes a list in the order of the sorted names. In both cases the regression should
get the small weight. And it refuses class weights as soon as there is a second output. `loss_map` shows
what Keras made of its arguments.
"""


# %%
def compare(report, table, data, epochs, seed):
    y, (x_test, y_test) = data[0][1], data[2]
    share = y["classification"].mean()
    constant = {"regression": y["regression"].mean(), "classification": -np.log(1 / share - 1)}
    weights = {n: 1 / float(LOSSES[n](y[n], np.full_like(y[n], constant[n]))) for n in LOSSES}
    class_weight = {"classification": outputs.balanced_class_weight(y["classification"])}
    shared = {"weather": ("weather_now", "weather_before")} if "weather_now" in x_test else None

    def add(variant, predicted, **size):
        for name, values in predicted.items():
            numbers = scores(name, y_test[name], np.asarray(values)) | size
            report.add(variant, task=f"{table} {name}", seed=seed, baseline=not size, **numbers)

    def fit(variant, data=data, shared=shared, loss_weights=None, class_weight=()):
        keras.utils.set_random_seed(seed)
        parts = (outputs.class_weighted(part, dict(class_weight)) for part in data[:2])
        (x, y, row_weights), validation = parts
        shapes = {name: values.shape[1:] for name, values in x.items()}
        model = builders.multi_io_network(shapes, dict.fromkeys(y, 1), shared=shared, dropout=0.1)
        losses, adam = {name: LOSSES[name] for name in y}, keras.optimizers.Adam(0.003)
        outputs.compile_checked(model, adam, losses, loss_weights=loss_weights)
        best = keras.callbacks.EarlyStopping(patience=4, restore_best_weights=True)
        callbacks = [best, report.watch(variant, task=table, seed=seed)]
        options = {"validation_data": validation, "callbacks": callbacks, "verbose": 0}
        model.fit(x, y, 128, epochs, sample_weight=row_weights, **options)
        add(variant, model(x_test, training=False), parameters=model.count_params())

    add("constant", {n: np.full_like(values, constant[n]) for n, values in y_test.items()})
    for name in LOSSES:
        fit("two networks", [(x, {name: y[name]}) for x, y in data])
    fit("equal")
    fit("balanced", loss_weights=weights)
    fit("class weights", loss_weights=weights, class_weight=class_weight)
    if shared:
        fit("two towers", loss_weights=weights, shared=None)
        show_traps(report, report.models[table, "equal"], data[0], class_weight)
    joint = {v: figures.report_histories(report, table)[v] for v in ("equal", "balanced")}
    figure = figures.learning_curves(joint, "classification_loss", title=table)
    report.figure(f"{table}_classification_loss", figure, figures.alternative_text(figure))


def show_traps(report, model, data, class_weight):
    def attempt(call, *arguments, **options):
        try:
            call(*arguments, **options)
        except ValueError as error:
            return str(error)
        return f"applied { ({row.output: row.weight for row in outputs.loss_map(model).rows}) }"

    model = keras.models.clone_model(model)
    for given in ({"arrival_delay": 0.001, "late": 1.0}, [0.001, 1.0]):
        plain = attempt(model.compile, "adam", LOSSES, loss_weights=given)
        ours = attempt(outputs.compile_checked, model, "adam", LOSSES, loss_weights=given)
        report.trap(f"loss_weights={given}", plain=plain, ours=ours)
    ours = np.unique(outputs.class_weighted(data, class_weight)[2]["classification"])
    plain = attempt(model.fit, *data, class_weight=class_weight)
    report.trap(f"class_weight={class_weight}", plain=plain, ours=f"sample weights {ours}")


# %%
def run(
    epochs: int = 12, samples: int = 15000, seed: int = 0, csv: Path | None = None, target: str = ""
) -> Report:
    """Compares two networks with one, for targets with and without common causes.

    Args:
        epochs: Passes over the training rows, at most; the best one on the validation rows counts.
        samples: Rows of a table, spread evenly over it.
        seed: Seed of the initial weights, the order of the rows and the generated numbers.
        csv: Your own table in place of these two. Its first rows are for training.
        target: Two of its columns with a comma between: the number and the class to predict.
    """
    errors.check_at_least(1, epochs=epochs)
    errors.check_at_least(200, samples=samples)
    tables = {"flights": flights(), "generated": generated(min(samples, 4000), seed)}
    if csv:
        tables = {csv.stem: own_table(csv, target.partition(",")[::2])}
    metric = {f"{t} {n}": m for t in tables for n, m in zip(LOSSES, ("r2", "roc_auc"), strict=True)}
    report = Report("functional_io", metric=metric, better=dict.fromkeys(metric, "higher"))
    for name, table in tables.items():
        compare(report, name, list(prepare(*table, samples)), epochs, seed)
    return report


# %% [markdown]
"""
## What to look at

- Flights: both heads ask for the same thing, so the head with the small loss profits from what the other
  one teaches the trunk, although one loss is thousands of times the other. Whether equal weights cost it
  anything differs from seed to seed: compare several before you believe a difference. One network is about
  as good as two, with half the parameters.
- Generated: the targets share nothing, and one loss is a hundred times the other. With equal weights the
  head with the small loss learns little, while the other does as well as alone. Balanced weights give the
  small one back most of what it had in a network of its own, and the other one pays for it. Standardising
  the regression target is another way to make the losses comparable.
- Class weights: better balanced accuracy at the threshold of one half, no better ranking, and
  probabilities that are too high, as the Brier score says. If all you need are decisions, move the
  threshold; if you need probabilities, leave class weights alone.
- A shared tower is counted once: with two towers the network has the parameters of one tower more.
"""

# %%
if __name__ == "__main__":
    cli.main(run)
