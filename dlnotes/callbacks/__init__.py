"""Keras callbacks that Keras itself lacks."""

from dlnotes.callbacks.atomic_checkpoint import AtomicCheckpoint
from dlnotes.callbacks.epoch_metric import EpochMetric
from dlnotes.callbacks.learning_rate_range_test import LearningRateRangeTest, suggest_learning_rate
from dlnotes.callbacks.one_cycle import OneCycle
from dlnotes.callbacks.reset_states import ResetStates
from dlnotes.callbacks.time_budget import TimeBudget

__all__ = [
    "AtomicCheckpoint",
    "EpochMetric",
    "LearningRateRangeTest",
    "OneCycle",
    "ResetStates",
    "TimeBudget",
    "suggest_learning_rate",
]
