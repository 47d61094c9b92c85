"""Loaders of data: embedded, generated, or fetched when asked."""

from dlnotes.datasets.adding import adding
from dlnotes.datasets.airline_passengers import airline_passengers
from dlnotes.datasets.copying import copying
from dlnotes.datasets.counting import counting
from dlnotes.datasets.dataset import Dataset, Split
from dlnotes.datasets.dates import dates
from dlnotes.datasets.digit_rows import digit_rows
from dlnotes.datasets.docstrings import docstrings
from dlnotes.datasets.echo import echo
from dlnotes.datasets.films import films, read_films
from dlnotes.datasets.flights import flights
from dlnotes.datasets.gloss_documents import gloss_documents
from dlnotes.datasets.glosses import glosses
from dlnotes.datasets.glove_full import glove
from dlnotes.datasets.glove_path import glove_path
from dlnotes.datasets.grammar import grammar, grammar_relations, grammar_words
from dlnotes.datasets.japanese_vowels import japanese_vowels
from dlnotes.datasets.read_rows import read_rows
from dlnotes.datasets.read_sequences import read_sequences
from dlnotes.datasets.read_series import read_series
from dlnotes.datasets.read_table import read_table
from dlnotes.datasets.read_texts import read_texts
from dlnotes.datasets.recall import recall
from dlnotes.datasets.seasonal import seasonal
from dlnotes.datasets.shampoo import shampoo
from dlnotes.datasets.sunspots import sunspots
from dlnotes.datasets.tag_next import tag_next

__all__ = [
    "Dataset",
    "EpochBatches",
    "LengthBuckets",
    "Split",
    "adding",
    "airline_passengers",
    "copying",
    "counting",
    "dates",
    "digit_rows",
    "docstrings",
    "echo",
    "films",
    "flights",
    "gloss_documents",
    "glosses",
    "glove",
    "glove_path",
    "grammar",
    "grammar_relations",
    "grammar_words",
    "japanese_vowels",
    "read_films",
    "read_rows",
    "read_sequences",
    "read_series",
    "read_table",
    "read_texts",
    "recall",
    "seasonal",
    "shampoo",
    "sunspots",
    "tag_next",
]


def __getattr__(name):
    """Imports what needs Keras only when it is asked for."""
    if name == "EpochBatches":
        from dlnotes.datasets.epoch_batches import EpochBatches

        return EpochBatches
    if name == "LengthBuckets":
        from dlnotes.datasets.length_buckets import LengthBuckets

        return LengthBuckets
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
