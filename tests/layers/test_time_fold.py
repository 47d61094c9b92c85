from dlnotes.errors import InputError
from dlnotes.layers import TimeFold
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_layer, check_saving
from loops import lstm, padded, randomise

FRAME = (6, 6, 1)
# rows and steps: two lengths, fewer rows than steps and more rows than steps
SHAPES = [(2, 5), (5, 3)]


def frame_model():
    return keras.Sequential(
        [
            keras.Input(FRAME),
            keras.layers.Conv2D(2, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
        ]
    )


INNERS = {
    "dense": (lambda: keras.layers.Dense(3), (4,), "float32"),
    "convolution": (lambda: keras.layers.Conv2D(2, 3), FRAME, "float32"),
    "model": (frame_model, FRAME, "float32"),
    "embedding": (lambda: keras.layers.Embedding(9, 3), (4,), "int32"),
    "recurrent": (lambda: keras.layers.LSTM(3), (4, 2), "float32"),
}


@pytest.mark.parametrize("name", INNERS)
def test_predict_equals_a_loop_over_the_steps_at_any_length(name, rng):
    make, shape, dtype = INNERS[name]
    inner = make()
    inputs = keras.Input((None, *shape), dtype=dtype)
    model = keras.Model(inputs, TimeFold(inner)(inputs))
    for rows, steps in SHAPES:
        x = rng.integers(0, 9, (rows, steps, *shape)).astype(dtype)
        expected = np.stack([np.asarray(inner(x[:, step])) for step in range(steps)], axis=1)
        assert model.output_shape == (None, None, *expected.shape[2:])
        assert_equal(model.predict(x, verbose=0), expected)


def test_fit_equals_gradient_descent_in_numpy_at_two_lengths(rng):
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, TimeFold(keras.layers.Dense(1, use_bias=False))(inputs))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    batches = [
        (rng.normal(size=(*shape, 3)).astype("float32"), rng.normal(size=(*shape, 1)))
        for shape in SHAPES
    ]
    kernel = model.get_weights()[0]
    for x, y in batches:
        error = x @ kernel - y
        kernel = kernel - 0.1 * 2 * np.mean(x * error, axis=(0, 1))[:, None]
    model.fit((batch for batch in batches), steps_per_epoch=len(batches), verbose=0)
    assert_equal(model.get_weights()[0], kernel)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a fault on TensorFlow")
def test_keras_time_distributed_is_still_wrong_for_unknown_lengths():
    # When this fails, Keras has mended it: say so in TimeFold and in the recipe.
    inputs = keras.Input((None, 4))
    dense = keras.layers.Dense(3)
    model = keras.Model(inputs, keras.layers.TimeDistributed(dense)(inputs))
    shapes = [model.predict(np.zeros((2, steps, 4)), verbose=0).shape for steps in (5, 7)]
    # the first length is taken for a fixed one; at the second one there are as many steps as rows
    assert shapes == [(2, 5, 3), (2, 2, 3)]


def test_equals_time_distributed_at_a_fixed_length(rng):
    inputs = keras.Input((5, *FRAME))
    inner = frame_model()
    outputs = [TimeFold(inner)(inputs), keras.layers.TimeDistributed(inner)(inputs)]
    folded, looped = keras.Model(inputs, outputs).predict(rng.normal(size=(3, 5, *FRAME)))
    assert_equal(folded, looped)


def test_saving(rng, tmp_path):
    check_layer(TimeFold(keras.layers.Conv2D(2, 3)), rng.normal(size=(4, 3, *FRAME)), tmp_path)
    check_layer(TimeFold(frame_model()), rng.normal(size=(2, 3, *FRAME)), tmp_path)


def test_shapes_are_known_before_the_call():
    fold = TimeFold(keras.layers.Conv2D(2, 3))
    assert fold.compute_output_shape((None, None, *FRAME)) == (None, None, 4, 4, 2)
    assert fold.compute_output_shape((7, 5, *FRAME)) == (7, 5, 4, 4, 2)
    assert fold(keras.Input((5, *FRAME))).shape == (None, 5, 4, 4, 2)


def test_several_inputs_and_outputs(rng, tmp_path):
    first, second = keras.Input((3,)), keras.Input((2,))
    both = keras.layers.Concatenate()([first, second])
    inner = keras.Model([first, second], [keras.layers.Dense(4)(both), both])
    inputs = [keras.Input((None, 3)), keras.Input((None, 2))]
    outputs = TimeFold(inner)(inputs)
    assert [output.shape for output in outputs] == [(None, None, 4), (None, None, 5)]
    model = keras.Model(inputs, outputs)
    x = [rng.normal(size=(2, 5, width)).astype("float32") for width in (3, 2)]
    steps = [inner([x[0][:, step], x[1][:, step]]) for step in range(5)]
    expected = [np.stack([np.asarray(step[index]) for step in steps], axis=1) for index in (0, 1)]
    assert_equal(model.predict(x, verbose=0), expected)
    check_saving(model, x, tmp_path)


def test_dropout_drops_in_training_alone_and_differently_in_each_step():
    fold = TimeFold(keras.layers.Dropout(0.5, seed=0))
    x = np.ones((1, 2, 100), "float32")
    dropped = np.asarray(fold(x, training=True))
    assert set(np.unique(dropped)) == {0, 2}
    assert not np.array_equal(dropped[:, 0], dropped[:, 1])
    assert_equal(np.asarray(fold(x)), x)


def test_dropout_is_on_in_fit_and_off_in_evaluate():
    inputs = keras.Input((None, 50))
    model = keras.Model(inputs, TimeFold(keras.layers.Dropout(0.5, seed=0))(inputs))
    model.compile("sgd", "mse")
    x = np.ones((2, 4, 50))
    # a kept unit is doubled, so each unit is wrong by one, kept or dropped
    assert model.fit(x, x, verbose=0).history["loss"] == pytest.approx([1])
    assert model.evaluate(x, x, verbose=0) == 0


def test_the_activity_regulariser_of_the_inner_layer_counts(rng):
    losses = {}
    for wrapper in (TimeFold, keras.layers.TimeDistributed):
        dense = keras.layers.Dense(3, activity_regularizer=keras.regularizers.L1(0.5))
        inputs = keras.Input((4, 2))
        model = keras.Model(inputs, wrapper(dense)(inputs))
        model.compile("sgd", "mse")
        x = rng.normal(size=(2, 4, 2))
        prediction = model.predict(x, verbose=0)
        losses[wrapper] = model.evaluate(x, prediction, verbose=0)
        expected = 0.5 * np.abs(prediction).sum() / (2 * 4)
        if wrapper is TimeFold:
            assert losses[wrapper] == pytest.approx(expected, rel=1e-5)
    # Keras' own wrapper drops it; when this fails, Keras has mended it
    assert losses[keras.layers.TimeDistributed] == 0


def test_batch_normalisation_is_updated_once_over_all_rows_and_steps(rng):
    normalise = keras.layers.BatchNormalization(momentum=0.9)
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, TimeFold(normalise)(inputs))
    model.compile("sgd", "mse")
    x = rng.normal(2, 3, size=(4, 5, 3)).astype("float32")
    model.fit(x, x, verbose=0)
    rows = x.reshape(-1, 3)
    assert_equal(np.asarray(normalise.moving_mean), 0.1 * rows.mean(0))
    assert_equal(np.asarray(normalise.moving_variance), 0.9 + 0.1 * rows.var(0))


def test_a_mask_of_steps_is_passed_on(rng):
    inputs = keras.Input((None, 2))
    x = keras.layers.Masking()(inputs)
    x = TimeFold(keras.layers.Dense(3))(x)
    x = TimeFold(keras.layers.Dropout(0.5))(x)
    model = keras.Model(inputs, keras.layers.LSTM(4)(x))
    randomise(model, rng)
    kernel, bias, *recurrent = model.get_weights()
    sequences = [rng.normal(size=(length, 2)).astype("float32") for length in (3, 1, 2)]
    expected = [lstm(sequence @ kernel + bias, *recurrent)[-1] for sequence in sequences]
    for steps in (3, 6):
        assert_equal(model.predict(padded(sequences, steps), verbose=0), np.array(expected))


def document_encoder(wrapper):
    """Words to sentences to a document, wrapped layer by layer; the mask starts at the words."""
    documents = keras.Input((None, None), dtype="int32")
    words = wrapper(keras.layers.Embedding(9, 3, mask_zero=True))(documents)
    sentences = wrapper(keras.layers.LSTM(4))(words)
    return keras.Model(documents, keras.layers.LSTM(2)(sentences))


def document(sentences, steps, words):
    lines = [padded([np.array(line)], words)[0] for line in sentences]
    return padded([np.array(lines)], steps)[0]


@pytest.fixture(scope="module")
def documents():
    return [[[1, 2, 3], [4]], [[5, 6]], [[7, 8], [1], [2, 3, 4]]]


def test_a_mask_of_words_reaches_the_inner_encoder_and_one_of_sentences_the_outer(documents, rng):
    model = document_encoder(TimeFold)
    randomise(model, rng)
    table, *weights = model.get_weights()
    expected = []
    for sentences in documents:
        encoded = np.array([lstm(table[line], *weights[:3])[-1] for line in sentences])
        expected.append(lstm(encoded, *weights[3:])[-1])
    for steps, words in ((3, 3), (5, 4)):
        x = np.array([document(sentences, steps, words) for sentences in documents])
        assert_equal(model.predict(x, verbose=0), np.array(expected))


def test_keras_time_distributed_still_drops_the_mask_of_the_words(documents, rng):
    # When this fails, Keras has mended it: say so in TimeFold.
    model = document_encoder(keras.layers.TimeDistributed)
    randomise(model, rng)
    short, long = (
        np.asarray(model(np.array([document(one, 3, words) for one in documents])))
        for words in (3, 5)
    )
    assert np.abs(short - long).max() > 1e-3


def test_compute_mask_gives_what_the_next_layer_needs():
    words = np.array([[[1, 2, 0], [3, 0, 0], [0, 0, 0]]])
    embedding = TimeFold(keras.layers.Embedding(9, 3, mask_zero=True))
    embedded = embedding(words)
    mask = embedding.compute_mask(words)
    np.testing.assert_array_equal(mask, words != 0)
    steps = [[True, True, False]]
    np.testing.assert_array_equal(
        TimeFold(keras.layers.LSTM(2)).compute_mask(embedded, mask), steps
    )
    flatten = TimeFold(keras.layers.Flatten())
    np.testing.assert_array_equal(flatten.compute_mask(embedded, mask), steps)
    encoder = TimeFold(keras.layers.LSTM(2, return_sequences=True))
    np.testing.assert_array_equal(encoder.compute_mask(embedded, mask), words != 0)
    assert flatten.compute_mask(embedded) is None


def test_an_input_without_a_time_axis_is_refused():
    with pytest.raises(InputError, match=r"shape \(None,\), but expected \(batch, time, ...\)"):
        TimeFold(keras.layers.Dense(2))(keras.Input(()))
