"""Functions that return an uncompiled functional `keras.Model`, each with its search space."""

from dlnotes.builders.mlp import mlp, mlp_space

__all__ = [
    "mlp",
    "mlp_space",
]
