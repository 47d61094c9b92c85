"""Search: a builder with its space, what to search for, and searches that survive."""

from dlnotes.tuning.hypermodel import hypermodel
from dlnotes.tuning.objective import objective
from dlnotes.tuning.result import Result
from dlnotes.tuning.search import search
from dlnotes.tuning.task import Task

__all__ = ["Result", "Task", "hypermodel", "objective", "search"]
