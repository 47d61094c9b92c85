"""All rows of GloVe 6B, fetched when asked."""

from pathlib import Path
import sys

from dlnotes import download
from dlnotes.errors import InputError

ARCHIVE = {
    "url": "https://nlp.stanford.edu/data/glove.6B.zip",
    "sha256": "617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb",
    "size": 862_182_613,
}
NAMES = ("glove.6B.50d", "glove.6B.100d", "glove.6B.200d", "glove.6B.300d")


def glove(name="glove.6B.100d", folder=None):
    """The path of Stanford's GloVe vectors of 400,000 words; fetches 862 MB on the first call.

    The archive holds all four sizes and is kept, so that another size needs no second transfer. A
    transfer that broke off goes on at the next call. `dlnotes.datasets.glove_path` needs no
    network.

    Reference: Pennington, Socher, Manning, "GloVe: Global Vectors for Word Representation", 2014
    (PDDL 1.0, public domain).

    Args:
        name: `"glove.6B.50d"`, `"glove.6B.100d"`, `"glove.6B.200d"` or `"glove.6B.300d"`. Defaults
            to `"glove.6B.100d"`.
        folder: Path of the folder to keep the files in. Defaults to `glove` in
            `dlnotes.download.cache_folder()`, which the variable `DLNOTES_CACHE` sets.

    Returns:
        A `pathlib.Path` of a `.txt` file, for `dlnotes.vectors.load_vectors`.

    Raises:
        InputError: If the name is unknown or the file cannot be fetched.

    Example:

    >>> from dlnotes import datasets
    >>> datasets.glove("glove.7B")
    Traceback (most recent call last):
        ...
    dlnotes.errors.InputError: `name` is 'glove.7B', but must be one of glove.6B.50d, \
glove.6B.100d, glove.6B.200d, glove.6B.300d.
    """
    if name not in NAMES:
        raise InputError(f"`name` is {name!r}, but must be one of {', '.join(NAMES)}.")
    folder = Path(folder) if folder else download.cache_folder() / "glove"
    path = folder / f"{name}.txt"
    if path.is_file():
        return path
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("glove.6B.zip")
        archive = download.fetch(
            **ARCHIVE,
            folder=folder,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    return download.unpack(archive, folder, [path.name])[0]
