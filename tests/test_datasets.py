import hashlib
import re

from dlnotes import datasets, paths
from dlnotes.datasets import embedded as embedded_module
from dlnotes.errors import InputError
import numpy as np
import pytest


def test_every_file_is_listed_with_its_checksum_and_its_rows():
    page = (paths.data_folder() / "README.md").read_text()
    for name, digest in embedded_module.checksums().items():
        content = (paths.data_folder() / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
        assert f"`{name}`" in page and digest in page
    listed = set(re.findall(r"`([\w.]+\.(?:csv|gz))`", page))
    assert listed == set(embedded_module.checksums())


def test_together_they_are_small():
    files = [path for path in paths.data_folder().iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 15 * 2**20


@pytest.fixture
def damaged(tmp_path, monkeypatch):
    (tmp_path / "SHA256SUMS").write_text("0" * 64 + "  shampoo.csv\n")
    monkeypatch.setattr(embedded_module, "data_folder", lambda: tmp_path)
    embedded_module.embedded.cache_clear()
    yield tmp_path
    embedded_module.embedded.cache_clear()


def test_a_missing_file_is_named(damaged):
    with pytest.raises(InputError, match=r"shampoo\.csv cannot be read .* Install dlnotes again"):
        datasets.shampoo()


def test_a_damaged_file_is_refused(damaged):
    (damaged / "shampoo.csv").write_text("month,sales\n")
    with pytest.raises(InputError, match=r"shampoo\.csv has sha256 .* changed or damaged"):
        datasets.shampoo()


def test_shampoo_has_the_published_persistence_error():
    sales = datasets.shampoo().to_numpy()
    error = np.sqrt(np.mean((sales[24:] - sales[23:-1]) ** 2))
    assert round(float(error), 3) == 136.761


def test_flights_are_sorted_and_complete_where_it_matters():
    table = datasets.flights()
    assert len(table) == 60_000
    assert table["time"].is_monotonic_increasing
    assert table["tailnum"].nunique() > 3000
    assert not table[["carrier", "origin", "destination", "arrival_delay"]].isna().any().any()
    saturday = table.loc[table["time"].dt.day_of_week == 5, "weekday"]
    assert set(saturday) == {"Sat"}


def test_vowels_are_padded_at_the_end_and_scaled_on_train():
    data = datasets.japanese_vowels(seed=1)
    x, speakers = data.train
    assert x.shape == (216, 29, 12) and data.validation.x.shape == (54, 29, 12)
    assert set(speakers) == set(range(9))
    real = (x != 0).any(axis=-1)
    lengths = real.sum(axis=1)
    assert lengths.min() >= 7 and lengths.max() <= 29
    assert (real == (np.arange(29) < lengths[:, None])).all()
    np.testing.assert_allclose(x[real].mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(x[real].std(axis=0), 1, atol=1e-4)


def test_glosses_are_balanced_and_never_repeat():
    table = datasets.glosses()
    assert (table["label"].value_counts() == 1500).all()
    assert not table["text"].duplicated().any()
