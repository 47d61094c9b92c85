"""What every builder, layer and callback of the package has to pass."""

from dlnotes import recurrent, saving
import keras
import keras_tuner
import numpy as np

from loops import padded


def assert_equal(actual, expected, tolerance=1e-5):
    """Same structure, and every number within `tolerance`."""
    keras.tree.assert_same_structure(actual, expected)
    for one, other in zip(keras.tree.flatten(actual), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), atol=tolerance, rtol=0)


def check_saving(model, x, folder, *, batch_size=None):
    """The model comes back from disk in safe mode, with equal predictions from a zero state."""
    path = folder / "model.keras"
    model.save(path)
    loaded = saving.load_model(path)
    if any(getattr(layer, "stateful", False) for layer in model.layers):
        recurrent.reset_states(model)
    assert_equal(
        loaded.predict(x, batch_size=batch_size, verbose=0),
        model.predict(x, batch_size=batch_size, verbose=0),
    )
    return loaded


def check_builder(
    build, facts, x, y, folder, *, space, loss, output_shape, parameters, batch_size=None
):
    """The contract of a builder.

    The output shape and the parameter count are as stated, one `fit` step gives a finite loss and
    moves the weights, a saved model comes back with equal predictions, and the search space returns
    keyword arguments that the builder takes, at its default and at random points.

    Args:
        build: The builder.
        facts: Dictionary of its arguments without a default (small ones).
        x: Inputs of a few examples.
        y: Targets of these examples.
        folder: A `pathlib.Path` to write to.
        space: The builder's `_space` function.
        loss: Loss (or dictionary of losses) to compile with.
        output_shape: What `model.output_shape` must be.
        parameters: What `model.count_params()` must be.
        batch_size: Batch size for `fit` and `predict`.
    """
    keras.utils.set_random_seed(0)
    model = build(**facts)
    assert isinstance(model, keras.Model) and not model.compiled
    assert model.output_shape == output_shape
    assert model.count_params() == parameters

    model.compile("adam", loss, run_eagerly=True)
    before = model.get_weights()
    history = model.fit(x, y, batch_size=batch_size, epochs=1, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    pairs = zip(before, model.get_weights(), strict=True)
    assert any(not np.array_equal(old, new) for old, new in pairs)
    check_saving(model, x, folder, batch_size=batch_size)

    hyper_parameters = keras_tuner.HyperParameters()
    chosen = space(hyper_parameters)
    for hyper_parameter in hyper_parameters.space:
        hyper_parameters.values[hyper_parameter.name] = hyper_parameter.random_sample(seed=1)
    for arguments in (chosen, space(hyper_parameters)):
        assert build(**facts, **arguments).output_shape == output_shape
    return model


def check_layer(layer, x, folder):
    """A layer inside a functional model predicts, trains a step and survives saving."""
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, layer(inputs))
    model.compile("sgd", "mse")
    prediction = model.predict(x, verbose=0)
    model.fit(x, np.zeros_like(prediction), verbose=0)
    check_saving(model, x, folder)
    return prediction


def check_padding(model, sequences, *, value=0.0, per_step=False):
    """A batch padded to two lengths gives through `predict` what each sequence gives alone.

    Args:
        model: Functional model of one input of unknown length that leaves padding out.
        sequences: List of arrays of unequal length, fewer or more than there are steps.
        value: What fills the padded steps.
        per_step: Whether there is an output for each step; those of padded steps may be anything.
    """
    longest = max(map(len, sequences))
    alone = [model.predict(sequence[np.newaxis], verbose=0)[0] for sequence in sequences]
    for steps in (longest, longest + 2):
        together = model.predict(padded(sequences, steps, value), verbose=0)
        for row, expected in zip(together, alone, strict=True):
            assert_equal(row[: len(expected)] if per_step else row, expected)


def check_mixed_precision(build, x, tolerance=0.05):
    """Computing in bfloat16 gives finite outputs near those of float32, from float32 weights.

    Args:
        build: Function without arguments that returns a model.
        x: Inputs of a few examples.
        tolerance: Largest difference of an output.
    """
    policy = keras.config.dtype_policy()
    exact = build()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        mixed = build()
    finally:
        keras.config.set_dtype_policy(policy)
    mixed.set_weights(exact.get_weights())
    assert {weight.dtype for weight in mixed.trainable_weights} == {"float32"}
    outputs = [np.asarray(keras.ops.cast(model(x), "float32")) for model in (mixed, exact)]
    assert np.isfinite(outputs[0]).all()
    assert_equal(*outputs, tolerance)
