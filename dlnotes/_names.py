"""Names in error messages."""

import difflib


def listing(names):
    """The names in quotes, separated by commas."""
    return ", ".join(map(repr, names))


def did_you_mean(name, names):
    """A question with the nearest of the names, to follow a sentence, or nothing."""
    nearest = difflib.get_close_matches(str(name), [str(known) for known in names], n=1)
    return f" Did you mean {nearest[0]!r}?" if nearest else ""
