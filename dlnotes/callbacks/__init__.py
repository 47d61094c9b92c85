"""Keras callbacks that Keras itself lacks."""

__all__ = []
