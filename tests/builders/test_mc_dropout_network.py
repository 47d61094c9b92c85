from dlnotes.builders import mc_dropout_network, mc_dropout_network_space
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_builder


def test_contract(tmp_path, rng):
    check_builder(
        mc_dropout_network,
        {"input_shape": (5,), "outputs": 3},
        rng.normal(size=(8, 5)),
        np.zeros((8, 3)),
        tmp_path,
        space=mc_dropout_network_space,
        loss="mse",
        output_shape=(None, 3),
        parameters=(5 + 1) * 64 + (64 + 1) * 64 + (64 + 1) * 3,
    )


@pytest.mark.parametrize(
    ("kind", "layer"),
    [
        ("dropout", keras.layers.Dropout),
        ("gaussian", keras.layers.GaussianDropout),
        ("alpha", keras.layers.AlphaDropout),
    ],
)
def test_dropout_stands_before_every_dense_layer_and_not_after_the_last(kind, layer):
    model = mc_dropout_network((4,), 2, layers=2, dropout=0.3, input_dropout=0.1, kind=kind)
    _, *hidden = model.layers
    assert [type(one) for one in hidden] == 3 * [layer, keras.layers.Dense]
    assert [one.rate for one in hidden[::2]] == [0.1, 0.3, 0.3]


def test_inputs_are_dropped_like_units_by_default():
    model = mc_dropout_network((2, 3), 1, layers=1, dropout=0.25)
    dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert [layer.rate for layer in dropouts] == [0.25, 0.25]


def test_predict_is_the_plain_network(rng):
    model = mc_dropout_network((2, 3), 2, units=4, layers=1, dropout=0.5)
    x = rng.normal(size=(5, 2, 3)).astype("float32")
    kernel, bias, last_kernel, last_bias = model.get_weights()
    hidden = np.maximum(x.reshape(5, 6) @ kernel + bias, 0)
    assert_equal(model.predict(x, verbose=0), hidden @ last_kernel + last_bias)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dropout": 0.0}, "without dropout there is nothing to sample"),
        ({"dropout": 1.0}, "`dropout` is 1.0"),
        ({"input_dropout": 1.0}, "`input_dropout` is 1.0"),
        ({"kind": "spatial"}, "'spatial', but must be one of dropout, gaussian, alpha"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(InputError, match=message):
        mc_dropout_network((4,), 2, **arguments)
