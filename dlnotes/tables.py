"""Tables with categories: codes for a network, and learned vectors for any other model.

`EntityEncoder` turns a DataFrame into integer codes and standardised numbers,
`dlnotes.builders.entity_embedding_network` learns a vector for each code, `embedding_tables` reads
the vectors as DataFrames, and `EmbeddingTransformer` puts them into any scikit-learn pipeline.
"""

from collections.abc import Mapping
import io
import json
import math
from numbers import Integral
import os
from pathlib import Path
import re
import zipfile

from dlnotes.errors import InputError, check_at_least
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

MISSING, UNSEEN, RARE = range(3)
SLOTS = ("<missing>", "<unseen>", "<rare>")
NUMERIC = "numeric"
SIZE_RULES = {
    "fastai": lambda codes: min(600, round(1.6 * codes**0.56)),
    "half": lambda codes: min(50, (codes + 1) // 2),
    "fourth_root": lambda codes: math.ceil(codes**0.25),
}

_KINDS = {
    "string": "string",
    "boolean": "boolean",
    "integer": "number",
    "floating": "number",
    "mixed-integer-float": "number",
    "empty": None,
}
_PYTHON_TYPES = {"string": (str,), "boolean": (bool,), "number": (int, float), None: ()}
_VERSION = 1


def embedding_sizes(levels, rule="fastai"):
    """Chooses the width of each column's embedding by a rule of thumb.

    Reference: `"fastai"` is `min(600, round(1.6 * n ** 0.56))`, `emb_sz_rule` of the fastai
    library; `"half"` is `min(50, (n + 1) // 2)`, from fast.ai's 2018 course; `"fourth_root"` is
    `n ** 0.25` rounded up, from Google's introduction to TensorFlow feature columns (2017). Notes
    002:1291 speak of "a rule of thumb".

    Args:
        levels: Dictionary of column to `n`, its number of codes.
        rule: `"fastai"`, `"half"` or `"fourth_root"`, or a dictionary of column to width. Defaults
            to `"fastai"`.

    Returns:
        Dictionary of column to width.

    Raises:
        InputError: If there is no such rule, or a dictionary does not name each column once.

    Example:

    >>> from dlnotes.tables import embedding_sizes
    >>> embedding_sizes({"weekday": 10, "aircraft": 4000}, rule="half")
    {'weekday': 5, 'aircraft': 50}
    """
    if isinstance(rule, Mapping):
        if set(rule) != set(levels):
            raise InputError(
                f"`sizes` names the columns {_listed(rule)}, but must name {_listed(levels)}."
            )
        check_at_least(1, **{f"sizes[{column!r}]": width for column, width in rule.items()})
        return {column: int(rule[column]) for column in levels}
    if rule not in SIZE_RULES:
        raise InputError(
            f"`sizes` is {rule!r}, but must be one of {_listed(SIZE_RULES)}, or a dictionary of "
            "column to width."
        )
    return {column: max(1, SIZE_RULES[rule](int(codes))) for column, codes in levels.items()}


def embedding_name(column):
    """Names the embedding layer of a column, with only characters that a layer's name may have.

    Args:
        column: String, name of the column.

    Returns:
        String; two columns never share it.

    Example:

    >>> from dlnotes.tables import embedding_name
    >>> embedding_name("carrier"), embedding_name("air line")
    ('embedding_carrier', 'embedding_air.20.line')
    """
    safe = re.sub(r"[^A-Za-z0-9_-]", lambda found: f".{ord(found.group()):x}.", column)
    return f"embedding_{safe}"


class EntityEncoder(TransformerMixin, BaseEstimator):
    """Turns a table into integer codes and standardised numbers.

    A scikit-learn transformer that is fitted on the training rows alone. `transform` gives a
    DataFrame: the codes of the categories, then the numbers, then the indicators of missing
    numbers. `inputs` gives the same as the dictionary of arrays that
    `dlnotes.builders.entity_embedding_network` takes.

    The codes of each column begin with three reserved slots: 0 for missing, 1 for unseen and 2 for
    rare; the levels follow in sorted order, so the order of the rows does not matter. A value that
    did not occur in the training rows is unseen; one that occurred fewer than `min_count` times is
    rare. Where the training rows lacked no value, a missing one is unseen as well: a slot that
    nothing was trained for is never used.

    Numbers are standardised with the mean and standard deviation of the training rows, after the
    missing ones were filled with the median. Columns that were not there in training are ignored.

    Reference: Guo & Berkhahn 2016, https://arxiv.org/abs/1604.06737; notes 002:1291, 004:42.

    Args:
        categorical: List of columns to encode. Values are strings, numbers or booleans, of any
            pandas type. By default every column that is not in `numeric`, or, with neither given,
            those that hold strings, booleans or pandas categories.
        numeric: List of columns to standardise. By default every column that is not in
            `categorical`, or, with neither given, those that hold numbers. With both given, other
            columns are ignored.
        min_count: Integer, number of training rows that a level must have for a code of its own.
            Defaults to `1`: no level is rare.
        missing_indicator: Boolean, whether a numeric column that lacks values in the training rows
            gets a column `<name>_missing` of zeros and ones. Defaults to `True`.

    Attributes:
        categorical_: Dictionary of column to its `kind`, `levels`, `rare` levels, and whether a
            value was `missing` in training.
        numeric_: Dictionary of column to its `median`, `mean`, `scale`, and whether it has an
            `indicator`.
        code_counts_: Dictionary of column to its number of codes, reserved slots included.
        numeric_width_: Integer, number of numeric features, indicators included.

    Raises:
        InputError: If a column is absent or holds another kind of values; it is named.

    Example:

    >>> import pandas as pd
    >>> from dlnotes.tables import EntityEncoder
    >>> train = pd.DataFrame({"city": ["Rome", "Oslo", "Rome"], "heat": [30.0, 10.0, 20.0]})
    >>> encoder = EntityEncoder().fit(train)
    >>> encoder.code_counts_
    {'city': 5}
    >>> encoder.transform(pd.DataFrame({"city": ["Rome", "Bonn"], "heat": [20.0, None]}))
       city  heat
    0     4   0.0
    1     1   0.0
    """

    def __init__(self, categorical=None, numeric=None, *, min_count=1, missing_indicator=True):
        self.categorical = categorical
        self.numeric = numeric
        self.min_count = min_count
        self.missing_indicator = missing_indicator

    def fit(self, frame, y=None):
        """Learns levels and statistics from the training rows.

        Args:
            frame: A `pandas.DataFrame`, without the target.
            y: Ignored.

        Returns:
            The encoder.
        """
        check_at_least(1, min_count=self.min_count)
        _check_frame(frame)
        if frame.empty:
            raise InputError(f"`frame` has shape {frame.shape}: there is nothing to learn from.")
        categorical, numeric = self._choose_columns(frame)
        self.categorical_ = {column: self._learn_levels(frame, column) for column in categorical}
        self.numeric_ = {column: self._learn_statistics(frame, column) for column in numeric}
        self._finish()
        return self

    def transform(self, frame):
        """Encodes rows.

        Args:
            frame: A `pandas.DataFrame` with the columns of the training rows.

        Returns:
            A `pandas.DataFrame` with the same index: codes as int32, numbers as float32.
        """
        codes, numbers = self._encode(frame)
        return pd.DataFrame(codes | numbers, index=frame.index)

    def inputs(self, frame):
        """Encodes rows for `entity_embedding_network`.

        Args:
            frame: A `pandas.DataFrame` with the columns of the training rows.

        Returns:
            Dictionary of each categorical column to its codes, int32 of shape `(rows, 1)`, and of
            `"numeric"` to the numbers, float32 of shape `(rows, numeric_width_)`, if there are any.
        """
        codes, numbers = self._encode(frame)
        arrays = {column: of[:, None] for column, of in codes.items()}
        if numbers:
            arrays[NUMERIC] = np.stack(list(numbers.values()), axis=1)
        return arrays

    def inverse_transform(self, encoded):
        """Turns codes and standardised numbers back into values.

        Args:
            encoded: A `pandas.DataFrame` as `transform` returns it.

        Returns:
            A `pandas.DataFrame` of the values. Missing ones are None or NaN (for a number only
            where it has an indicator, else it is the median); unseen and rare ones read
            `"<unseen>"` and `"<rare>"`.
        """
        check_is_fitted(self)
        _check_frame(encoded, self.get_feature_names_out())
        columns = {}
        for column, learned in self.categorical_.items():
            names = np.array([None, *SLOTS[1:], *learned["levels"]], dtype=object)
            codes = encoded[column].to_numpy()
            if not ((codes >= 0) & (codes < len(names))).all():
                raise InputError(f"Column {column!r} must hold codes from 0 to {len(names) - 1}.")
            values = pd.Series(names[codes], index=encoded.index)
            columns[column] = values if values.isna().any() else values.infer_objects()
        for column, learned in self.numeric_.items():
            values = encoded[column].astype("float64") * learned["scale"] + learned["mean"]
            if learned["indicator"]:
                values = values.mask(encoded[f"{column}_missing"] == 1)
            columns[column] = values
        return pd.DataFrame(columns, index=encoded.index)

    def sizes(self, rule="fastai"):
        """Chooses the width of each column's embedding; see `embedding_sizes`.

        Args:
            rule: Name of the rule. Defaults to `"fastai"`.

        Returns:
            Dictionary of column to width.
        """
        check_is_fitted(self)
        return embedding_sizes(self.code_counts_, rule)

    def vocabulary(self, column):
        """Lists what has a code of a trained row: reserved slots in use, levels, rare levels.

        Args:
            column: Name of a categorical column.

        Returns:
            A `pandas.Series` of codes; the index holds the names.
        """
        check_is_fitted(self)
        if column not in self.categorical_:
            raise InputError(
                f"`column` is {column!r}, but must be one of {_listed(self.categorical_)}."
            )
        learned = self.categorical_[column]
        in_use = {MISSING: learned["missing"], UNSEEN: True, RARE: bool(learned["rare"])}
        slots = [slot for slot, used in in_use.items() if used]
        known, codes = self._known[column]
        names = pd.Index([*(SLOTS[slot] for slot in slots), *known], dtype=object, name=column)
        return pd.Series([*slots, *codes], index=names, name="code", dtype="int32")

    def get_feature_names_out(self, input_features=None):
        """Names the columns of `transform`.

        Args:
            input_features: Ignored.

        Returns:
            Array of strings.
        """
        check_is_fitted(self)
        indicators = [f"{name}_missing" for name, of in self.numeric_.items() if of["indicator"]]
        return np.array([*self.categorical_, *self.numeric_, *indicators], dtype=object)

    def save(self, path):
        """Writes the fitted encoder to a JSON file.

        Args:
            path: Path of the file.
        """
        check_is_fitted(self)
        parameters = self.get_params()
        for name in ("categorical", "numeric"):
            if parameters[name] is not None:
                parameters[name] = list(parameters[name])
        state = {
            "format": "dlnotes.EntityEncoder",
            "version": _VERSION,
            "parameters": parameters | {"min_count": int(self.min_count)},
            "categorical": [{"column": name} | of for name, of in self.categorical_.items()],
            "numeric": [{"column": name} | of for name, of in self.numeric_.items()],
        }
        _write(path, json.dumps(state, indent=1, allow_nan=False).encode())

    @classmethod
    def load(cls, path):
        """Reads an encoder that `save` wrote.

        Args:
            path: Path of the file.

        Returns:
            The fitted `EntityEncoder`.

        Raises:
            InputError: If the file cannot be read, or its content is not that of an encoder; the
                message names the file and the fault.
        """
        try:
            state = json.loads(_read(path).decode(), parse_constant=_refuse_constant)
        except ValueError as error:
            raise InputError(f"{str(path)!r} is no JSON file: {error}.") from error
        _check_state(state, str(path))
        encoder = cls(**state["parameters"])
        encoder.categorical_ = {of.pop("column"): of for of in state["categorical"]}
        encoder.numeric_ = {of.pop("column"): of for of in state["numeric"]}
        encoder._finish()
        return encoder

    def _choose_columns(self, frame):
        for name in ("categorical", "numeric"):
            given = getattr(self, name)
            if isinstance(given, str):
                raise InputError(f"`{name}` is {given!r}, but must be a list: [{given!r}].")
            _check_frame(frame, () if given is None else given)
        categorical, numeric = self.categorical, self.numeric
        if categorical is None and numeric is None:
            categorical = [column for column in frame if _is_category(frame, column)]
        if categorical is None:
            categorical = [column for column in frame if column not in list(numeric)]
        if numeric is None:
            numeric = [column for column in frame if column not in list(categorical)]
        twice = set(categorical) & set(numeric)
        if twice:
            raise InputError(f"Column {min(twice)!r} is in both `categorical` and `numeric`.")
        return list(dict.fromkeys(categorical)), list(dict.fromkeys(numeric))

    def _learn_levels(self, frame, column):
        rows, values, kind = _factorise(frame, column)
        counts = np.bincount(rows[rows >= 0], minlength=len(values))
        levels, rare = [], []
        for value, count in zip(values, counts, strict=True):
            (levels if count >= self.min_count else rare).append(_plain(value, kind, column))
        for slot in set(SLOTS) & {*levels, *rare}:
            raise InputError(
                f"Column {column!r} holds {slot!r}, the name of a reserved slot: rename that value."
            )
        missing = bool((rows < 0).any())
        return {"kind": kind, "levels": sorted(levels), "rare": sorted(rare), "missing": missing}

    def _learn_statistics(self, frame, column):
        values = _numbers(frame, column)
        missing = np.isnan(values)
        if missing.all():
            raise InputError(f"Column {column!r} holds no value in the training rows: drop it.")
        median = np.median(values[~missing])
        filled = np.where(missing, median, values)
        spread = filled.std() if np.ptp(filled) else 0.0
        if not np.isfinite([median, filled.mean(), spread]).all():
            raise InputError(f"Column {column!r} holds numbers too large to standardise.")
        return {
            "median": float(median),
            "mean": float(filled.mean()),
            "scale": float(spread) or 1.0,
            "indicator": bool(self.missing_indicator and missing.any()),
        }

    def _finish(self):
        """Sets what follows from the levels and statistics."""
        self.code_counts_ = {
            column: len(SLOTS) + len(of["levels"]) for column, of in self.categorical_.items()
        }
        self._known = {column: self._known_values(column) for column in self.categorical_}
        names = self.get_feature_names_out()
        self.numeric_width_ = len(names) - len(self.categorical_)
        self.feature_names_in_ = np.array([*self.categorical_, *self.numeric_], dtype=object)
        self.n_features_in_ = len(self.feature_names_in_)
        if len(set(names)) < len(names):
            raise InputError(
                f"The columns would be {_listed(names)}, which is not unique: rename the column "
                "that ends in '_missing'."
            )

    def _known_values(self, column):
        """The values that occurred in training, and their codes."""
        learned = self.categorical_[column]
        values = pd.Index([*learned["levels"], *learned["rare"]], dtype=object)
        codes = np.full(len(values), RARE, "int32")
        codes[: len(learned["levels"])] = np.arange(len(SLOTS), self.code_counts_[column])
        return values, codes

    def _encode(self, frame):
        """Codes by column; standardised numbers and then indicators by column."""
        check_is_fitted(self)
        _check_frame(frame, [*self.categorical_, *self.numeric_])
        codes, numbers, indicators = {}, {}, {}
        for column, learned in self.categorical_.items():
            missing = MISSING if learned["missing"] else UNSEEN
            known = self._known[column]
            codes[column] = _look_up(frame, column, learned["kind"], *known, missing, UNSEEN)
        for column, learned in self.numeric_.items():
            values = _numbers(frame, column)
            missing = np.isnan(values)
            filled = np.where(missing, learned["median"], values)
            numbers[column] = ((filled - learned["mean"]) / learned["scale"]).astype("float32")
            if learned["indicator"]:
                indicators[f"{column}_missing"] = missing.astype("float32")
        return codes, numbers | indicators


def embedding_tables(model, encoder):
    """Reads the learned vectors of a trained network.

    The rows are named, so which vector belongs to which level is no guess. The reserved slots that
    were trained come first: `<unseen>` always, `<missing>` and `<rare>` if the training rows had
    such values. Levels that were rare come last and all have the vector of `<rare>`.

    Reference: notes 002:1291.

    Args:
        model: A trained `dlnotes.builders.entity_embedding_network`.
        encoder: The `EntityEncoder` that made its inputs.

    Returns:
        Dictionary of column to `pandas.DataFrame`: the index holds the names of the levels, the
        columns are `<column>_0`, `<column>_1` and so on.

    Raises:
        InputError: If the model has no embedding for a column, or one of another length.

    Example:

    >>> import pandas as pd
    >>> from dlnotes.builders import entity_embedding_network
    >>> from dlnotes.tables import EntityEncoder, embedding_tables
    >>> encoder = EntityEncoder().fit(pd.DataFrame({"city": ["Rome", "Oslo", "Rome"]}))
    >>> model = entity_embedding_network(encoder.code_counts_, 0, 1, sizes="half")
    >>> table = embedding_tables(model, encoder)["city"]
    >>> list(table.index), list(table.columns)
    (['<unseen>', 'Oslo', 'Rome'], ['city_0', 'city_1', 'city_2'])
    """
    layers = {layer.name: layer for layer in model.layers}
    tables = {}
    for column, count in encoder.code_counts_.items():
        layer = layers.get(embedding_name(column))
        if layer is None:
            raise InputError(
                f"`model` {model.name!r} has no layer {embedding_name(column)!r} for the column "
                f"{column!r}. Build it with `entity_embedding_network` from this encoder."
            )
        vectors = layer.get_weights()[0]
        if len(vectors) != count:
            raise InputError(
                f"`model` has {len(vectors)} vectors for the column {column!r}, but `encoder` has "
                f"{count} codes: they do not belong together."
            )
        codes = encoder.vocabulary(column)
        names = [f"{column}_{position}" for position in range(vectors.shape[1])]
        tables[column] = pd.DataFrame(vectors[codes.to_numpy()], index=codes.index, columns=names)
    return tables


class EmbeddingTransformer(TransformerMixin, BaseEstimator):
    """Replaces the categories of a table by learned vectors, for any other model.

    A scikit-learn transformer. Each column that has a table becomes the columns of that table;
    other columns pass through unchanged. A value without a row gets the row `<unseen>`; a missing
    one the row `<missing>`, or `<unseen>` where there is no such row. `fit` only records the names
    of the columns: a new or loaded transformer can transform at once.

    Reference: Guo & Berkhahn 2016, https://arxiv.org/abs/1604.06737, section V; notes 002:1291.

    Args:
        tables: Dictionary of column to `pandas.DataFrame`, as `embedding_tables` returns it.

    Raises:
        InputError: If a table has no row `<unseen>`, has a row twice, or holds what is no number;
            if a column is absent or holds another kind of values than the table's names.

    Example:

    >>> import pandas as pd
    >>> from dlnotes.tables import EmbeddingTransformer
    >>> table = pd.DataFrame({"city_0": [0.0, 1.5]}, index=["<unseen>", "Rome"])
    >>> frame = pd.DataFrame({"city": ["Rome", "Bonn"], "heat": [30.0, 10.0]})
    >>> EmbeddingTransformer({"city": table}).fit_transform(frame)
       city_0  heat
    0     1.5  30.0
    1     0.0  10.0
    """

    def __init__(self, tables):
        self.tables = tables

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, frame, y=None):
        """Checks the table against the vectors.

        Args:
            frame: A `pandas.DataFrame`.
            y: Ignored.

        Returns:
            The transformer.
        """
        _check_frame(frame, self._checked_tables())
        self.feature_names_in_ = np.array(frame.columns, dtype=object)
        self.n_features_in_ = frame.shape[1]
        return self

    def transform(self, frame):
        """Replaces categories by vectors.

        Args:
            frame: A `pandas.DataFrame`.

        Returns:
            A `pandas.DataFrame` with the same index.
        """
        tables = self._checked_tables()
        _check_frame(frame, tables)
        parts = [frame[[column]] for column in frame]
        for position, column in enumerate(frame):
            if column in tables:
                parts[position] = self._vectors(frame, column, tables[column])
        return pd.concat(parts, axis=1) if parts else frame.copy()

    def get_feature_names_out(self, input_features=None):
        """Names the columns of `transform`.

        Args:
            input_features: Names of the columns that go in. By default those of `fit`.

        Returns:
            Array of strings.
        """
        if input_features is None:
            check_is_fitted(self, "feature_names_in_")
            input_features = self.feature_names_in_
        return np.array(
            [
                name
                for column in input_features
                for name in (self.tables[column].columns if column in self.tables else [column])
            ],
            dtype=object,
        )

    def save(self, path):
        """Writes the tables to an npz file, without pickle.

        Args:
            path: Path of the file.
        """
        arrays, described = {}, []
        for number, (column, table) in enumerate(self._checked_tables().items()):
            names = [
                value if value in SLOTS else _plain(value, None, column) for value in table.index
            ]
            arrays[f"table_{number}"] = table.to_numpy()
            described.append({"column": column, "names": names, "vectors": list(table.columns)})
        state = {"format": "dlnotes.EmbeddingTransformer", "version": _VERSION, "tables": described}
        text = np.frombuffer(json.dumps(state, allow_nan=False).encode(), np.uint8)
        content = io.BytesIO()
        np.savez_compressed(content, description=text, **arrays)
        _write(path, content.getvalue())

    @classmethod
    def load(cls, path):
        """Reads a transformer that `save` wrote.

        Args:
            path: Path of the file.

        Returns:
            The `EmbeddingTransformer`.

        Raises:
            InputError: If the file cannot be read, or its content is not that of a transformer; the
                message names the file and the fault.
        """
        content = _read(path)
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                state = json.loads(arrays["description"].tobytes().decode())
                _check_format(state, "dlnotes.EmbeddingTransformer", str(path))
                tables = {
                    of["column"]: pd.DataFrame(
                        arrays[f"table_{number}"],
                        index=pd.Index(of["names"], dtype=object, name=of["column"]),
                        columns=of["vectors"],
                    )
                    for number, of in enumerate(state["tables"])
                }
            transformer = cls(tables)
            transformer._checked_tables()
        except InputError:
            raise
        except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{str(path)!r} is no file of an EmbeddingTransformer: {error}."
            ) from error
        return transformer

    def _checked_tables(self):
        if not isinstance(self.tables, Mapping) or not self.tables:
            raise InputError(
                "`tables` must be a dictionary of column to DataFrame, as `embedding_tables` "
                "returns it."
            )
        for column, table in self.tables.items():
            where = f"`tables[{column!r}]`"
            if not isinstance(table, pd.DataFrame):
                raise InputError(f"{where} is a {type(table).__name__}, but must be a DataFrame.")
            if SLOTS[UNSEEN] not in table.index:
                raise InputError(f"{where} has no row {SLOTS[UNSEEN]!r} for values never seen.")
            if not table.index.is_unique:
                twice = table.index[table.index.duplicated()][0]
                raise InputError(f"{where} has the row {twice!r} twice.")
            if not all(pd.api.types.is_float_dtype(dtype) for dtype in table.dtypes):
                raise InputError(f"{where} holds something else than floats.")
        return self.tables

    def _vectors(self, frame, column, table):
        names = pd.Index(table.index, dtype=object)
        is_level = ~names.isin(SLOTS)
        known, rows = names[is_level], np.flatnonzero(is_level)
        unseen = names.get_loc(SLOTS[UNSEEN])
        missing = names.get_loc(SLOTS[MISSING]) if SLOTS[MISSING] in names else unseen
        kind = _KINDS.get(pd.api.types.infer_dtype(known))
        rows = _look_up(frame, column, kind, known, rows, missing, unseen)
        return pd.DataFrame(table.to_numpy()[rows], index=frame.index, columns=table.columns)


def _look_up(frame, column, kind, known, codes, missing, unseen):
    """The code of each row: that of its value, or the one for missing or unseen values."""
    series = frame[column]
    of_strings = kind == "string" and isinstance(series.dtype, pd.StringDtype)
    came = kind if of_strings else _kind(frame, column)
    if kind and came and came != kind:
        raise InputError(
            f"Column {column!r} held {kind}s in training, but now holds {came}s, such as "
            f"{series.dropna()[:1].tolist()[0]!r}. Convert it to what it was."
        )
    if of_strings or series.dtype == object:
        rows, values = slice(None), series.to_numpy(dtype=object)
    else:
        rows, values = pd.factorize(series, use_na_sentinel=False)
        values = np.asarray(values, dtype=object)
    positions = known.get_indexer(pd.Index(values, dtype=object, copy=False))
    found = np.append(codes, unseen).astype("int32")[positions]
    unknown = np.flatnonzero(positions < 0)
    found[unknown[pd.isna(values[unknown])]] = missing
    return found[rows]


def _factorise(frame, column):
    """Each row's position among the distinct values, -1 for missing; the values; their kind."""
    rows, values = pd.factorize(frame[column])
    values = np.asarray(values, dtype=object)
    present = ~pd.isna(values)
    rows = np.append(np.where(present, np.cumsum(present) - 1, -1), -1)[rows]
    return rows, values[present], _kind(frame, column)


def _kind(frame, column):
    """Whether a column holds strings, numbers or booleans; None if every value is missing."""
    series = frame[column]
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = pd.Series(series.cat.remove_unused_categories().cat.categories)
    inferred = pd.api.types.infer_dtype(series, skipna=True)
    if not (series.iloc[:100].notna().any() or series.notna().any()):
        return None
    if inferred not in _KINDS:
        raise InputError(
            f"Column {column!r} holds values of type {inferred}, such as "
            f"{series.dropna()[:1].tolist()[0]!r}, but a column must hold strings, numbers or "
            "booleans. Convert it (`.astype(str)`), or take its parts (hour, weekday) as columns."
        )
    return _KINDS[inferred]


def _is_category(frame, column):
    if isinstance(frame[column].dtype, pd.CategoricalDtype):
        return True
    kind = _kind(frame, column)
    return kind in ("string", "boolean") or (
        kind is None and not pd.api.types.is_numeric_dtype(frame[column].dtype)
    )


def _numbers(frame, column):
    kind = _kind(frame, column)
    if kind == "string":
        raise InputError(
            f"Column {column!r} must hold numbers, but holds strings, such as "
            f"{frame[column].dropna().iloc[0]!r}. Convert it with `pandas.to_numeric`, or name it "
            "in `categorical`."
        )
    values = frame[column].to_numpy(dtype="float64", na_value=np.nan)
    if np.isinf(values).any():
        raise InputError(f"Column {column!r} holds an infinite number: make it missing or drop it.")
    return values


def _plain(value, kind, column):
    """A level as the Python type that JSON keeps; whole numbers as integers."""
    if kind == "boolean" or isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    if math.isinf(value):
        raise InputError(f"Column {column!r} holds an infinite number, which can be no category.")
    return int(value) if float(value).is_integer() else float(value)


def _check_frame(frame, columns=()):
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"`frame` is a {type(frame).__name__}, but must be a pandas DataFrame.")
    for name in frame.columns:
        if not isinstance(name, str):
            raise InputError(
                f"Column {name!r} is named by a {type(name).__name__}, but names must be strings: "
                "`frame.columns = frame.columns.astype(str)`."
            )
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InputError(f"Column {twice!r} is there twice: names must be unique.")
    for column in columns:
        if column not in frame.columns:
            raise InputError(
                f"Column {column!r} is not there; the table has {_listed(frame.columns)}."
            )


def _listed(names):
    """The first names, for a message."""
    names = [repr(name) for name in names]
    return ", ".join(names[:12] + ["..."] * (len(names) > 12)) or "none"


def _read(path):
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read {str(path)!r}: {error.strerror}.") from error


def _write(path, content):
    """Writes beside the file, then renames, so that a file is never half-written."""
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        raise InputError(f"Cannot write {str(path)!r}: {error.strerror}.") from error
    finally:
        beside.unlink(missing_ok=True)


def _refuse_constant(name):
    raise ValueError(f"{name} is no number")


def _check_format(state, name, path):
    came = state.get("format") if isinstance(state, dict) else None
    if came != name:
        raise InputError(f"{path!r} is of the format {came!r}, but must be {name!r}.")
    if state.get("version") != _VERSION:
        raise InputError(
            f"{path!r} is of version {state.get('version')!r}, but this release reads {_VERSION}."
        )


def _check_state(state, path):
    """Refuses a file that is not what `EntityEncoder.save` writes."""
    _check_format(state, "dlnotes.EntityEncoder", path)

    def expect(condition, fault):
        if not condition:
            raise InputError(f"{path!r} is damaged: {fault}.")

    parameters = state.get("parameters")
    expect(
        isinstance(parameters, dict) and set(parameters) == set(EntityEncoder().get_params()),
        "`parameters` must hold those of an EntityEncoder",
    )
    expect(
        type(parameters["min_count"]) is int and parameters["min_count"] >= 1,
        "`min_count` must be an integer of at least 1",
    )
    expect(type(parameters["missing_indicator"]) is bool, "`missing_indicator` must be a boolean")
    for name in ("categorical", "numeric"):
        given = parameters[name]
        expect(
            given is None or (isinstance(given, list) and all(type(of) is str for of in given)),
            f"`parameters` must hold a list of names or null as `{name}`",
        )
    entries = {"categorical": state.get("categorical"), "numeric": state.get("numeric")}
    keys = {
        "categorical": {"column", "kind", "levels", "rare", "missing"},
        "numeric": {"column", "median", "mean", "scale", "indicator"},
    }
    for name, of in entries.items():
        expect(isinstance(of, list), f"`{name}` must be a list")
        for entry in of:
            expect(
                isinstance(entry, dict) and set(entry) == keys[name],
                f"an entry of `{name}` must hold {_listed(sorted(keys[name]))}",
            )
            expect(isinstance(entry["column"], str), "`column` must be a string")
    names = [entry["column"] for of in entries.values() for entry in of]
    expect(len(set(names)) == len(names), "a column is there twice")
    for entry in entries["categorical"]:
        where = f"of the column {entry['column']!r}"
        expect(entry["kind"] in list(_PYTHON_TYPES), f"`kind` {where} is {entry['kind']!r}")
        expect(type(entry["missing"]) is bool, f"`missing` {where} must be true or false")
        levels = []
        for key in ("levels", "rare"):
            expect(isinstance(entry[key], list), f"`{key}` {where} must be a list")
            levels += entry[key]
        for level in levels:
            expect(
                type(level) in _PYTHON_TYPES[entry["kind"]],
                f"the level {level!r} {where} is no {entry['kind']}",
            )
        expect(len(set(levels)) == len(levels), f"a level {where} is there twice")
    for entry in entries["numeric"]:
        where = f"of the column {entry['column']!r}"
        for key in ("median", "mean", "scale"):
            expect(
                type(entry[key]) in (int, float) and math.isfinite(entry[key]),
                f"`{key}` {where} must be a number",
            )
        expect(entry["scale"] > 0, f"`scale` {where} must be positive")
        expect(type(entry["indicator"]) is bool, f"`indicator` {where} must be true or false")
