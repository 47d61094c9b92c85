"""Functions that return an uncompiled functional `keras.Model`, each with its search space."""

from dlnotes.builders.bidirectional_lstm import bidirectional_lstm, bidirectional_lstm_space
from dlnotes.builders.mlp import mlp, mlp_space
from dlnotes.builders.pretrained_text_classifier import (
    pretrained_text_classifier,
    pretrained_text_classifier_space,
)

__all__ = [
    "bidirectional_lstm",
    "bidirectional_lstm_space",
    "mlp",
    "mlp_space",
    "pretrained_text_classifier",
    "pretrained_text_classifier_space",
]
