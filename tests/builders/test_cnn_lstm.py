from dlnotes.builders import cnn_lstm, cnn_lstm_space
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_builder
from loops import lstm, padded, randomise

SMALL = {"filters": 2, "units": 3, "mask_value": 0.0}


def test_contract(tmp_path, rng):
    check_builder(
        cnn_lstm,
        {"input_shape": (None, 8, 8, 1), "classes": 3},
        rng.normal(size=(4, 3, 8, 8, 1)),
        np.zeros(4),
        tmp_path,
        space=cnn_lstm_space,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        output_shape=(None, 3),
        parameters=(9 * 1 + 1) * 8
        + (9 * 8 + 1) * 16
        + 4 * 32 * (2 * 2 * 16 + 32 + 1)
        + (32 + 1) * 3,
    )


def convolution(image, kernel, bias):
    """3x3, same padding, rectified, pixel by pixel."""
    height, width, _ = image.shape
    framed = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    result = np.zeros((height, width, len(bias)))
    for row in range(height):
        for column in range(width):
            window = framed[row : row + 3, column : column + 3]
            result[row, column] = np.tensordot(window, kernel, 3) + bias
    return np.maximum(result, 0)


def largest_of_four(image):
    height, width, channels = image.shape
    return image.reshape(height // 2, 2, width // 2, 2, channels).max(axis=(1, 3))


def loop(model, film):
    """What the model should give for one film without padding."""
    first, first_bias, second, second_bias, *recurrent, kernel, bias = model.get_weights()
    frames = []
    for frame in film:
        image = largest_of_four(convolution(frame, first, first_bias))
        frames.append(largest_of_four(convolution(image, second, second_bias)).ravel())
    return lstm(np.array(frames), *recurrent)[-1] @ kernel + bias


@pytest.mark.parametrize("fold", ["whole", "layers"])
def test_equals_a_loop_over_the_frames_of_the_unpadded_film(fold, rng):
    films = [rng.normal(size=(frames, 4, 4, 1)).astype("float32") for frames in (4, 1, 2)]
    model = cnn_lstm((None, 4, 4, 1), 2, fold=fold, **SMALL)
    randomise(model, rng)
    expected = np.array([loop(model, film) for film in films])
    for frames in (4, 6):
        assert_equal(model.predict(padded(films, frames), verbose=0), expected)


def test_padding_changes_no_training_step(rng):
    x, y = rng.normal(size=(2, 3, 4, 4, 1)), np.array([0, 1])
    weights = []
    for extra in (0, 2):
        keras.utils.set_random_seed(0)
        model = cnn_lstm((None, 4, 4, 1), 2, **SMALL)
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(np.pad(x, ((0, 0), (0, extra), *[(0, 0)] * 3)), y, verbose=0)
        weights.append(model.get_weights())
    assert_equal(weights[0], weights[1])


def test_wrapped_whole_and_layer_by_layer_are_one_function(rng):
    whole, layers = (
        cnn_lstm((None, 4, 4, 1), 2, fold=fold, **SMALL) for fold in ("whole", "layers")
    )
    assert len(layers.layers) > len(whole.layers)
    layers.set_weights(whole.get_weights())
    x = rng.normal(size=(2, 3, 4, 4, 1))
    assert_equal(layers.predict(x, verbose=0), whole.predict(x, verbose=0))


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"\(5, None, 8, 1\), but must be \(frames, height, width"):
        cnn_lstm((5, None, 8, 1), 2)
    with pytest.raises(InputError, match="`blocks` is 3, which needs frames of at least 8 x 8"):
        cnn_lstm((5, 7, 9, 1), 2, blocks=3)
    with pytest.raises(InputError, match="`fold` is 'frames', expected one of 'whole', 'layers'"):
        cnn_lstm((5, 8, 8, 1), 2, fold="frames")
