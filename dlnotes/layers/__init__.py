"""Keras layers that Keras itself lacks, registered under the package name."""

from dlnotes.layers.fixed_batch import FixedBatch
from dlnotes.layers.saved_model_layer import SavedModelLayer
from dlnotes.layers.stateful import StatefulGRU, StatefulLSTM, StatefulRNN, StatefulSimpleRNN
from dlnotes.layers.time_fold import TimeFold

__all__ = [
    "FixedBatch",
    "SavedModelLayer",
    "StatefulGRU",
    "StatefulLSTM",
    "StatefulRNN",
    "StatefulSimpleRNN",
    "TimeFold",
]
