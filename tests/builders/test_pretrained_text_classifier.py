import zipfile

from dlnotes.builders import pretrained_text_classifier, pretrained_text_classifier_space
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_builder
from loops import lstm, randomise

POOLINGS = ("mean", "lstm", "conv")
MATRIX = np.random.default_rng(0).normal(size=(9, 4)).astype("float32")
TEXTS = np.array([[3, 1, 8, 0, 0], [5, 5, 2, 7, 2], [4, 0, 0, 0, 0]])
HIDDEN = {"mean": (4 + 1) * 3, "lstm": 4 * 3 * (4 + 3 + 1), "conv": (3 + 4 + 5) * 4 * 3 + 3 * 3}


@pytest.fixture(scope="module", params=POOLINGS)
def pooled(request):
    model = pretrained_text_classifier(MATRIX, 2, pooling=request.param, units=3)
    randomise(model, np.random.default_rng(1))
    return request.param, model


@pytest.mark.parametrize("pooling", POOLINGS)
def test_contract(tmp_path, pooling):
    def build(matrix, classes, pooling=pooling, units=3, **choices):
        return pretrained_text_classifier(matrix, classes, pooling=pooling, units=units, **choices)

    last = 9 if pooling == "conv" else 3
    check_builder(
        build,
        {"matrix": MATRIX, "classes": 2},
        TEXTS,
        np.array([0, 1, 0]),
        tmp_path,
        space=pretrained_text_classifier_space,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        output_shape=(None, 2),
        parameters=MATRIX.size + HIDDEN[pooling] + (last + 1) * 2,
    )


def test_padded_steps_change_nothing(pooled):
    _, model = pooled
    longer = np.pad(TEXTS, [(0, 0), (0, 3)])
    assert_equal(model.predict(longer, verbose=0), model.predict(TEXTS, verbose=0))
    assert_equal(model.predict(TEXTS[2:, :1], verbose=0), model.predict(TEXTS[2:], verbose=0))


def test_a_text_of_padding_alone_gives_finite_logits(pooled):
    _, model = pooled
    assert np.isfinite(model.predict(np.zeros((2, 6), int), verbose=0)).all()


def test_it_is_what_a_plain_loop_computes(pooled):
    pooling, model = pooled
    weights = [np.asarray(weight) for weight in model.weights]
    loop = {"mean": mean_loop, "lstm": lstm_loop, "conv": conv_loop}[pooling]
    expected = []
    for text in TEXTS:
        vectors = [weights[0][word] for word in text if word != 0]
        expected.append(loop(vectors, *weights[1:-2]) @ weights[-2] + weights[-1])
    assert_equal(model.predict(TEXTS, verbose=0), np.array(expected))


def mean_loop(vectors, kernel, bias):
    total = np.zeros(4)
    for vector in vectors:
        total += vector
    return np.maximum(total / len(vectors) @ kernel + bias, 0)


def lstm_loop(vectors, *weights):
    return lstm(vectors, *weights)[-1]


def conv_loop(vectors, *kernels_and_biases):
    features = []
    for kernel, bias in zip(kernels_and_biases[::2], kernels_and_biases[1::2], strict=True):
        window = len(kernel)
        best = np.zeros(3)
        for middle in range(len(vectors)):
            response = bias.copy()
            for offset in range(window):
                position = middle + offset - (window - 1) // 2
                if 0 <= position < len(vectors):
                    response += vectors[position] @ kernel[offset]
            best = np.maximum(best, response)
        features.append(best)
    return np.concatenate(features)


def test_the_mean_ignores_the_order_of_words_and_the_others_do_not(pooled):
    pooling, model = pooled
    turned = TEXTS[1:2, ::-1]
    equal = np.allclose(
        model.predict(turned, verbose=0), model.predict(TEXTS[1:2], verbose=0), atol=1e-6
    )
    assert equal == (pooling == "mean")


@pytest.mark.parametrize("trainable", [False, True])
def test_a_frozen_table_stays_and_a_trainable_one_changes_in_the_rows_that_occur(trainable):
    keras.utils.set_random_seed(0)
    model = pretrained_text_classifier(MATRIX, 2, trainable=trainable, units=8, dropout=0.0)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    seen = np.unique(TEXTS[TEXTS > 0])
    assert len(seen) < len(MATRIX) - 1
    model.fit(TEXTS, np.array([0, 1, 0]), epochs=3, verbose=0)
    after = np.asarray(model.get_layer("vectors").embeddings)
    changed = np.flatnonzero((after != MATRIX).any(axis=1))
    np.testing.assert_array_equal(changed, seen if trainable else [])


def test_the_file_is_no_larger_than_its_weights(tmp_path, rng):
    matrix = rng.normal(size=(20_000, 100)).astype("float32")
    model = pretrained_text_classifier(matrix, 10)
    model.save(tmp_path / "model.keras")
    weights = sum(np.asarray(weight).nbytes for weight in model.weights)
    assert (tmp_path / "model.keras").stat().st_size <= 1.1 * weights
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert archive.getinfo("config.json").file_size < 20_000


def test_what_is_refused():
    with pytest.raises(InputError, match=r"`matrix` has shape \(9,\), but must be a table"):
        pretrained_text_classifier(MATRIX[:, 0], 2)
    with pytest.raises(InputError, match="must be a table of finite numbers"):
        pretrained_text_classifier(np.where(MATRIX > 1, np.nan, MATRIX), 2)
    with pytest.raises(InputError, match="`pooling` is 'max', but must be one of mean, lstm, conv"):
        pretrained_text_classifier(MATRIX, 2, pooling="max")
