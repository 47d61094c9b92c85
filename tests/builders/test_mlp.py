from dlnotes.builders import mlp, mlp_space
import numpy as np

from contracts import check_builder


def test_contract(tmp_path, rng):
    check_builder(
        mlp,
        {"input_shape": (5,), "outputs": 3},
        rng.normal(size=(8, 5)),
        np.zeros((8, 3)),
        tmp_path,
        space=mlp_space,
        loss="mse",
        output_shape=(None, 3),
        parameters=(5 + 1) * 64 + (64 + 1) * 64 + (64 + 1) * 3,
    )


def test_without_hidden_layers_it_is_linear_regression(rng):
    model = mlp((2, 3), 1, layers=0)
    x = rng.normal(size=(4, 2, 3)).astype("float32")
    kernel, bias = (np.asarray(weight) for weight in model.weights)
    np.testing.assert_allclose(
        model.predict(x, verbose=0), x.reshape(4, 6) @ kernel + bias, atol=1e-5
    )
