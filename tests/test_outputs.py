import re

from dlnotes.errors import InputError
from dlnotes.outputs import balanced_class_weight, class_weighted, compile_checked, loss_map
import keras
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight
import tensorflow as tf

from contracts import assert_equal

ROWS = 7  # no multiple of the batch size
BATCH = 3
LOSSES = {"reg": "mean_squared_error", "cls": "sparse_categorical_crossentropy"}
WEIGHTS = {"cls": {0: 1.0, 1: 4.0, 2: 0.5}}


def build(outputs=dict):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((2,))
    cls = keras.layers.Dense(3, activation="softmax", name="cls")(inputs)
    reg = keras.layers.Dense(1, name="reg")(inputs)
    return keras.Model(
        inputs, {dict: {"reg": reg, "cls": cls}, list: [reg, cls], None: cls}[outputs]
    )


@pytest.fixture
def data(rng):
    x = rng.normal(size=(ROWS, 2)).astype("float32")
    return x, {
        "reg": rng.normal(size=(ROWS, 1)).astype("float32"),
        "cls": np.array([0, 1, 1, 2, 0, 2, 1]),
    }


def rows_of_losses(model, x, y):
    """Each output's loss of each row, by a loop."""
    predicted = model.predict(x, verbose=0)
    losses = {"reg": [], "cls": []}
    for row in range(len(x)):
        losses["reg"].append((predicted["reg"][row, 0] - y["reg"][row, 0]) ** 2)
        losses["cls"].append(-np.log(predicted["cls"][row, y["cls"][row]]))
    return {name: np.array(values) for name, values in losses.items()}


# compile_checked


@pytest.mark.parametrize("outputs", [dict, list])
def test_the_total_loss_is_the_weighted_sum(data, outputs):
    x, y = data
    model = compile_checked(build(outputs), "sgd", LOSSES, loss_weights={"cls": 10, "reg": 0.5})
    result = model.evaluate(x, y, verbose=0, return_dict=True)
    assert result["loss"] == pytest.approx(
        0.5 * result["reg_loss"] + 10 * result["cls_loss"], rel=1e-5
    )
    rows = rows_of_losses(build(), x, y)
    expected = 0.5 * rows["reg"].mean() + 10 * rows["cls"].mean()
    assert result["loss"] == pytest.approx(expected, rel=1e-4)


def test_plain_keras_applies_a_mistyped_weight_by_position(data):
    """The trap: if Keras ever refuses this, the documentation must change."""
    x, y = data
    model = build()
    model.compile("sgd", LOSSES, loss_weights={"reg": 1, "zzz": 10})
    result = model.evaluate(x, y, verbose=0, return_dict=True)
    expected = 10 * result["reg_loss"] + 1 * result["cls_loss"]
    assert result["loss"] == pytest.approx(expected, rel=1e-5)
    assert {row.output: row.weight for row in loss_map(model).rows} == {"reg": 10, "cls": 1}


def test_plain_keras_takes_a_list_in_the_order_of_the_sorted_keys(data):
    x, y = data
    model = build()
    model.compile("sgd", LOSSES, loss_weights=[10, 1])
    result = model.evaluate(x, y, verbose=0, return_dict=True)
    expected = 1 * result["reg_loss"] + 10 * result["cls_loss"]
    assert result["loss"] == pytest.approx(expected, rel=1e-5)
    assert {row.output: row.weight for row in loss_map(model).rows} == {"reg": 1, "cls": 10}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"loss": {"reg": "mse", "clas": "mse"}},
            "`loss` names 'clas'. Did you mean 'cls'. The model's outputs are 'reg', 'cls'",
        ),
        ({"loss": {"reg": "mse"}}, "`loss` leaves out the output 'cls'.*or None"),
        ({"loss": ["mse", "mse"]}, "`loss` is a list, but the model returns a dictionary"),
        ({"loss": {"reg": None, "cls": None}}, "`loss` is None for every output"),
        ({"loss": None}, "`loss` is None for every output"),
        ({"loss_weights": {"reg": 1, "zzz": 2}}, "`loss_weights` names 'zzz'. The model's outputs"),
        ({"loss_weights": {"reg": 1}}, "`loss_weights` leaves out the output 'cls'"),
        ({"loss_weights": [1, 2]}, "`loss_weights` is a list, but the model returns a dict"),
        ({"loss_weights": 2.0}, "`loss_weights` is 2.0, but the model has the outputs"),
        (
            {"loss_weights": {"reg": float("nan"), "cls": 1}},
            "`loss_weights` is nan for 'reg', but must be a finite number",
        ),
        (
            {"loss": LOSSES | {"cls": None}, "loss_weights": {"reg": 1, "cls": 2}},
            "`loss_weights` names 'cls', which has no loss",
        ),
        ({"metrics": {"regg": ["mae"]}}, "`metrics` names 'regg'. Did you mean 'reg'"),
        ({"metrics": ["mae"]}, "`metrics` is a list, but the model returns a dictionary"),
        ({"metrics": "mae"}, "`metrics` is 'mae', but must be a dictionary"),
        ({"weighted_metrics": {"c": ["mae"]}}, "`weighted_metrics` names 'c'"),
    ],
)
def test_names_that_match_no_output_are_refused(arguments, message):
    model = build()
    with pytest.raises(InputError, match=message):
        compile_checked(model, "sgd", **{"loss": LOSSES} | arguments)
    assert not model.compiled


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": ["mse"]}, "`loss` has 1 entries, but the model has 2 outputs: 'reg', 'cls'"),
        ({"loss_weights": [1, 2, 3]}, "`loss_weights` has 3 entries"),
        ({"metrics": ["mae"]}, "`metrics` has 1 entries"),
        ({"loss": {"reg": "mse", "cl": "mse"}}, "`loss` names 'cl'. Did you mean 'cls'"),
        ({"loss_weights": {"reg": 1, "zzz": 2}}, "`loss_weights` names 'zzz'"),
    ],
)
def test_lists_of_outputs_are_checked_too(arguments, message):
    with pytest.raises(InputError, match=message):
        compile_checked(build(list), "sgd", **{"loss": LOSSES} | arguments)


def test_the_keys_of_a_dictionary_name_the_outputs_not_the_layers(data):
    x, y = data
    layers = build()
    model = keras.Model(layers.inputs, {"b": layers.output["reg"], "a": layers.output["cls"]})
    with pytest.raises(InputError, match=r"`loss` names 'reg'. The model's outputs are 'b', 'a'"):
        compile_checked(model, "sgd", LOSSES)
    losses = {"b": "mse", "a": LOSSES["cls"]}
    compile_checked(model, "sgd", losses, loss_weights={"a": 10, "b": 1}, metrics={"b": "mae"})
    assert [row[:4] for row in loss_map(model).rows] == [
        ("b", "mse", 1, ("mae",)),
        ("a", LOSSES["cls"], 10, ()),
    ]
    result = model.evaluate(x, {"b": y["reg"], "a": y["cls"]}, verbose=0, return_dict=True)
    assert result["loss"] == pytest.approx(result["b_loss"] + 10 * result["a_loss"], rel=1e-5)


def test_one_metric_object_for_two_outputs_is_refused():
    metric = keras.metrics.MeanSquaredError()
    with pytest.raises(InputError, match="one object of MeanSquaredError twice"):
        compile_checked(build(), "sgd", LOSSES, metrics={"reg": metric, "cls": [metric]})


def test_outputs_without_names_are_refused():
    class Subclass(keras.Model):
        pass

    with pytest.raises(InputError, match=r"is a subclass of keras.Model, whose outputs have no"):
        compile_checked(Subclass(), "sgd", "mse")
    inputs = keras.Input((2,))
    nested = keras.Model(inputs, {"a": [inputs, inputs]})
    with pytest.raises(InputError, match="Return one flat dictionary"):
        compile_checked(nested, "sgd", "mse")
    twice = keras.layers.Dense(1, name="twice")
    model = keras.Model(inputs, [twice(inputs), twice(inputs)])
    with pytest.raises(InputError, match="outputs of the model share a name: 'twice', 'twice'"):
        compile_checked(model, "sgd", {"twice": "mse"})
    assert compile_checked(model, "sgd", ["mse", "mae"]).compiled


@pytest.mark.parametrize(
    "make", [lambda: build(None), lambda: keras.Sequential(build(None).layers)]
)
def test_a_model_with_one_output(data, make):
    x, y = data
    plain = make()
    plain.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    expected = plain.evaluate(x, y["cls"], verbose=0, return_dict=True)
    for loss, weights, metrics in (
        ("sparse_categorical_crossentropy", 2, ["accuracy"]),
        ({"cls": "sparse_categorical_crossentropy"}, {"cls": 2}, {"cls": "accuracy"}),
    ):
        model = compile_checked(make(), "sgd", loss, loss_weights=weights, metrics=metrics)
        result = model.evaluate(x, y["cls"], verbose=0, return_dict=True)
        assert result["loss"] == pytest.approx(2 * expected["loss"], rel=1e-5)
        assert result["accuracy"] == expected["accuracy"]
    with pytest.raises(InputError, match=r"`loss` names 'clss'. Did you mean 'cls'"):
        compile_checked(make(), "sgd", {"clss": "mse"})


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("outputs", [dict, list])
def test_an_output_set_to_none_is_not_trained(data, outputs):
    x, y = data
    model = compile_checked(
        build(outputs),
        keras.optimizers.SGD(0.1),
        LOSSES | {"cls": None},
        loss_weights={"reg": 2},
        metrics={"reg": ["mae"]},
    )
    before = model.get_layer("cls").get_weights()
    model.fit(x, y, verbose=0)
    assert_equal(model.get_layer("cls").get_weights(), before, 0)
    assert str(loss_map(model)).splitlines()[2].split()[:3] == ["cls", "none:", "not"]


def test_one_loss_for_every_output(data):
    x, y = data
    y = y | {"cls": keras.utils.to_categorical(y["cls"])}
    model = compile_checked(
        build(), "sgd", "mse", loss_weights={"reg": 1, "cls": 3}, run_eagerly=True
    )
    result = model.evaluate(x, y, verbose=0, return_dict=True)
    expected = result["reg_loss"] + 3 * result["cls_loss"]
    assert result["loss"] == pytest.approx(expected, rel=1e-5)
    assert model.run_eagerly


# loss_map


@pytest.mark.filterwarnings("ignore:.*received `from_logits=True`")
@pytest.mark.parametrize("outputs", [dict, list])
@pytest.mark.parametrize("fitted", [False, True])
def test_the_map_shows_what_keras_does(data, outputs, fitted):
    x, y = data
    model = build(outputs)
    loss = LOSSES | {"cls": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
    compile_checked(
        model,
        "sgd",
        loss,
        loss_weights={"reg": 0.25, "cls": 2},
        metrics={"reg": ["mae", keras.metrics.RootMeanSquaredError()]},
        weighted_metrics={"cls": "accuracy"},
    )
    if fitted:
        model.fit(x, y, verbose=0)
    table = [re.split(r"\s{2,}", line) for line in str(loss_map(model)).splitlines()]
    assert table == [
        ["output", "loss", "weight", "metrics", "weighted metrics"],
        ["reg", "mean_squared_error", "0.25", "mae, root_mean_squared_error", "-"],
        ["cls", "sparse_categorical_crossentropy (from logits)", "2", "-", "accuracy"],
    ]


def test_the_map_survives_saving(tmp_path):
    model = compile_checked(build(), "sgd", LOSSES, loss_weights={"reg": 0.25, "cls": 2})
    model.save(tmp_path / "model.keras")
    assert str(loss_map(keras.saving.load_model(tmp_path / "model.keras"))) == str(loss_map(model))


def test_the_map_needs_a_compiled_model_that_keras_accepts():
    with pytest.raises(InputError, match="is not compiled"):
        loss_map(build())
    model = build()
    model.compile("sgd", {"reg": "mse", "zzz": "mse"})
    with pytest.raises(InputError, match=r"Keras refuses what it was compiled with:.*zzz"):
        loss_map(model)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(InputError, match="has no known outputs yet"):
        loss_map(model)


# class_weighted


class Batches(keras.utils.PyDataset):
    def __init__(self, data, **options):
        super().__init__(**options)
        self.data = data
        self.epochs = 0

    def __len__(self):
        return -(-ROWS // BATCH)

    def __getitem__(self, index):
        rows = slice(index * BATCH, (index + 1) * BATCH)
        return keras.tree.map_structure(lambda array: array[rows], self.data)

    def on_epoch_end(self):
        self.epochs += 1


def forms(data):
    """The three forms of data, and one with threads."""
    return {
        "arrays": data,
        "tf.data": tf.data.Dataset.from_tensor_slices(data).batch(BATCH),
        "PyDataset": Batches(data),
        "threads": Batches(data, workers=2, max_queue_size=4),
    }


def weighted_losses(model, data):
    """The loss that `evaluate` and that a `fit` which changes nothing report, and as validation."""
    if isinstance(data, tuple):
        x, y, sample_weight = data
        arguments = {"x": x, "y": y, "sample_weight": sample_weight, "batch_size": BATCH}
    else:
        arguments = {"x": data}
    history = model.fit(
        **arguments, validation_data=data, validation_batch_size=None, shuffle=False, verbose=0
    ).history
    evaluated = model.evaluate(**arguments, verbose=0, return_dict=True)
    return {"fit": history["loss"][0], "val": history["val_loss"][0], "evaluate": evaluated["loss"]}


@pytest.mark.parametrize("form", ["arrays", "tf.data", "PyDataset", "threads"])
@pytest.mark.parametrize("one_hot", [False, True])
def test_the_weighted_loss_equals_the_formula(data, form, one_hot):
    x, y = data
    model = build()
    rows = rows_of_losses(model, x, y)
    loss = dict(LOSSES)
    total = rows["reg"].sum()
    for label, value in zip(y["cls"], rows["cls"], strict=True):
        total += 0.5 * WEIGHTS["cls"][label] * value
    if one_hot:
        y = y | {"cls": keras.utils.to_categorical(y["cls"])}
        loss["cls"] = "categorical_crossentropy"
    optimizer = keras.optimizers.SGD(0.0)
    compile_checked(model, optimizer, loss, loss_weights={"reg": 1, "cls": 0.5})
    weighted = class_weighted(forms((x, y))[form], WEIGHTS)
    assert weighted_losses(model, weighted) == pytest.approx(
        dict.fromkeys(("fit", "val", "evaluate"), total / ROWS), rel=1e-5
    )


def test_keras_refuses_class_weight_for_several_outputs(data):
    """The reason for `class_weighted`: if Keras ever takes it, the documentation must change."""
    x, y = data
    model = compile_checked(build(), "sgd", LOSSES)
    with pytest.raises(ValueError, match="only supported for Models with a single output"):
        model.fit(x, y, class_weight=WEIGHTS, verbose=0)


def first_weights(weighted):
    """The sample weights of all rows."""
    if isinstance(weighted, tuple):
        return weighted[2]
    parts = [keras.tree.map_structure(np.asarray, batch[2]) for batch in weighted]
    return keras.tree.map_structure(lambda *arrays: np.concatenate(arrays), *parts)


@pytest.mark.parametrize("form", ["arrays", "tf.data", "PyDataset"])
def test_existing_sample_weights_are_multiplied(data, rng, form):
    x, y = data
    given = rng.uniform(size=ROWS).astype("float32")
    from_classes = np.array([WEIGHTS["cls"][label] for label in y["cls"]])
    cases = {
        "one for all outputs": (given, {"reg": given, "cls": given * from_classes}),
        "one output": ({"cls": given}, {"reg": np.ones(ROWS), "cls": given * from_classes}),
        "the other": ({"reg": given}, {"reg": given, "cls": from_classes}),
    }
    for sample_weight, expected in cases.values():
        weighted = class_weighted(forms((x, y, sample_weight))[form], WEIGHTS)
        assert_equal(first_weights(weighted), expected)


@pytest.mark.parametrize("form", ["arrays", "tf.data", "PyDataset"])
def test_labels_of_every_step(rng, form):
    labels = rng.integers(0, 2, size=(ROWS, 4, 1))
    given = rng.uniform(size=ROWS).astype("float32")
    table = {0: 1.0, 1: 3.0}
    expected = np.empty((ROWS, 4))
    for row in range(ROWS):
        for step in range(4):
            expected[row, step] = table[labels[row, step, 0]] * given[row]
    x = np.zeros((ROWS, 4, 2))
    one_hot = keras.utils.to_categorical(labels[..., 0], 2)
    for y in (labels, one_hot):
        weighted = class_weighted(forms((x, y, given))[form], table)
        assert_equal(first_weights(weighted), expected)
    model = keras.Sequential([keras.Input((4, 2)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    weighted = class_weighted(forms((x, labels, given))[form], table)
    losses = weighted_losses(model, weighted)  # the model predicts zeros
    assert losses["evaluate"] == pytest.approx((expected * labels[..., 0]).mean(), rel=1e-5)


@pytest.mark.parametrize("form", ["arrays", "tf.data", "PyDataset"])
def test_balanced_is_the_formula_of_scikit_learn(data, form):
    x, y = data
    expected = compute_class_weight("balanced", classes=np.arange(3), y=y["cls"])
    assert_equal(balanced_class_weight(y["cls"]), dict(enumerate(expected)))
    assert_equal(
        balanced_class_weight(keras.utils.to_categorical(y["cls"])), dict(enumerate(expected))
    )
    weighted = class_weighted(forms((x, y))[form], {"cls": "balanced"})
    assert_equal(first_weights(weighted)["cls"], expected[y["cls"]])


def test_a_list_of_outputs_and_a_single_one(data):
    x, y = data
    expected = np.array([WEIGHTS["cls"][label] for label in y["cls"]])
    *_, weights = class_weighted((x, [y["reg"], y["cls"]]), [None, WEIGHTS["cls"]])
    assert_equal(weights, [np.ones(ROWS), expected])
    *_, weights = class_weighted((x, y["cls"], [2.0] * ROWS), WEIGHTS["cls"])
    assert_equal(weights, 2 * expected)
    model = compile_checked(build(list), keras.optimizers.SGD(0.0), LOSSES)
    rows = rows_of_losses(build(), x, y)
    weighted = class_weighted((x, [y["reg"], y["cls"]]), [None, WEIGHTS["cls"]])
    assert weighted_losses(model, weighted)["val"] == pytest.approx(
        (rows["reg"] + expected * rows["cls"]).mean(), rel=1e-5
    )


def test_a_wrapped_py_dataset_keeps_its_ways(data):
    dataset = Batches(data, workers=3, use_multiprocessing=True, max_queue_size=2)
    weighted = class_weighted(dataset, WEIGHTS)
    assert (weighted.workers, weighted.use_multiprocessing, weighted.max_queue_size) == (3, True, 2)
    assert len(weighted) == weighted.num_batches == 3
    plain, wrapped = Batches(data), Batches(data)
    model = compile_checked(build(), "sgd", LOSSES, run_eagerly=True)
    model.fit(plain, epochs=2, verbose=0)
    model.fit(class_weighted(wrapped, WEIGHTS), epochs=2, verbose=0)
    assert wrapped.epochs == plain.epochs > 0


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({"cl": {0: 1}}, "`class_weight` names the output 'cl'. Did you mean 'cls'.*'reg', 'cls'"),
        ({0: 1, 1: 2}, "`class_weight` names the output 0"),
        ("balanced", "is 'balanced', but must be a dictionary of output name"),
        ({"cls": {0: 1, 1: 2}}, "`class_weight` of output 'cls' has no weight for class 2. It k"),
        ({"cls": {"0": 1}}, "names the class '0', but classes are integers"),
        ({"cls": {0: -1}}, "is -1 for class 0, but must be a finite number, at least 0"),
        ({"cls": [1, 2, 3]}, r"is \[1, 2, 3\], but must be a dictionary of class to weight"),
        ({"reg": {0: 1}}, "output 'reg': labels must be whole numbers"),
        ({"reg": "balanced"}, "output 'reg': labels must be whole numbers"),
    ],
)
def test_class_weights_that_do_not_fit(data, class_weight, message):
    with pytest.raises(InputError, match=message):
        class_weighted(data, class_weight)


@pytest.mark.parametrize("form", ["tf.data", "PyDataset", "threads"])
def test_an_unknown_class_stops_a_fit_over_a_dataset(data, form):
    model = compile_checked(build(), "sgd", LOSSES)
    weighted = class_weighted(forms(data)[form], {"cls": {0: 1, 1: 2}})
    error = tf.errors.InvalidArgumentError if form == "tf.data" else InputError
    with pytest.raises(error, match="output 'cls' has no weight for class 2"):
        model.fit(weighted, shuffle=False, verbose=0)
    with pytest.raises(InputError, match=r"names the output 'clss'. Did you mean 'cls'"):
        class_weighted(forms(data)[form], {"clss": {0: 1}})


def test_data_that_cannot_be_weighted(data):
    x, y = data
    with pytest.raises(InputError, match="`data` is a list, but must be a tuple"):
        class_weighted([x, y], WEIGHTS)
    with pytest.raises(InputError, match="call `batch` on the dataset before"):
        class_weighted(tf.data.Dataset.from_tensor_slices(data), WEIGHTS)
    with pytest.raises(InputError, match="must give tuples"):
        class_weighted(tf.data.Dataset.from_tensor_slices(x).batch(2), WEIGHTS)
    endless = tf.data.Dataset.from_tensor_slices(data).batch(2).repeat()
    with pytest.raises(InputError, match=r"without an end. Give the numbers"):
        class_weighted(endless, {"cls": "balanced"})
    with pytest.raises(InputError, match="names the output 'x'"):
        class_weighted((x, y, {"x": np.ones(ROWS)}), WEIGHTS)
    with pytest.raises(InputError, match="must be a list of 2 entries"):
        class_weighted((x, list(y.values())), [WEIGHTS["cls"]])
    soft = np.full((ROWS, 3), 1 / 3)
    with pytest.raises(InputError, match=r"`y`: labels of shape \(7, 3\) are read as one-hot"):
        class_weighted((x, soft), {0: 1, 1: 1, 2: 1})
    with pytest.raises(InputError, match="labels must be numbers"):
        balanced_class_weight(["late", "early"])
    with pytest.raises(InputError, match="labels must be whole numbers"):
        balanced_class_weight([0.0, float("nan")])
    with pytest.raises(InputError, match="`y` is empty"):
        balanced_class_weight(np.zeros(0, int))
