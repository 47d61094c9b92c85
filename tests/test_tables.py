import json

from dlnotes.builders import entity_embedding_network
from dlnotes.errors import InputError
from dlnotes.tables import (
    MISSING,
    RARE,
    SLOTS,
    UNSEEN,
    EmbeddingTransformer,
    EntityEncoder,
    embedding_name,
    embedding_sizes,
    embedding_tables,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

repeatable = settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LEVELS = {
    "string": st.text('ab1 Äß"\\\n\0€😀', max_size=3),
    "number": st.one_of(
        st.integers(-3, 3),
        st.integers(-(2**70), 2**70),
        st.floats(-3, 3).map(lambda value: value + 0.0),
    ),
    "boolean": st.booleans(),
}
MISSING_VALUES = st.sampled_from([None, float("nan"), pd.NA])
TYPES = {
    "string": ["object", pd.Series(["the type of texts"]).dtype, "string", "category"],
    "number": ["object", "category"],
    "boolean": ["object", "boolean", "category"],
}


def is_missing(value):
    return value is None or value is pd.NA or value != value


@st.composite
def columns(draw):
    """Train values, new values (both with missing ones), and a pandas type to hold them."""
    kind = draw(st.sampled_from(sorted(LEVELS)))
    values = st.lists(st.one_of(LEVELS[kind], MISSING_VALUES), min_size=1, max_size=12)
    return draw(values), draw(values), draw(st.sampled_from(TYPES[kind]))


def series(values, dtype):
    return pd.Series(values, dtype=object).astype(dtype)


def naive_codes(train, new, min_count):
    """The definition, row by row."""
    counts = {}
    for value in train:
        if not is_missing(value):
            counts[value] = counts.get(value, 0) + 1
    levels = sorted(value for value, count in counts.items() if count >= min_count)
    train_lacked_values = any(is_missing(value) for value in train)
    codes = []
    for value in new:
        if is_missing(value):
            codes.append(MISSING if train_lacked_values else UNSEEN)
        elif value not in counts:
            codes.append(UNSEEN)
        elif counts[value] < min_count:
            codes.append(RARE)
        else:
            codes.append(len(SLOTS) + levels.index(value))
    return codes


@given(columns(), st.integers(1, 3))
@repeatable
def test_codes_are_those_of_a_loop_over_the_rows(column, min_count):
    train, new, dtype = column
    frame = pd.DataFrame({"a": series(train, dtype)})
    encoder = EntityEncoder(["a"], [], min_count=min_count).fit(frame)
    for values in (train, new):
        encoded = encoder.transform(pd.DataFrame({"a": series(values, dtype)}))
        assert encoded["a"].dtype == "int32"
        assert encoded["a"].tolist() == naive_codes(train, values, min_count)
        assert (encoded["a"] < encoder.code_counts_["a"]).all()


SMALL = {"string": st.sampled_from("abcde"), "number": st.integers(-3, 3), "boolean": st.booleans()}
HOLDERS = {
    "string": [*TYPES["string"], pd.StringDtype("python")],
    "number": ["object", "float64", "Int64", "Float64", "category", "int64", "int8"],
    "boolean": [*TYPES["boolean"], "bool"],
}
LACKING = dict.fromkeys(["int64", "int8", "bool"], st.nothing())
LACKING |= {"float64": st.just(float("nan"))}


@st.composite
def held_columns(draw):
    """The names of a kind, and three columns of it: for training, and two new ones."""
    kind = draw(st.sampled_from(sorted(SMALL)))
    values = []
    for _ in range(3):
        dtype = draw(st.sampled_from(HOLDERS[kind]))
        value = st.one_of(SMALL[kind], LACKING.get(str(dtype), MISSING_VALUES))
        values.append(series(draw(st.lists(value, min_size=1, max_size=30)), dtype))
    return values


@given(st.lists(held_columns(), min_size=1, max_size=4), st.integers(1, 3))
@repeatable
def test_frames_of_all_types_are_encoded_as_by_a_loop(held, min_count):
    """Training rows and new ones may hold the same kind of values in different types."""
    names = [f"column {position}" for position in range(len(held))]
    rows = [min(map(len, of)) for of in zip(*held, strict=True)]
    train, *others = (
        pd.DataFrame({name: of[part][: rows[part]] for name, of in zip(names, held, strict=True)})
        for part in range(3)
    )
    encoder = EntityEncoder(names, min_count=min_count).fit(train)
    for new in (train, *others):
        encoded, inputs = encoder.transform(new), encoder.inputs(new)
        for name in names:
            expected = naive_codes(train[name].tolist(), new[name].tolist(), min_count)
            assert encoded[name].tolist() == expected
            assert inputs[name].dtype == "int32" and inputs[name].tolist() == [
                [code] for code in expected
            ]


@given(columns(), st.randoms(use_true_random=False))
@repeatable
def test_the_order_of_the_rows_changes_no_code(column, random):
    train, new, dtype = column
    shuffled = random.sample(train, len(train))
    frame = pd.DataFrame({"a": series(new, dtype)})
    one, other = (
        EntityEncoder(["a"], []).fit(pd.DataFrame({"a": series(values, dtype)}))
        for values in (train, shuffled)
    )
    pd.testing.assert_frame_equal(one.transform(frame), other.transform(frame))
    assert one.categorical_ == other.categorical_


@given(columns())
@repeatable
def test_inverse_gives_the_values_back(column):
    train, _, dtype = column
    frame = pd.DataFrame({"a": series(train, dtype)})
    encoder = EntityEncoder(["a"], []).fit(frame)
    restored = encoder.inverse_transform(encoder.transform(frame))["a"].tolist()
    for value, back in zip(train, restored, strict=True):
        assert is_missing(back) if is_missing(value) else back == value


@given(columns(), st.integers(1, 3))
@settings(repeatable, max_examples=40)
def test_an_encoder_comes_back_from_disk_as_it_was(tmp_path_factory, column, min_count):
    train, new, dtype = column
    numbers = np.linspace(-1, 5, len(train)) ** 3 / 7
    frame = pd.DataFrame({"a": series(train, dtype), "x": numbers})
    encoder = EntityEncoder(["a"], min_count=min_count).fit(frame)
    folder = tmp_path_factory.mktemp("encoder")
    encoder.save(folder / "one.json")
    loaded = EntityEncoder.load(folder / "one.json")
    loaded.save(folder / "other.json")
    assert (folder / "one.json").read_bytes() == (folder / "other.json").read_bytes()
    assert loaded.get_params() == encoder.get_params()
    rows = pd.DataFrame({"a": series(new, dtype), "x": np.arange(len(new)) / 3})
    pd.testing.assert_frame_equal(loaded.transform(rows), encoder.transform(rows))
    assert sorted(path.name for path in folder.iterdir()) == ["one.json", "other.json"]


@pytest.mark.parametrize("dtype", ["int64", "Int64", "float64", "category", "object", "uint8"])
def test_numbers_match_whatever_type_holds_them(dtype):
    encoder = EntityEncoder(["a"], []).fit(pd.DataFrame({"a": [1.0, 2.0, np.nan, 30.0]}))
    frame = pd.DataFrame({"a": pd.Series([30, 1, 2, 7]).astype(dtype)})
    assert encoder.transform(frame)["a"].tolist() == [5, 3, 4, UNSEEN]


def test_large_identifiers_are_not_rounded():
    encoder = EntityEncoder(["a"], []).fit(pd.DataFrame({"a": [2**53, 2**53 + 1]}))
    frame = pd.DataFrame({"a": pd.array([2**53 + 1, None, 2**53, 2**53 + 2], dtype="Int64")})
    assert encoder.transform(frame)["a"].tolist() == [4, UNSEEN, 3, UNSEEN]


def test_numbers_are_filled_and_scaled_as_scikit_learn_does(rng):
    train = pd.DataFrame({"a": rng.normal(50, 9, 40), "b": rng.integers(0, 9, 40), "c": 0.1})
    train.loc[::7, "a"] = np.nan
    test = pd.DataFrame({"b": [4.0, np.nan], "a": [np.nan, 60.0], "c": [0.1, 0.3]})
    encoder = EntityEncoder().fit(train)
    reference = make_pipeline(SimpleImputer(strategy="median"), StandardScaler()).fit(train)
    assert list(encoder.get_feature_names_out()) == ["a", "b", "c", "a_missing"]
    for frame in (train, test):
        encoded = encoder.transform(frame)
        expected = reference.transform(frame[["a", "b", "c"]])
        np.testing.assert_allclose(encoded[["a", "b", "c"]], expected, atol=1e-5)
        assert encoded["a_missing"].tolist() == frame["a"].isna().astype(float).tolist()


def test_inverse_restores_numbers_where_an_indicator_says_missing():
    frame = pd.DataFrame({"a": [1.0, np.nan, 5.0], "b": pd.array([2, 3, 9], dtype="Int64")})
    encoder = EntityEncoder().fit(frame)
    restored = encoder.inverse_transform(encoder.transform(frame))
    np.testing.assert_allclose(restored, frame.astype("float64"), atol=1e-5)
    plain = EntityEncoder(missing_indicator=False).fit(frame)
    restored = plain.inverse_transform(plain.transform(frame))
    np.testing.assert_allclose(restored["a"], [1.0, 3.0, 5.0], atol=1e-5)


def test_columns_are_found_by_their_type():
    frame = pd.DataFrame(
        {
            "words": ["a", None],
            "flag": [True, False],
            "graded": pd.Categorical([3, 4]),
            "nothing": [None, None],
            "number": [1, 2],
            "nullable": pd.array([1.5, None], dtype="Float64"),
        }
    )
    encoder = EntityEncoder().fit(frame.drop(columns="nothing"))
    assert list(encoder.categorical_) == ["words", "flag", "graded"]
    assert list(encoder.numeric_) == ["number", "nullable"]
    assert list(EntityEncoder().fit(frame[["nothing", "number"]]).categorical_) == ["nothing"]
    assert list(EntityEncoder(["words"]).fit(frame[["number", "words"]]).numeric_) == ["number"]
    by_numeric = EntityEncoder(numeric=["nullable"]).fit(frame[["number", "nullable"]])
    assert list(by_numeric.categorical_) == ["number"]


def test_inputs_fit_the_network(rng):
    frame = pd.DataFrame({"a": ["x", "y", None], "b": [1.0, 2.0, np.nan], "c": [True, False, True]})
    encoder = EntityEncoder().fit(frame)
    inputs = encoder.inputs(frame)
    assert inputs["a"].tolist() == [[3], [4], [MISSING]] and inputs["a"].dtype == "int32"
    assert inputs["numeric"].shape == (3, encoder.numeric_width_) == (3, 2)
    assert inputs["numeric"].dtype == "float32"
    model = entity_embedding_network(encoder.code_counts_, encoder.numeric_width_, 1)
    assert model.predict(inputs, verbose=0).shape == (3, 1)
    assert "numeric" not in EntityEncoder().fit(frame[["a"]]).inputs(frame)


def test_it_is_a_scikit_learn_transformer():
    frame = pd.DataFrame({"a": ["x", "y", "x"], "b": [1.0, 2.0, 4.0]}, index=[7, 8, 9])
    encoder = EntityEncoder(min_count=2)
    copy = clone(encoder).set_params(missing_indicator=False)
    assert copy.get_params() == encoder.get_params() | {"missing_indicator": False}
    encoded = copy.fit(frame).transform(frame)
    assert list(encoded.columns) == list(copy.get_feature_names_out())
    assert list(encoded.index) == [7, 8, 9]
    pandas = clone(copy).set_output(transform="pandas").fit_transform(frame)
    pd.testing.assert_frame_equal(pandas, encoded)
    model = make_pipeline(EntityEncoder(), LinearRegression()).fit(frame, [1.0, 2.0, 3.0])
    np.testing.assert_allclose(model.predict(frame), [1.0, 2.0, 3.0], atol=1e-5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, "a"], "Column 'a' holds values of type mixed-integer, such as 1"),
        ([True, 1], "Column 'a' holds values of type mixed"),
        ([1, True], "Column 'a' holds values of type mixed"),
        (pd.to_datetime(["2013-01-01", None]), r"datetime.*take its parts \(hour, weekday\)"),
        ([1.0, np.inf], "Column 'a' holds an infinite number"),
        (["x", "<unseen>"], "holds '<unseen>', the name of a reserved slot: rename that value"),
        ([(1,), (2,)], "Column 'a' holds values of type mixed"),
    ],
)
def test_values_that_are_no_categories(values, message):
    with pytest.raises(InputError, match=message):
        EntityEncoder(["a"]).fit(pd.DataFrame({"a": pd.Series(values, dtype=None)}))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1", "2"], "Column 'a' must hold numbers, but holds strings, such as '1'"),
        ([1.0, -np.inf], "Column 'a' holds an infinite number: make it missing"),
        ([np.nan, np.nan], "Column 'a' holds no value in the training rows"),
        ([1e300, -1e300], "Column 'a' holds numbers too large"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_values_that_are_no_numbers(values, message):
    with pytest.raises(InputError, match=message):
        EntityEncoder([], ["a"]).fit(pd.DataFrame({"a": values}))


@pytest.mark.parametrize(
    ("options", "frame", "message"),
    [
        ({}, [[1]], "`frame` is a list, but must be a pandas DataFrame"),
        ({}, pd.DataFrame([[1]]), "Column 0 is named by a int"),
        ({}, pd.DataFrame([[1, 2]], columns=["a", "a"]), "Column 'a' is there twice"),
        ({}, pd.DataFrame({"a": []}), "there is nothing to learn from"),
        ({"min_count": 0}, pd.DataFrame({"a": [1]}), "`min_count` is 0, but must be at least 1"),
        ({"categorical": "a"}, pd.DataFrame({"a": [1]}), r"must be a list: \['a'\]"),
        ({"categorical": ["b"]}, pd.DataFrame({"a": [1]}), "Column 'b' is not there; .* has 'a'"),
        ({"categorical": ["a"], "numeric": ["a"]}, pd.DataFrame({"a": [1]}), "'a' is in both"),
        ({}, pd.DataFrame({"a": [1.0, None], "a_missing": [1, 2]}), "not unique: rename"),
    ],
)
def test_tables_that_cannot_be_learned_from(options, frame, message):
    with pytest.raises(InputError, match=message):
        EntityEncoder(**options).fit(frame)


def test_rows_of_another_kind_are_refused():
    encoder = EntityEncoder().fit(pd.DataFrame({"a": ["x", "y"], "b": [1.0, 2.0]}))
    with pytest.raises(InputError, match="Column 'b' is not there; the table has 'a'"):
        encoder.transform(pd.DataFrame({"a": ["x"]}))
    with pytest.raises(InputError, match="'a' held strings in training, but now holds numbers"):
        encoder.transform(pd.DataFrame({"a": [1], "b": [1.0]}))
    with pytest.raises(InputError, match="'b' must hold numbers, but holds strings, such as 'one'"):
        encoder.transform(pd.DataFrame({"a": ["x"], "b": ["one"]}))
    with pytest.raises(InputError, match="Column 'a' must hold codes from 0 to 4"):
        encoder.inverse_transform(pd.DataFrame({"a": [5], "b": [0.0]}))
    with pytest.raises(InputError, match="`column` is 'b', but must be one of 'a'"):
        encoder.vocabulary("b")


def test_nothing_is_learned_after_fit():
    train = pd.DataFrame({"a": ["x", "y"], "b": [1.0, 3.0]})
    encoder = EntityEncoder().fit(train)
    before = encoder.transform(train)
    encoder.transform(pd.DataFrame({"a": ["new", None], "b": [1e6, None]}))
    pd.testing.assert_frame_equal(encoder.transform(train), before)


@pytest.mark.parametrize(
    ("rule", "size"),
    [
        ("fastai", lambda codes: min(600, round(1.6 * codes**0.56))),
        ("half", lambda codes: min(50, (codes + 1) // 2)),
        ("fourth_root", lambda codes: int(np.ceil(np.sqrt(np.sqrt(codes))))),
    ],
)
def test_size_rules(rule, size):
    levels = {str(codes): codes for codes in (1, 4, 10, 81, 4000, 10**6)}
    assert embedding_sizes(levels, rule) == {name: size(codes) for name, codes in levels.items()}


def test_sizes_that_do_not_fit():
    encoder = EntityEncoder().fit(pd.DataFrame({"a": ["x", "y"]}))
    assert encoder.sizes("half") == {"a": 3}
    with pytest.raises(InputError, match="`sizes` is 'third', but must be one of 'fastai', 'half'"):
        encoder.sizes("third")
    with pytest.raises(InputError, match="`sizes` names the columns 'b', but must name 'a'"):
        encoder.sizes({"b": 3})
    with pytest.raises(InputError, match=r"`sizes\['a'\]` is 0, but must be at least 1"):
        encoder.sizes({"a": 0})


@given(st.sets(st.text(min_size=1, max_size=4), min_size=2, max_size=5))
@settings(repeatable, max_examples=30)
def test_layers_have_names_of_their_own(names):
    layers = [embedding_name(name) for name in names]
    assert len(set(layers)) == len(names)
    assert all(name.isascii() and not set(name) & set(" /:()[]") for name in layers)


@pytest.fixture(scope="module")
def trained():
    """A fitted encoder with every slot in use, a network of its own, and rows of all sorts."""
    train = pd.DataFrame(
        {
            "air line": ["x", "x", "y", "y", None, "once"],
            "seats": pd.array([4, 4, 9, 9, 4, 9], dtype="Int64"),
            "heat": [1.0, 2.0, 3.0, 4.0, np.nan, 6.0],
        }
    )
    encoder = EntityEncoder(["air line", "seats"], min_count=2).fit(train)
    keras.utils.set_random_seed(0)
    model = entity_embedding_network(
        encoder.code_counts_, encoder.numeric_width_, 1, sizes={"air line": 3, "seats": 2}
    )
    rows = pd.DataFrame(
        {
            "heat": [1.0, 2.0, 3.0, 4.0, 5.0],
            "air line": ["y", "once", "never", None, "x"],
            "seats": [9.0, 4.0, 7.0, np.nan, 4.0],
        },
        index=list("abcde"),
    )
    return encoder, model, rows


def test_tables_name_the_rows(trained):
    encoder, model, _ = trained
    tables = embedding_tables(model, encoder)
    weights = model.get_layer(embedding_name("air line")).get_weights()[0]
    assert list(tables["air line"].index) == ["<missing>", "<unseen>", "<rare>", "x", "y", "once"]
    assert list(tables["air line"].columns) == ["air line_0", "air line_1", "air line_2"]
    np.testing.assert_array_equal(tables["air line"], weights[[0, 1, 2, 3, 4, 2]])
    assert list(tables["seats"].index) == ["<unseen>", 4, 9]


def test_the_transformer_gives_the_vectors_of_the_network(trained):
    encoder, model, rows = trained
    vectors = EmbeddingTransformer(embedding_tables(model, encoder)).fit_transform(rows)
    assert list(vectors.index) == list(rows.index)
    assert list(vectors.columns[:4]) == ["heat", "air line_0", "air line_1", "air line_2"]
    pd.testing.assert_series_equal(vectors["heat"], rows["heat"])
    for column in encoder.categorical_:
        layer = model.get_layer(embedding_name(column))
        inner = keras.Model(model.inputs, layer.output)
        expected = inner.predict(encoder.inputs(rows), verbose=0)[:, 0]
        names = [name for name in vectors if name.startswith(f"{column}_")]
        np.testing.assert_allclose(vectors[names], expected, atol=1e-5)


def test_the_transformer_works_in_a_pipeline(trained):
    encoder, model, rows = trained
    transformer = EmbeddingTransformer(embedding_tables(model, encoder))
    neighbours = make_pipeline(transformer, KNeighborsRegressor(1))
    copy = clone(neighbours).fit(rows, np.arange(5.0))
    np.testing.assert_array_equal(copy.predict(rows), np.arange(5.0))
    named = copy[0].get_feature_names_out()
    assert list(named) == list(transformer.transform(rows).columns)
    pandas = clone(transformer).set_output(transform="pandas").fit_transform(rows)
    pd.testing.assert_frame_equal(pandas, transformer.transform(rows))


def test_the_transformer_comes_back_from_disk_as_it_was(trained, tmp_path):
    encoder, model, rows = trained
    transformer = EmbeddingTransformer(embedding_tables(model, encoder))
    path = tmp_path / "vectors"
    transformer.save(path)
    loaded = EmbeddingTransformer.load(path)
    for column, table in transformer.tables.items():
        pd.testing.assert_frame_equal(loaded.tables[column], table)
    pd.testing.assert_frame_equal(loaded.transform(rows), transformer.transform(rows))
    assert [file.name for file in tmp_path.iterdir()] == ["vectors"]


def test_tables_of_another_network_are_refused(trained):
    _, model, _ = trained
    other = EntityEncoder().fit(pd.DataFrame({"port": ["A", "B"]}))
    with pytest.raises(InputError, match="has no layer 'embedding_port' for the column 'port'"):
        embedding_tables(model, other)
    longer = EntityEncoder(["seats"]).fit(pd.DataFrame({"seats": [1, 2, 3]}))
    with pytest.raises(InputError, match=r"has 5 vectors for the column 'seats'.* has 6 codes"):
        embedding_tables(model, longer)


def table(names, values=None):
    values = np.zeros((len(names), 1)) if values is None else values
    return pd.DataFrame(values, index=pd.Index(names, dtype=object), columns=["v"])


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({}, "`tables` must be a dictionary of column to DataFrame"),
        ({"a": [1.0]}, r"`tables\['a'\]` is a list, but must be a DataFrame"),
        ({"a": table(["x"])}, "has no row '<unseen>' for values never seen"),
        ({"a": table(["<unseen>", "x", "x"])}, "has the row 'x' twice"),
        ({"a": table(["<unseen>"], [["one"]])}, "holds something else than floats"),
        ({"b": table(["<unseen>", "x"])}, "Column 'b' is not there; the table has 'a'"),
        ({"a": table(["<unseen>", 4])}, "Column 'a' held numbers in training, but now .* strings"),
    ],
)
def test_tables_that_do_not_fit(tables, message):
    frame = pd.DataFrame({"a": ["x"]})
    with pytest.raises(InputError, match=message):
        EmbeddingTransformer(tables).fit_transform(frame)


def test_the_name_of_a_slot_is_no_level():
    frame = pd.DataFrame({"a": ["<missing>", None, "x"]})
    vectors = EmbeddingTransformer(
        {"a": table(["<missing>", "<unseen>", "x"], [[0.0], [1.0], [2.0]])}
    )
    assert vectors.fit_transform(frame)["v"].tolist() == [1.0, 0.0, 2.0]


def saved_state(folder):
    path = folder / "encoder.json"
    EntityEncoder().fit(pd.DataFrame({"a": ["x", None], "b": [1.0, np.nan]})).save(path)
    return path, json.loads(path.read_text())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda state: state.update(format="other"), "is of the format 'other', but must be"),
        (lambda state: state.update(version=9), "is of version 9, but this release reads 1"),
        (lambda state: state.update(parameters={}), "`parameters` must hold those"),
        (lambda state: state["parameters"].update(min_count=0), "`min_count` must be an integer"),
        (lambda state: state["parameters"].update(missing_indicator=1), "must be a boolean"),
        (lambda state: state["parameters"].update(numeric="b"), "a list of names or null"),
        (lambda state: state.update(numeric={}), "`numeric` must be a list"),
        (lambda state: state["numeric"][0].pop("mean"), "an entry of `numeric` must hold"),
        (lambda state: state["numeric"][0].update(mean="1"), "`mean` of the column 'b' must be a"),
        (lambda state: state["numeric"][0].update(scale=0.0), "`scale` .* must be positive"),
        (lambda state: state["numeric"][0].update(indicator=0), "`indicator` .* true or false"),
        (lambda state: state["numeric"][0].update(column="a"), "a column is there twice"),
        (lambda state: state["numeric"][0].update(column=1), "`column` must be a string"),
        (lambda state: state["categorical"][0].update(kind=["x"]), "`kind` of the column 'a' is"),
        (lambda state: state["categorical"][0].update(levels=None), "`levels` .* must be a list"),
        (lambda state: state["categorical"][0].update(levels=[1]), "level 1 .* is no string"),
        (lambda state: state["categorical"][0].update(rare=["x"]), "a level .* is there twice"),
        (lambda state: state["categorical"][0].update(missing=None), "`missing` .* true or false"),
    ],
)
def test_a_damaged_file_is_named_with_its_fault(tmp_path, damage, message):
    path, state = saved_state(tmp_path)
    damage(state)
    path.write_text(json.dumps(state))
    with pytest.raises(InputError, match=f"encoder.json'.*{message}"):
        EntityEncoder.load(path)


@pytest.mark.parametrize("load", [EntityEncoder.load, EmbeddingTransformer.load])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[1, 2", b"PK\x03\x04 cut", b"[NaN]"])
def test_other_files_are_refused(tmp_path, load, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InputError, match="file' is no"):
        load(tmp_path / "file")
    with pytest.raises(InputError, match=r"Cannot read .*absent'"):
        load(tmp_path / "absent")


def test_a_pickle_is_not_loaded(tmp_path):
    np.savez(tmp_path / "file.npz", description=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match=r"file.npz' is no file of .*pickle"):
        EmbeddingTransformer.load(tmp_path / "file.npz")


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path, _ = saved_state(tmp_path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    encoder = EntityEncoder().fit(pd.DataFrame({"a": ["other"]}))
    with pytest.raises(InputError, match=r"Cannot write .*: No space left on device"):
        encoder.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["encoder.json"]
    assert path.read_bytes() == before
