"""Loaders of data: embedded, generated, or fetched when asked."""

from dlnotes.datasets.dataset import Dataset, Split
from dlnotes.datasets.films import films, read_films
from dlnotes.datasets.flights import flights
from dlnotes.datasets.glosses import glosses
from dlnotes.datasets.glove_full import glove
from dlnotes.datasets.glove_path import glove_path
from dlnotes.datasets.japanese_vowels import japanese_vowels
from dlnotes.datasets.shampoo import shampoo

__all__ = [
    "Dataset",
    "Split",
    "films",
    "flights",
    "glosses",
    "glove",
    "glove_path",
    "japanese_vowels",
    "read_films",
    "shampoo",
]
