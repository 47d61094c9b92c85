"""Keras layers that Keras itself lacks, registered under the package name."""

from dlnotes.layers.time_fold import TimeFold

__all__ = [
    "TimeFold",
]
