"""Loaders that return a `Dataset` of train, validation and test."""

__all__ = []
