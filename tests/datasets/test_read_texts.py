from dlnotes import datasets
from dlnotes.errors import InputError
import pytest


def write(folder, *rows):
    path = folder / "texts.csv"
    path.write_text("\n".join(["id,review,stars", *rows]))
    return path


def read(path):
    return datasets.read_texts(path, text="review", label="stars")


def test_texts_and_labels_come_as_they_stand(tmp_path):
    path = write(tmp_path, *['1,"good, NA",5', "2,null,01"] * 5)
    table = read(path)
    assert list(table) == list(datasets.glosses())
    assert table.iloc[:2].to_numpy().tolist() == [["good, NA", "5"], ["null", "01"]]
    assert len(table) == 10


def test_what_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"Cannot read .*missing.csv' as .*: .*No such file"):
        read(tmp_path / "missing.csv")
    path = write(tmp_path, *["1,good,5", "2,bad,1"] * 5)
    with pytest.raises(InputError, match=r"`text` is 'text', .* columns .*: id, review, stars"):
        datasets.read_texts(path, label="stars")
    with pytest.raises(InputError, match=r"`label` is 'label', .* columns .*: id, review, stars"):
        datasets.read_texts(path, text="review")
    rows = ["1,good,5", "2,bad,1"] * 5
    with pytest.raises(InputError, match=r"`text`: column 'review' of .* nan in row 3 .* a value"):
        read(write(tmp_path, *rows[:2], "3,,5", *rows))
    with pytest.raises(InputError, match=r"`label`: column 'stars' of .* nan in row 11 "):
        read(write(tmp_path, *rows, "3,good,"))
    with pytest.raises(InputError, match="has 2 rows, but at least 10 are needed"):
        read(write(tmp_path, *rows[:2]))
    with pytest.raises(InputError, match="holds '5' only, but must hold at least two labels"):
        read(write(tmp_path, *rows[:1] * 10))


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "texts.csv"
    path.write_bytes(b"review,stars\n\xff\xfe\x00,1\n")
    with pytest.raises(InputError, match="Cannot read"):
        read(path)
