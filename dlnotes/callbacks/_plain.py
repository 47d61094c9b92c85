"""Plain Python and NumPy values as JSON and arrays, without pickle."""

import hashlib
import json

from dlnotes._keras import keras
import numpy as np


class NotPlainError(TypeError):
    """The value holds an object that is neither a plain value nor an array."""


def encode(value, arrays):
    """Makes a value one that JSON can hold.

    Args:
        value: Numbers, texts, arrays, and lists, tuples, sets and dictionaries of them.
        arrays: List to which the arrays are appended.

    Returns:
        The value for JSON, in which arrays are named by their number.

    Raises:
        NotPlainError: If there is anything else in the value.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is list:
        return [encode(item, arrays) for item in value]
    if type(value) in (tuple, set, frozenset):
        return {type(value).__name__: [encode(item, arrays) for item in value]}
    if type(value) is dict:
        return {"dict": [[encode(part, arrays) for part in pair] for pair in value.items()]}
    if isinstance(value, np.random.Generator):
        return encode(value.bit_generator.state, arrays)
    if callable(value) and getattr(keras.ops, getattr(value, "__name__", ""), None) is value:
        return {"keras.ops": value.__name__}
    if isinstance(value, np.ndarray | np.generic) or keras.ops.is_tensor(value):
        array = np.asarray(value)
        if array.dtype.hasobject:
            raise NotPlainError(f"an array of {array.dtype}")
        arrays.append(array)
        return {"scalar" if isinstance(value, np.generic) else "array": len(arrays) - 1}
    raise NotPlainError(f"a {type(value).__name__}")


def decode(value, arrays):
    """What `encode` was given; tensors come back as arrays, generators as their state."""
    if isinstance(value, list):
        return [decode(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "dict":
        return {decode(key, arrays): decode(item, arrays) for key, item in content}
    if kind == "keras.ops":
        return getattr(keras.ops, content)
    if kind == "array":
        return arrays[content]
    if kind == "scalar":
        return arrays[content][()]
    types = {"tuple": tuple, "set": set, "frozenset": frozenset}
    return types[kind](decode(item, arrays) for item in content)


def attributes(thing):
    """The plain attributes of an object by name, encoded, each with its arrays."""
    found = {}
    for name, value in vars(thing).items():
        arrays = []
        try:
            found[name] = encode(value, arrays), arrays
        except NotPlainError:
            continue
    return found


def digest(encoded, arrays):
    """A checksum of an encoded value with its arrays."""
    checksum = hashlib.blake2b(json.dumps(encoded).encode())
    for array in arrays:
        checksum.update(f"{array.dtype} {array.shape}".encode())
        checksum.update(np.ascontiguousarray(array).view(np.uint8).data if array.size else b"")
    return checksum.digest()
