import datetime
import re

from dlnotes import datasets
from dlnotes.errors import InputError
import numpy as np
import pytest

READ = (
    "%A, %d %B %Y",
    "%A %B %d, %Y",
    "%d %B %Y",
    "%B %d, %Y",
    "%d. %b %Y",
    "%b %d %Y",
    "%d.%m.%Y",
    "%d/%m/%Y",
)


def read(text):
    """The date, and the form in which it is written."""
    for number, form in enumerate(READ):
        try:
            return datetime.datetime.strptime(text, form).date(), number
        except ValueError:
            pass
    raise AssertionError(text)


def test_the_answer_is_the_same_day():
    data = datasets.dates(500, seed=1)
    assert [len(part.x) for part in vars(data).values()] == [300, 100, 100]
    forms, answers = set(), []
    for x, y in vars(data).values():
        for text, answer in zip(x.tolist(), y.tolist(), strict=True):
            date, form = read(text)
            assert answer == date.isoformat()
            assert text.endswith(str(date.year))
            if "day" in text:
                assert text.startswith(date.strftime("%A").lower())
            forms.add(form)
            answers.append(answer)
    assert forms == set(range(8))
    assert len(set(answers)) == 500


def test_both_numbers_of_a_short_form_are_padded_or_none():
    x, _ = datasets.dates(500).train
    assert all(re.fullmatch(r"\d\d/\d\d/\d{4}", text) for text in x if "/" in text)
    assert any(re.fullmatch(r"\d\.\d\.\d{4}", text) for text in x)


def test_a_seed_gives_the_same_pairs():
    one, again, other = (datasets.dates(30, seed=seed).train for seed in (0, 0, 1))
    assert np.array_equal(one.x, again.x) and not np.array_equal(one.x, other.x)


def test_more_days_than_there_are_are_refused():
    with pytest.raises(InputError, match="`samples` is 80000, but there are 73049 days"):
        datasets.dates(80000)
