"""Loading models that contain layers of this package."""

import importlib
from pathlib import Path

from dlnotes._keras import keras
from dlnotes.errors import InputError


def load_model(path, **options):
    """Loads a saved Keras model in safe mode, with every layer of this package known.

    `keras.saving.load_model` knows the layers of a package only after their modules have been
    imported. This function imports them first.

    Args:
        path: Path of a `.keras` file.
        **options: Passed on to `keras.saving.load_model`, such as `compile` or `custom_objects`.

    Returns:
        The `keras.Model`.

    Raises:
        InputError: If there is no such file.

    Example:

    >>> import tempfile, pathlib
    >>> from dlnotes import builders, saving
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.keras"
    >>> builders.mlp((4,), 2).save(path)
    >>> saving.load_model(path).name
    'mlp'
    """
    try:
        with Path(path).open("rb"):
            pass
    except OSError as error:
        raise InputError(
            f"`path`: cannot read {str(path)!r} ({error.strerror}). Give the path of a model saved "
            "with `model.save('....keras')`."
        ) from error
    for module in ("dlnotes.layers", "dlnotes.callbacks", "dlnotes.builders"):
        importlib.import_module(module)
    return keras.saving.load_model(path, **{"safe_mode": True} | options)
