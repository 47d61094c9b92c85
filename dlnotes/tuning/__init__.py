"""Search: a builder with its space, what to search for, and searches that survive."""

from dlnotes.tuning.hypermodel import hypermodel
from dlnotes.tuning.objective import objective
from dlnotes.tuning.task import Task

__all__ = ["Task", "hypermodel", "objective"]
