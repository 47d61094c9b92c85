"""The exceptions for what a person can mend."""


class InputError(ValueError):
    """Says what came, what was expected and how to mend it, in one sentence or two.

    The command line prints it without a traceback and ends with exit code 2. In Python it is an
    ordinary `ValueError`.
    """


class TrainingError(InputError):
    """A training that cannot go on: its loss is not a finite number any more."""


def check_at_least(minimum, **arguments):
    """Refuses arguments below a minimum, naming them.

    Args:
        minimum: Number, the smallest value allowed.
        **arguments: The values to check, under the names that the person knows them by.

    Raises:
        InputError: If a value is below the minimum.

    Example:

    >>> from dlnotes.errors import check_at_least
    >>> check_at_least(1, epochs=3)
    """
    for name, value in arguments.items():
        if value < minimum:
            raise InputError(f"`{name}` is {value}, but must be at least {minimum}.")
