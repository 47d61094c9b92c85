from dlnotes import datasets
from dlnotes.errors import InputError
import pytest


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "series.csv"
        path.write_text(text)
        return path

    return write


def test_the_named_column_or_the_only_one_with_numbers(write):
    path = write("month,sales,visits\na,1,10\nb,2.5,20\n")
    series = datasets.read_series(path, "visits")
    assert series.name == "visits" and series.tolist() == [10, 20] and series.dtype == "float64"
    assert datasets.read_series(write("month,sales\na,1\nb,2.5\n")).tolist() == [1, 2.5]


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        (
            "month,sales\na,1\nb,2\n",
            "sale",
            r"`target` is 'sale', .* columns of .*series\.csv: month, sales\.",
        ),
        ("a,b\n1,1\n2,2\n", None, r"`target` is not given, .* columns of .*series\.csv: a, b\."),
        ("month,sales\na,1\nb,\nc,3\n", None, r"'sales' .* holds nan in row 2 below the header"),
        ("month,sales\na,1\nb,two\n", "sales", r"'sales' .* holds two in row 2 below the header"),
        ("month,sales\na,1\nb,inf\n", "sales", r"'sales' .* holds inf in row 2 below the header"),
        ("month,sales\n", "sales", r"has 0 rows, but at least 1"),
        ("", None, r"Cannot read .*series\.csv' as a CSV file"),
    ],
)
def test_what_does_not_fit_is_said(write, text, target, message):
    with pytest.raises(InputError, match=message):
        datasets.read_series(write(text), target)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(InputError, match=r"Cannot read .*none\.csv' as a CSV file"):
        datasets.read_series(tmp_path / "none.csv")
