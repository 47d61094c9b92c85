import ast
import inspect

from dlnotes import tuning
from dlnotes.builders import mlp, mlp_space
from dlnotes.errors import InputError
from dlnotes.tuning import hypermodel, objective
import keras
import keras_tuner
import numpy as np
import pytest

from contracts import assert_equal


def stated_directions():
    """What Keras says itself, by every metric that can be made without arguments."""
    for kind in vars(keras.metrics).values():
        if inspect.isclass(kind) and issubclass(kind, keras.metrics.Metric):
            parameters = inspect.signature(kind).parameters.values()
            if all(parameter.default is not parameter.empty for parameter in parameters):
                metric = kind()
                if hasattr(metric, "_direction"):
                    yield metric.name, {"up": "max", "down": "min"}[metric._direction]


STATED = dict(stated_directions())


def threshold_model(threshold):
    """Says yes where its input lies above the threshold; nothing in it is trained."""
    inputs = keras.Input((1,))
    score = keras.ops.sigmoid(1000.0 * (inputs - threshold))
    return keras.Model(inputs, keras.layers.Dense(1, "sigmoid", trainable=False)(score) * 0 + score)


def threshold_space(hp):
    return {"threshold": hp.Choice("threshold", [0.1, 0.5, 0.9])}


@pytest.fixture(scope="module")
def rows():
    x = np.linspace(0, 1, 40, dtype="float32")[:, None]
    return x, (x > 0.45).astype("float32")


def f1(x, y, threshold):
    """The F1 score of saying yes above the threshold, counted one by one."""
    true = false = missed = 0
    for value, label in zip(x[:, 0], y[:, 0], strict=True):
        if value > threshold:
            true, false = true + (label == 1), false + (label == 0)
        else:
            missed += label == 1
    return 2 * true / (2 * true + false + missed)


def search(model, goal, folder, rows, **options):
    tuner = keras_tuner.GridSearch(
        model, objective=goal, directory=folder, project_name="search", **options
    )
    tuner.search(*rows, validation_data=rows, epochs=1, verbose=0)
    return tuner


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_the_search_finds_the_best_f1_and_a_plain_string_the_worst(tmp_path, rows):
    scores = {threshold: f1(*rows, threshold) for threshold in (0.1, 0.5, 0.9)}
    ranked = sorted(scores, key=scores.get)
    metrics = [keras.metrics.F1Score(threshold=0.5)]
    model = hypermodel(
        threshold_model,
        threshold_space,
        loss="binary_crossentropy",
        metrics=metrics,
        run_eagerly=True,
        learning_rate=None,
    )
    for goal, direction, best in (
        (objective("val_f1_score"), "max", ranked[-1]),
        ("val_f1_score", "min", ranked[0]),  # the trap
    ):
        tuner = search(model, goal, tmp_path / direction, rows)
        assert tuner.oracle.objective.direction == direction
        (trial,) = tuner.oracle.get_best_trials(1)
        assert trial.hyperparameters["threshold"] == best
        assert trial.score == pytest.approx(scores[best], abs=1e-5)


def test_a_builder_and_its_space_are_searched(tmp_path, rows):
    model = hypermodel(
        mlp,
        mlp_space,
        input_shape=(1,),
        outputs=1,
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        optimizer=keras.optimizers.SGD(momentum=0.5),
        metrics=[keras.metrics.AUC(from_logits=True, name="auc")],
        run_eagerly=True,
        learning_rate=(0.01, 0.1),
    )
    tuner = keras_tuner.RandomSearch(
        model, objective=objective("auc"), max_trials=3, seed=1, directory=tmp_path
    )
    tuner.search(*rows, validation_data=rows, epochs=1, verbose=0)
    trials = tuner.oracle.get_best_trials(3)
    assert [trial.status for trial in trials] == ["COMPLETED"] * 3
    aucs = [trial.score for trial in trials]
    assert aucs == sorted(aucs, reverse=True)
    names = {"units", "layers", "dropout", "normalise", "learning_rate"}
    rates = {trial.hyperparameters["learning_rate"] for trial in trials}
    assert all(set(trial.hyperparameters.values) >= names for trial in trials)
    assert len(rates) == 3
    assert all(0.01 <= rate <= 0.1 for rate in rates)
    built = [model.build(trial.hyperparameters) for trial in trials]
    for trial, one in zip(trials, built, strict=True):
        assert float(one.optimizer.learning_rate) == pytest.approx(
            trial.hyperparameters["learning_rate"]
        )
        assert one.optimizer.momentum == 0.5
    assert len({id(one.optimizer) for one in built}) == 3


def test_trials_start_alike_and_executions_of_one_trial_do_not():
    model = hypermodel(mlp, mlp_space, input_shape=(3,), outputs=1, loss="mse")
    trial, other = keras_tuner.HyperParameters(), keras_tuner.HyperParameters()
    first, second = model.build(trial).get_weights(), model.build(trial).get_weights()
    assert np.abs(first[0] - second[0]).max() > 0.01
    assert_equal(model.build(other).get_weights(), first, 0)
    keras.utils.set_random_seed(0)
    assert_equal(mlp((3,), 1, **mlp_space(other)).get_weights(), first, 0)


def test_without_a_seed_trials_start_differently():
    model = hypermodel(mlp, mlp_space, input_shape=(3,), outputs=1, loss="mse", seed=None)
    first, second = (model.build(keras_tuner.HyperParameters()).get_weights() for _ in range(2))
    assert np.abs(first[0] - second[0]).max() > 0.01


def test_an_optimizer_may_keep_its_own_learning_rate():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    model = hypermodel(
        mlp,
        mlp_space,
        input_shape=(3,),
        outputs=1,
        loss="mse",
        optimizer=keras.optimizers.Adam(schedule),
        learning_rate=None,
    )
    hp = keras_tuner.HyperParameters()
    assert float(model.build(hp).optimizer.learning_rate) == pytest.approx(0.1)
    assert "learning_rate" not in hp.values


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shap": (3,)}, "Neither mlp nor .* 'input_shap'. Did you mean 'input_shape'"),
        ({"outputs": None}, "mlp needs the argument 'outputs': give it to `hypermodel`"),
        ({"metric": []}, "takes an argument 'metric'. Did you mean 'metrics'"),
        ({"loss": None}, "`loss` is missing: give it to `hypermodel`"),
        ({"learning_rate": (0.1, 0.01)}, "must be two rising numbers above 0"),
        (
            {"optimizer": keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 10))},
            "has a learning rate schedule. Give `learning_rate=None`",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, message):
    given = {"input_shape": (3,), "outputs": 1, "loss": "mse"} | arguments
    given = {name: value for name, value in given.items() if value is not None}
    with pytest.raises(InputError, match=message):
        hypermodel(mlp, mlp_space, **given)


def test_a_space_of_another_builder_is_refused():
    with pytest.raises(InputError, match="`space` gives 'threshold', but mlp takes no such"):
        hypermodel(mlp, threshold_space, input_shape=(3,), outputs=1, loss="mse")


def test_names_of_outputs_are_checked_in_a_search():
    model = hypermodel(mlp, mlp_space, input_shape=(3,), outputs=1, loss={"output": "mse"})
    with pytest.raises(InputError, match=r"names 'output'. Did you mean 'outputs'"):
        model.build(keras_tuner.HyperParameters())


@pytest.mark.parametrize(("name", "direction"), sorted(STATED.items()))
def test_the_direction_is_the_one_that_the_metric_states(name, direction):
    for given in (name, f"val_{name}"):
        goal = objective(given)
        assert (goal.name, goal.direction) == (f"val_{name}", direction)


def test_metrics_of_both_directions_were_among_these():
    assert {STATED["f1_score"], STATED["r2_score"], STATED["auc"]} == {"max"}
    assert {STATED["mean_squared_error"], STATED["binary_crossentropy"]} == {"min"}


@pytest.mark.parametrize(
    ("metric", "name", "direction"),
    [
        (keras.metrics.F1Score(name="mine"), "val_mine", "max"),
        (keras.metrics.F1Score, "val_f1_score", "max"),
        (keras.metrics.MeanIoU(2), "val_mean_io_u", "max"),
        (keras.metrics.MeanIoU, "val_mean_io_u", "max"),
        (keras.metrics.RecallAtPrecision(0.5, name="mine"), "val_mine", "max"),
        (keras.metrics.FalsePositives(name="mine"), "val_mine", "min"),
        (keras.metrics.binary_accuracy, "val_binary_accuracy", "max"),
        (keras.metrics.mean_squared_error, "val_mean_squared_error", "min"),
        (keras.losses.Huber(), "val_loss", "min"),
        (keras.losses.Huber, "val_loss", "min"),
        (keras.callbacks.EarlyStopping("val_score", mode="max"), "val_score", "max"),
        ("loss", "val_loss", "min"),
        ("accuracy", "val_accuracy", "max"),
        ("mae", "val_mae", "min"),
        ("val_auc_1", "val_auc_1", "max"),
        ("weighted_auc", "val_weighted_auc", "max"),
    ],
)
def test_what_an_objective_is_made_of(metric, name, direction):
    goal = objective(metric)
    assert isinstance(goal, keras_tuner.Objective)
    assert (goal.name, goal.direction) == (name, direction)


def test_the_objective_of_one_output_is_in_the_history(rows):
    x, y = rows
    inputs = keras.Input((1,))
    model = keras.Model(inputs, {name: keras.layers.Dense(1)(inputs) for name in ("a", "b")})
    model.compile("sgd", "mse", metrics={"a": [keras.metrics.R2Score()]}, run_eagerly=True)
    targets = {"a": y, "b": y}
    history = model.fit(x, targets, validation_data=(x, targets), verbose=0).history
    for goal in (
        objective(keras.metrics.R2Score, output="a"),
        objective("r2_score", output="a"),
        objective("loss", output="b"),
        objective("val_loss"),
    ):
        assert goal.has_value(history)
    assert objective("r2_score", output="a").direction == "max"


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("val_f1_scor", "known for 'f1_scor'. Did you mean 'f1_score'. Known are .*, auc, .*loss,"),
        ("late_auc", r"If 'auc' of the output 'late' is meant: \('auc', output='late'\)"),
        ("neg_mean_squared_error", "no direction is known for 'neg_mean_squared_error'"),
        (keras.metrics.Mean(), "no direction is known for 'mean'"),
        (lambda y_true, y_pred: 0.0, "no direction is known for '<lambda>'"),
    ],
)
def test_an_unknown_metric_is_refused(metric, message):
    with pytest.raises(InputError, match=message):
        objective(metric)


def test_keras_tuner_is_imported_only_when_it_is_used():
    module = ast.parse(inspect.getsource(tuning))
    imported = [ast.unparse(line) for line in module.body if isinstance(line, ast.Import)]
    imported += [line.module for line in module.body if isinstance(line, ast.ImportFrom)]
    assert imported
    assert not any("keras_tuner" in name for name in imported)
