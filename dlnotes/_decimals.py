"""Reads many decimal numbers at once."""

import numpy as np

_SPACE, _MINUS, _DOT, _ZERO = b" -.0"
_PADDING = b" " * 16
_MOST_DECIMALS = 14
_BATCH = 1 << 17
_POWERS = 10.0 ** np.arange(_MOST_DECIMALS + 1)


def read_decimals(text, count):
    """The numbers of a text, separated by single spaces: what `float` gives, as float32.

    Numbers such as `-0.12345` (one digit before the point and up to 14 behind it) are read with
    whole-array arithmetic: their digits make an integer below 2 ** 53 and the power of ten is exact
    too, so that their quotient is rounded once, as `float` does. All others are read one by one.

    Args:
        text: Bytes.
        count: Integer, how many numbers are expected.

    Returns:
        A float32 array, or `None` where something is not a finite number or `count` is wrong.
    """
    numbers = np.empty(count, np.float32)
    start = done = 0
    while start < len(text):
        stop = text.find(b" ", start + _BATCH)
        stop = len(text) if stop < 0 else stop
        batch = _read(text[start:stop])
        if batch is None or done + len(batch) > count:
            return None
        numbers[done : done + len(batch)] = batch
        done += len(batch)
        start = stop + 1
    return numbers if done == count else None


def _read(text):
    """The numbers of a text of moderate length, float64, or `None`."""
    padded = b"".join([_PADDING, text, b" ", _PADDING[(len(text) + 1) % 8 :]])
    characters = np.frombuffer(padded, np.uint8)
    ends = len(_PADDING) + np.flatnonzero(characters[len(_PADDING) :][: len(text) + 1] == _SPACE)
    starts = np.empty_like(ends)
    starts[0] = len(_PADDING)
    np.add(ends[:-1], 1, out=starts[1:])

    negative = characters[starts] == _MINUS
    points = starts + negative
    whole = characters[points] - _ZERO
    points += 1
    decimals = ends - points
    decimals -= 1
    plain = (characters[points] == _DOT) & (whole < 10)
    plain &= (decimals > 0) & (decimals <= _MOST_DECIMALS)
    np.clip(decimals, 1, _MOST_DECIMALS, out=decimals)

    groups = np.frombuffer(padded, "<u8")
    digits, are_digits = _digits(groups, ends, np.minimum(decimals, 8))
    plain &= are_digits
    numbers = digits.astype(np.float64)
    (long,) = np.nonzero(decimals > 8)
    if len(long):
        digits, are_digits = _digits(groups, ends[long] - 8, decimals[long] - 8)
        plain[long] &= are_digits
        numbers[long] += digits * 1e8
    powers = _POWERS[decimals]
    numbers += whole * powers
    numbers /= powers
    np.copysign(numbers, 0.5 - negative, out=numbers)

    (others,) = np.nonzero(~plain)
    if len(others):
        fields = [padded[starts[other] : ends[other]] for other in others]
        try:
            with np.errstate(over="ignore"):
                values = np.array(fields, np.float32)
        except ValueError:
            return None
        if b"_" in b"".join(fields) or not np.isfinite(values).all():
            return None
        numbers[others] = values
    return numbers


def _digits(groups, ends, length):
    """The integer that `length` (at most 8) characters before `ends` mean, if they are digits.

    Eight characters are one 64-bit integer, the first character in its lowest byte. Neighbours are
    added up in pairs: two digits, then four, then eight.
    """
    index = ends - 8
    shift = ((index & 7) << 3).view(np.uint64)
    index >>= 3
    digits = groups[index] >> shift
    index += 1
    digits |= groups[index] << 1 << (63 - shift)
    digits ^= 0x3030303030303030
    unused = (64 - (length << 3)).view(np.uint64)
    digits >>= unused
    digits <<= unused
    are_digits = ((digits + 0x7676767676767676) | digits) & 0x8080808080808080 == 0
    for factor, bits, mask in (
        (10, 8, 0x00FF00FF00FF00FF),
        (100, 16, 0x0000FFFF0000FFFF),
        (10_000, 32, 0x00000000FFFFFFFF),
    ):
        following = digits >> bits
        digits *= factor
        digits += following
        digits &= mask
    return digits, are_digits
