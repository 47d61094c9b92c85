from dlnotes.builders import conv_lstm, conv_lstm_space
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_builder, check_mixed_precision, check_padding
from loops import lstm, padded, randomise, sigmoid

LENGTHS = [4, 2, 3]

masks_frames = pytest.mark.skipif(
    keras.config.backend() == "jax", reason="On JAX Keras cannot mask the frames of a film."
)


@pytest.fixture
def films(rng):
    return [rng.normal(size=(length, 5, 4, 2)).astype("float32") for length in LENGTHS]


def convolve(picture, kernel):
    """A convolution with zeros around the picture, place by place."""
    reach = len(kernel) // 2
    wide = np.pad(picture, ((reach, reach), (reach, reach), (0, 0)))
    height, width, _ = picture.shape
    result = np.zeros((height, width, kernel.shape[-1]))
    for row in range(height):
        for column in range(width):
            window = wide[row : row + len(kernel), column : column + len(kernel)]
            result[row, column] = np.einsum("abc,abcd->d", window, kernel)
    return result


def conv_lstm_loop(film, kernel, recurrent_kernel, bias):
    """Shi et al., equation 3, without peepholes: an LSTM with convolutions for products."""
    state = memory = np.zeros((*film.shape[1:3], recurrent_kernel.shape[2]))
    states = []
    for frame in film:
        gates = convolve(frame, kernel) + convolve(state, recurrent_kernel) + bias
        i, f, candidate, o = np.split(gates, 4, axis=-1)
        memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(candidate)
        state = sigmoid(o) * np.tanh(memory)
        states.append(state)
    return np.array(states)


def test_contract(tmp_path, rng):
    x = rng.normal(size=(3, 4, 6, 6, 1))
    check_builder(
        conv_lstm,
        {"input_shape": (4, 6, 6, 1)},
        x,
        x,
        tmp_path,
        space=conv_lstm_space,
        loss="mse",
        output_shape=(None, 4, 6, 6, 1),
        parameters=4 * 8 * (9 * (1 + 8) + 1) + 9,
    )


@pytest.mark.parametrize("return_sequences", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
def test_predict_equals_a_loop_over_frames_and_places(layers, return_sequences, films, rng):
    options = {"filters": 3, "layers": layers, "return_sequences": return_sequences}
    model = randomise(conv_lstm((None, 5, 4, 2), **options), rng)
    *weights, head, bias = model.get_weights()
    for film in films:
        row = model.predict(film[np.newaxis], verbose=0)[0]
        states = film
        for layer in range(layers):
            states = conv_lstm_loop(states, *weights[3 * layer : 3 * layer + 3])
        expected = states @ head + bias
        assert_equal(row, expected if return_sequences else expected[-1])


def test_a_kernel_of_one_is_an_lstm_for_each_pixel(films, rng):
    model = randomise(conv_lstm((None, 5, 4, 2), filters=3, kernel_size=1), rng)
    kernel, recurrent_kernel, bias, head, head_bias = model.get_weights()
    film = films[0]
    prediction = np.asarray(model(film[np.newaxis]))[0]
    for row in range(5):
        for column in range(4):
            states = lstm(film[:, row, column], kernel[0, 0], recurrent_kernel[0, 0], bias)
            assert_equal(prediction[:, row, column], states @ head + head_bias)


@masks_frames
@pytest.mark.parametrize("return_sequences", [True, False])
def test_padded_batch_equals_films_alone(return_sequences, films, rng):
    options = {"filters": 2, "layers": 2, "return_sequences": return_sequences}
    model = randomise(conv_lstm((None, 5, 4, 2), mask_value=0.0, **options), rng)
    check_padding(model, films, per_step=return_sequences)


def test_without_a_mask_padding_does_change_the_prediction(films, rng):
    model = randomise(conv_lstm((None, 5, 4, 2), filters=2, return_sequences=False), rng)
    together = np.asarray(model(padded(films, 6)))
    assert np.abs(together[1] - np.asarray(model(films[1][np.newaxis]))[0]).max() > 1e-2


@masks_frames
def test_every_layer_gets_the_mask_even_if_none_is_passed_on(films, rng, monkeypatch):
    monkeypatch.setattr(keras.layers.ConvLSTM2D, "compute_mask", lambda self, *arguments: None)
    options = {"filters": 2, "layers": 2, "return_sequences": False}
    model = randomise(conv_lstm((None, 5, 4, 2), mask_value=0.0, **options), rng)
    alone = [np.asarray(model(film[np.newaxis]))[0] for film in films]
    assert_equal(np.asarray(model(padded(films, 6))), np.array(alone))


def test_a_prediction_knows_no_later_frame(films, rng):
    model = randomise(conv_lstm((None, 5, 4, 2), filters=2, layers=2), rng)
    film = films[0][np.newaxis]
    changed = film.copy()
    changed[:, 2:] += 1
    before, after = np.asarray(model(film)), np.asarray(model(changed))
    assert_equal(before[:, :2], after[:, :2], 1e-7)
    assert np.abs(before[:, 2:] - after[:, 2:]).max() > 1e-2


def test_dropped_inputs_stay_dropped_in_all_frames():
    model = conv_lstm((None, 4, 4, 1), filters=1, kernel_size=1, dropout=0.5)
    # the state is the candidate alone, which is the input
    kernel, bias = np.array([0, 0, 1.0, 0]), np.array([9.0, -99, 0, 9])
    kernel = kernel.reshape(1, 1, 1, 4)
    model.get_layer("conv_lstm_1").set_weights([kernel, 0 * kernel, bias])
    states = keras.Model(model.inputs[0], model.get_layer("conv_lstm_1").output)
    kept = np.asarray(states(np.ones((3, 5, 4, 4, 1)), training=True)) > 0.1
    assert 0.2 < kept.mean() < 0.8
    assert (kept == kept[:, :1]).all()


def test_mixed_precision(rng):
    check_mixed_precision(
        lambda: conv_lstm((3, 4, 4, 1), filters=2), rng.normal(size=(2, 3, 4, 4, 1))
    )


@pytest.mark.parametrize("shape", [(4, 6, 6), (4, None, 6, 1), (4, 6, 6, None)])
def test_a_wrong_shape_is_refused(shape):
    with pytest.raises(InputError, match=r"but must be \(frames, height, width, channels\)"):
        conv_lstm(shape)


def test_wrong_choices_are_refused():
    with pytest.raises(InputError, match="`kernel_size` is 4, but must be odd, such as 3"):
        conv_lstm((4, 6, 6, 1), kernel_size=4)
    with pytest.raises(InputError, match="`layers` is 0, but must be at least 1"):
        conv_lstm((4, 6, 6, 1), layers=0)


def test_padding_is_refused_on_jax(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(InputError, match=r"`mask_value` is 0.0, but on the JAX backend"):
        conv_lstm((None, 6, 6, 1), mask_value=0.0)
