from dlnotes import datasets
from dlnotes.errors import InputError
import pandas as pd
import pytest


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "rows.csv"
        path.write_text(text)
        return path

    return write


def test_rows_stay_as_they_are_without_a_time(write):
    table = datasets.read_rows(write("shop,sales,day\nB,2,9\n,1,8\n"), "sales")
    assert list(table.columns) == ["shop", "sales", "day"]
    assert table["sales"].tolist() == [2.0, 1.0] and table["sales"].dtype == "float64"
    assert table["shop"][0] == "B" and pd.isna(table["shop"][1])


@pytest.mark.parametrize(
    "times",
    [
        ("2024-02-01", "2023-12-31", "2024-01-01"),
        (10, 9, 9.5),
        ("2013-12-31T10:00+02:00", "2013-12-31 07:59", "2013-12-31T07:59:30Z"),
    ],
)
def test_rows_come_in_the_order_of_time(write, times):
    lines = [f"{time},{shop},1" for time, shop in zip(times, "ABC", strict=True)]
    table = datasets.read_rows(write("\n".join(["when,shop,sales", *lines])), "sales", "when")
    assert table["shop"].tolist() == ["B", "C", "A"] and list(table.index) == [0, 1, 2]


def test_rows_of_one_time_keep_their_order(write):
    table = datasets.read_rows(
        write("when,shop,sales\n2,A,1\n1,B,1\n1,C,1\n1,D,1\n"), "sales", "when"
    )
    assert table["shop"].tolist() == ["B", "C", "D", "A"]


@pytest.mark.parametrize(
    ("text", "time", "message"),
    [
        ("day,sale\n1,2\n", None, r"`target` is 'sales', .* columns of .*rows\.csv: day, sale\."),
        ("day,sales\n1,2\n", "date", r"`time` is 'date', but must be one of .*: day, sales\."),
        ("day,sales\n1,2\n1,\n", None, r"'sales' .* holds nan in row 2 .* needs a number"),
        ("day,sales\n1,two\n", None, r"'sales' .* holds two in row 1 below the header"),
        ("day,sales\n1,inf\n", None, r"'sales' .* holds inf in row 1 below the header"),
        ("day,sales\n2024-01-01,1\nsoon,1\n", "day", r"'day' .* holds soon in row 2 .* a time"),
        ("day,sales\n31/12/2013,1\n", "day", r"holds 31/12/2013 in row 1 .* such as 2013-12-31"),
        ("day,sales\n1,1\n,1\n", "day", r"'day' .* holds nan in row 2 .* needs a time"),
        ("", None, r"Cannot read .*rows\.csv' as a CSV file"),
    ],
)
def test_what_does_not_fit_is_said(write, text, time, message):
    with pytest.raises(InputError, match=message):
        datasets.read_rows(write(text), "sales", time)


def test_without_a_target_the_columns_are_named(write):
    with pytest.raises(InputError, match=r"`target` is not given, but must be one"):
        datasets.read_rows(write("day,sales\n1,2\n"), None)
