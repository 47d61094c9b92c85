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


def check_backend(needed, what):
    """Refuses another Keras backend than the one that something needs.

    Args:
        needed: String, the backend: `"tensorflow"`, `"jax"` or `"torch"`.
        what: String, what needs it; begins the sentence.

    Raises:
        InputError: On another backend.

    Example:

    >>> from dlnotes.errors import check_backend
    >>> import keras
    >>> check_backend(keras.config.backend(), "This")
    """
    import keras

    backend = keras.config.backend()
    if backend != needed:
        raise InputError(
            f"{what} needs the backend {needed!r}, but KERAS_BACKEND is {backend!r}: set "
            f"KERAS_BACKEND={needed} before Keras is imported."
        )
