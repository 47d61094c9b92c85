"""Keras layers that Keras itself lacks, registered under the package name."""

__all__ = []
