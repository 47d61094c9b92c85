"""Dates as people write them, and the same dates in the form of ISO 8601, generated."""

import datetime

from dlnotes.datasets.dataset import Dataset, Split
from dlnotes.errors import InputError, check_at_least
import numpy as np

FIRST, LAST = datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)
MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
FORMS = (
    "{weekday}, {day} {month} {year}",
    "{weekday} {month} {day}, {year}",
    "{day} {month} {year}",
    "{month} {day}, {year}",
    "{day}. {short} {year}",
    "{short} {day} {year}",
    "{day}.{number}.{year}",
    "{day:02}/{number:02}/{year}",
)


def dates(samples=1000, seed=0):
    """Generates pairs of a date as people write it and the same date as `year-month-day`.

    The classic small translation: every part of the answer stands in one place of the source, the
    order is another one, a name becomes a number, and nothing may be guessed. Eight ways of
    writing, all in English, all with the year at the end; the day comes before the month where both
    are numbers. The days lie between 1900 and 2099, and none is drawn twice.

    Reference: notes 002:1488 (translation by attention).

    Args:
        samples: Integer, number of pairs, at most the 73049 days there are. 60 % are for training,
            20 % each for validation and test. Defaults to `1000`.
        seed: Integer. Defaults to `0`.

    Returns:
        A `Dataset`; `x` and `y` are arrays of strings.

    Raises:
        InputError: If `samples` is below 5 or above the number of days.

    Example:

    >>> from dlnotes import datasets
    >>> x, y = datasets.dates(samples=20).train
    >>> x[2], y[2]
    (np.str_('saturday, 12 december 1953'), np.str_('1953-12-12'))
    """
    days = (LAST - FIRST).days + 1
    check_at_least(5, samples=samples)
    if samples > days:
        raise InputError(f"`samples` is {samples}, but there are {days} days to draw from.")
    random = np.random.default_rng(seed)
    drawn = random.choice(days, size=samples, replace=False)
    forms = random.integers(len(FORMS), size=samples)
    y = [FIRST + datetime.timedelta(days=int(day)) for day in drawn]
    x = [_written(date, FORMS[form]) for date, form in zip(y, forms, strict=True)]
    ends = [samples * 6 // 10, samples * 8 // 10]
    y = [date.isoformat() for date in y]
    parts = zip(np.split(np.array(x), ends), np.split(np.array(y), ends), strict=True)
    return Dataset(*(Split(*part) for part in parts))


def _written(date, form):
    month = MONTHS[date.month - 1]
    return form.format(
        weekday=DAYS[date.weekday()],
        day=date.day,
        month=month,
        short=month[:3],
        number=date.month,
        year=date.year,
    )
