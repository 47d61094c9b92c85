from dlnotes.builders import (
    RandomUnseen,
    entity_embedding_network,
    entity_embedding_network_space,
)
from dlnotes.errors import InputError
from dlnotes.tables import UNSEEN, EntityEncoder, embedding_name
import keras
import numpy as np
import pandas as pd
import pytest

from contracts import check_builder, check_layer


@pytest.fixture
def rows(rng):
    """Two columns of codes and three numbers."""
    return {
        "port": rng.integers(0, 5, (8, 1)).astype("int32"),
        "air line": rng.integers(0, 9, (8, 1)).astype("int32"),
        "numeric": rng.normal(size=(8, 3)).astype("float32"),
    }


LEVELS = {"port": 5, "air line": 9}


def test_contract(tmp_path, rows):
    sizes = {column: round(1.6 * codes**0.56) for column, codes in LEVELS.items()}
    width = sum(sizes.values()) + 3
    check_builder(
        entity_embedding_network,
        {"levels": LEVELS, "numeric": 3, "outputs": 2},
        rows,
        np.zeros((8, 2)),
        tmp_path,
        space=entity_embedding_network_space,
        loss="mse",
        output_shape=(None, 2),
        parameters=sum(LEVELS[column] * sizes[column] for column in LEVELS)
        + (width + 1) * 128
        + (128 + 1) * 128
        + (128 + 1) * 2,
    )


def test_each_category_is_an_input_of_length_one_that_is_embedded_and_flattened():
    sizes = {"port": 2, "air line": 4}
    model = entity_embedding_network(LEVELS, 0, 1, sizes=sizes)
    assert set(model.input) == set(LEVELS)
    parameters = 0
    for column, codes in LEVELS.items():
        layer = model.get_layer(embedding_name(column))
        assert model.input[column].shape == (None, 1)
        assert layer.output.shape == (None, 1, sizes[column])
        assert layer.count_params() == codes * sizes[column]
        parameters += layer.count_params()
    joined = next(layer for layer in model.layers if isinstance(layer, keras.layers.Concatenate))
    assert joined.output.shape == (None, sum(sizes.values()))
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert model.count_params() == parameters + sum(layer.count_params() for layer in dense)


def test_it_looks_up_rows_and_adds_a_dense_network(rows):
    model = entity_embedding_network(LEVELS, 3, 2, sizes="half", units=4, layers=1, dropout=0.5)
    tables = {column: model.get_layer(embedding_name(column)).get_weights()[0] for column in LEVELS}
    hidden, outputs = (layer for layer in model.layers if isinstance(layer, keras.layers.Dense))
    kernel, bias = hidden.get_weights()
    last_kernel, last_bias = outputs.get_weights()
    expected = []
    for row in range(8):
        features = [*tables["port"][rows["port"][row, 0]]]
        features += [*tables["air line"][rows["air line"][row, 0]]]
        features += [*rows["numeric"][row]]
        units = [max(0, np.dot(features, kernel[:, unit]) + bias[unit]) for unit in range(4)]
        expected.append(np.dot(units, last_kernel) + last_bias)
    np.testing.assert_allclose(model.predict(rows, verbose=0), expected, atol=1e-5)


def test_one_category_alone_is_enough(rows):
    model = entity_embedding_network({"port": 5}, 0, 1, layers=0)
    assert model.predict({"port": rows["port"]}, verbose=0).shape == (8, 1)


def test_only_numbers_make_an_mlp(rows):
    model = entity_embedding_network({}, 3, 1)
    assert model.predict({"numeric": rows["numeric"]}, verbose=0).shape == (8, 1)


def test_names_of_columns_may_be_any_words_while_training(rng):
    columns = ["Größe (cm)", "native country", "a:b[c]", "1st", "größe_cm"]
    x = {column: rng.integers(0, 4, (4, 1)) for column in columns}
    model = entity_embedding_network(dict.fromkeys(columns, 4), 0, 1, units=2)
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((4, 1)), batch_size=3, verbose=0)
    assert model.predict(x, verbose=0).shape == (4, 1)


def train_on_ports(unseen_rate):
    """Ports A and B whose targets are 0 and 1; returns predictions for A, B and an unseen one."""
    keras.utils.set_random_seed(0)
    train = pd.DataFrame({"port": ["A", "B"] * 256})
    encoder = EntityEncoder().fit(train)
    model = entity_embedding_network(
        encoder.code_counts_, 0, 1, sizes={"port": 2}, layers=0, unseen_rate=unseen_rate
    )
    layer = model.get_layer("embedding_port")
    before = layer.get_weights()[0]
    model.compile(keras.optimizers.Adam(0.03), "mse")
    model.fit(
        encoder.inputs(train), np.array([0.0, 1.0] * 256), batch_size=128, epochs=60, verbose=0
    )
    moved = np.abs(layer.get_weights()[0] - before).max(axis=1)
    new = encoder.inputs(pd.DataFrame({"port": ["A", "B", "C"]}))
    return moved, model.predict(new, verbose=0)[:, 0]


def test_the_unseen_row_learns_what_is_best_when_nothing_is_known():
    moved, predictions = train_on_ports(unseen_rate=0.3)
    assert moved[UNSEEN] > 0.01
    np.testing.assert_allclose(predictions, [0.0, 1.0, 0.5], atol=0.2)


def test_without_replacement_the_unseen_row_is_never_trained():
    moved, _ = train_on_ports(unseen_rate=0.0)
    assert moved[UNSEEN] == 0 and (moved[-2:] > 0.01).all()


def test_codes_are_replaced_at_the_rate_asked_for():
    codes = np.full((20_000, 1), 7, dtype="int32")
    replaced = np.asarray(RandomUnseen(0.05, seed=0)(codes, training=True))
    assert set(np.unique(replaced)) == {UNSEEN, 7} and replaced.dtype == "int32"
    deviation = np.sqrt(0.05 * 0.95 / codes.size)
    assert abs((replaced == UNSEEN).mean() - 0.05) < 4 * deviation


def test_outside_of_training_codes_pass_through(tmp_path, rng):
    codes = rng.integers(0, 9, (6, 1)).astype("float32")
    np.testing.assert_array_equal(check_layer(RandomUnseen(0.9), codes, tmp_path), codes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"levels": {}, "numeric": 0}, "the network would have no input"),
        ({"numeric": -1}, "`numeric` is -1, but must be at least 0"),
        ({"levels": {"a": 1}}, r"`levels\['a'\]` is 1, but must be at least 2"),
        ({"levels": {"a/b": 5}}, "the column 'a/b', but a name must be a string without a slash"),
        ({"levels": {3: 5}}, "the column 3, but a name must be a string"),
        ({"levels": {"numeric": 5}}, "'numeric', a name that the network uses itself"),
        ({"levels": {"a": 5, "embedding_a": 5}}, "'embedding_a', a name that the network uses"),
        ({"sizes": "large"}, "`sizes` is 'large', but must be one of 'fastai'"),
        ({"unseen_rate": 1.0}, "`rate` is 1.0, but must be at least 0 and below 1"),
    ],
)
def test_facts_and_choices_that_do_not_fit(arguments, message):
    with pytest.raises(InputError, match=message):
        entity_embedding_network(**{"levels": {"a": 5}, "numeric": 1, "outputs": 1} | arguments)
