"""Where recipes and data lie: in a checkout beside the package, in a wheel inside it."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def in_checkout():
    """Whether the package is used from a checkout of the project."""
    return (PACKAGE.parent / "setup.cfg").is_file() and (PACKAGE.parent / "recipes").is_dir()


def recipes_folder():
    """The folder that holds `<family>/<topic>.py`."""
    return PACKAGE.parent / "recipes" if in_checkout() else PACKAGE / "_recipes"


def data_folder():
    """The folder that holds the embedded data."""
    return PACKAGE.parent / "data" if in_checkout() else PACKAGE / "_data"
