from dlnotes.builders import multi_io_network, multi_io_network_space
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_builder

INPUTS = {"before": (3,), "now": (3,), "plane": (2, 2)}
OUTPUTS = {"late": 2, "delay": 1}
SHARED = {"weather": ("before", "now")}


@pytest.fixture
def x(rng):
    return {name: rng.normal(size=(6, *shape)).astype("float32") for name, shape in INPUTS.items()}


def test_contract(tmp_path, x):
    check_builder(
        multi_io_network,
        {"inputs": INPUTS, "outputs": OUTPUTS},
        x,
        {"late": np.ones((6, 2)), "delay": np.ones((6, 1))},
        tmp_path,
        space=multi_io_network_space,
        loss={"late": "mse", "delay": "mae"},
        output_shape=[(None, 1), (None, 2)],  # Keras lists them in the order of the sorted keys
        parameters=2 * (3 + 1) * 32 + (4 + 1) * 32 + (3 * 32 + 1) * 64 + (64 + 1) * (2 + 1),
    )


def test_equals_the_formula_with_a_shared_extractor(x):
    model = multi_io_network(INPUTS, OUTPUTS, shared=SHARED, units=4, trunk_units=5)
    weather, plane = model.get_layer("weather"), model.get_layer("plane_extractor")
    trunk = next(layer for layer in model.layers if layer.name.startswith("dense"))

    def dense(layer, features):
        kernel, bias = layer.get_weights()
        return features @ kernel + bias

    def relu(features):
        return np.maximum(features, 0)

    joined = np.concatenate(
        [
            relu(dense(weather, x["before"])),
            relu(dense(weather, x["now"])),
            relu(dense(plane, x["plane"].reshape(6, 4))),
        ],
        axis=1,
    )
    hidden = relu(dense(trunk, joined))
    expected = {name: dense(model.get_layer(name), hidden) for name in OUTPUTS}
    assert_equal(model.predict(x, verbose=0), expected)


def test_a_shared_extractor_is_counted_once(x):
    plain = multi_io_network(INPUTS, OUTPUTS, units=4)
    shared = multi_io_network(INPUTS, OUTPUTS, units=4, shared=SHARED)
    assert plain.count_params() - shared.count_params() == (3 + 1) * 4
    x["now"] = x["before"]
    tower = keras.Model(shared.inputs, shared.get_layer("joined").output)
    features = tower.predict(x, verbose=0)
    assert_equal(features[:, :4], features[:, 4:8])


def test_the_gradients_of_a_shared_extractor_add_up(x):
    plain = multi_io_network(INPUTS, OUTPUTS, units=4)
    shared = multi_io_network(INPUTS, OUTPUTS, units=4, shared=SHARED)
    plain.get_layer("now_extractor").set_weights(plain.get_layer("before_extractor").get_weights())
    start = plain.get_layer("before_extractor").get_weights()
    for layer in shared.layers:
        twin = "before_extractor" if layer.name == "weather" else layer.name
        if layer.name.startswith("dense"):
            twin = next(one.name for one in plain.layers if one.name.startswith("dense"))
        layer.set_weights(plain.get_layer(twin).get_weights())
    steps = {}
    for model in (plain, shared):
        model.compile(keras.optimizers.SGD(1.0), "mse", run_eagerly=True)
        model.fit(x, {"late": np.ones((6, 2)), "delay": np.ones((6, 1))}, verbose=0)
        for layer in model.layers:
            if layer.name in ("weather", "before_extractor", "now_extractor"):
                pairs = zip(layer.get_weights(), start, strict=True)
                steps[layer.name] = [after - before for after, before in pairs]
    pairs = zip(steps["before_extractor"], steps["now_extractor"], strict=True)
    assert_equal(steps["weather"], [one + other for one, other in pairs])
    assert np.abs(steps["weather"][0]).max() > 0.01


def test_one_input_needs_no_joining(x):
    model = multi_io_network({"now": (3,)}, {"delay": 1})
    assert set(model.predict({"now": x["now"]}, verbose=0)) == {"delay"}


def test_dropout_follows_every_hidden_layer():
    model = multi_io_network(INPUTS, OUTPUTS, shared=SHARED, layers=2, trunk_layers=3, dropout=0.1)
    dropouts = [
        layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.Dropout)
    ]
    assert len(dropouts) == 2 * 2 + 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": {}}, "`inputs` is {}, but must be a dictionary name: shape"),
        ({"outputs": ["late"]}, "`outputs` is .'late'., but must be a dictionary name: width"),
        ({"outputs": {"late": 0}}, "late.*is 0, but must be at least 1"),
        ({"outputs": {"now": 1}}, "names 'now', which is an input too"),
        ({"shared": {"now": ("before",)}}, "calls an extractor 'now'"),
        ({"shared": {"weather": "now"}}, "'weather' must be a tuple of input names"),
        (
            {"shared": {"weather": ("befor", "now")}},
            "'weather' names 'befor'. Did you mean 'before'.*'before', 'now', 'plane'",
        ),
        ({"shared": {"a": ("now",), "b": ("now",)}}, "names the input 'now' twice"),
        ({"shared": {"a": ("now", "plane")}}, r"'now' with \(3,\) and 'plane' with \(2, 2\)"),
    ],
)
def test_errors_name_what_does_not_fit(arguments, message):
    with pytest.raises(InputError, match=message):
        multi_io_network(**{"inputs": INPUTS, "outputs": OUTPUTS} | arguments)
