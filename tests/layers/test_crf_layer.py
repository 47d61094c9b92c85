from dlnotes import crf
from dlnotes.errors import InputError
from dlnotes.layers import CRF
from dlnotes.masks import step_mask
import keras
import numpy as np
import pytest

from contracts import assert_equal, check_layer, check_mixed_precision, check_padding
from loops import randomise


def tagger():
    inputs = keras.Input((None, 2))
    scores = keras.layers.Dense(3)(inputs)
    return keras.Model(inputs, CRF()(scores, mask=step_mask(inputs)))


@pytest.fixture
def sequences(rng):
    return [rng.normal(size=(length, 2)).astype("float32") for length in (5, 2, 4, 1)]


def test_saving(rng, tmp_path):
    check_layer(CRF(), rng.normal(size=(4, 5, 3)).astype("float32"), tmp_path)


def test_it_is_the_chain_of_its_weights(rng):
    layer, x = CRF(), rng.normal(size=(4, 5, 3)).astype("float32")
    layer.build(x.shape)
    facts = [rng.normal(size=weight.shape) for weight in layer.get_weights()]
    assert [fact.shape for fact in facts] == [(3, 3), (3,), (3,)]
    layer.set_weights(facts)
    assert [weight.name for weight in layer.weights] == ["transitions", "start", "end"]
    expected = crf.conditionals(x, *(fact.astype("float32") for fact in facts))
    assert_equal(layer(x), expected)


def test_it_begins_as_a_softmax_on_each_step(rng):
    x = rng.normal(size=(2, 5, 3)).astype("float32")
    marginals = crf.marginals(CRF()(x))
    assert_equal(marginals, keras.ops.softmax(x))


def test_padding_behind_changes_nothing(sequences, rng):
    check_padding(randomise(tagger(), rng), sequences, per_step=True)


def test_padding_in_front_changes_nothing(sequences, rng):
    model = randomise(tagger(), rng)
    in_front = np.stack([np.pad(one, ((6 - len(one), 0), (0, 0))) for one in sequences])
    for row, sequence in zip(model.predict(in_front, verbose=0), sequences, strict=True):
        assert_equal(row[-len(sequence) :], model.predict(sequence[None], verbose=0)[0])
        assert not row[: -len(sequence)].any()


def test_mixed_precision(rng):
    x = rng.normal(size=(3, 5, 2)).astype("float32")
    check_mixed_precision(tagger, x, tolerance=0.1)


def test_under_mixed_precision_the_recursion_is_computed_in_float32(rng):
    x = rng.normal(size=(2, 40, 3)).astype("float32")
    layer = CRF(dtype="mixed_bfloat16")
    layer.build(x.shape)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    found = layer(x)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    rounded = keras.ops.cast(keras.ops.cast(x, "bfloat16"), "float32")
    assert_equal(found, crf.conditionals(rounded, *layer.get_weights()), 1e-4)
    inputs = keras.Input((None, 3))
    assert CRF(dtype="mixed_bfloat16")(inputs).dtype == "float32"


def test_the_mask_is_passed_on_and_shapes_are_known():
    layer, mask = CRF(), np.array([[True, False]])
    assert layer.compute_mask(None, mask) is mask
    assert layer.compute_output_shape((None, None, 4)) == (None, None, 4, 4)


@pytest.mark.parametrize("shape", [(4, 3), (4, 5, 1), (4, 5, 3, 3), (4, 5, None)])
def test_other_inputs_are_refused(shape):
    with pytest.raises(InputError, match=r"expected \(batch, steps, tags\) with at least two"):
        CRF().build(shape)
