"""Attention and a Transformer block as plain loops in NumPy, to compare with."""

import numpy as np

NAMES = ("query", "key", "value", "output")


def everything(steps):
    """Which steps each step may look at: all of them."""
    return np.ones((steps, steps), bool)


def the_past(steps):
    """Which steps each step may look at: itself and those before it."""
    return np.tril(everything(steps))


def attention(x, layer, looks_at, max_distance=None):
    """Multi-head attention over one sequence, pair by pair: Vaswani et al. 2017, section 3.2.

    With `max_distance` it is Shaw et al. 2018: z_i = sum a_ij (x_j W_V + a_ij^V), equation 3, and
    e_ij = x_i W_Q (x_j W_K + a_ij^K)^T / sqrt(d), equation 4, with clipped distances, equation 5.

    Args:
        x: Array of shape (steps, features).
        layer: A built `MultiHeadAttention` or `RelativeAttention`.
        looks_at: Boolean array of shape (steps, steps).
        max_distance: Integer, the clip distance, if the layer has one.

    Returns:
        Outputs (steps, features) and attention weights (heads, steps, steps).
    """
    dense = {name: getattr(layer, f"{name}_dense").get_weights() for name in NAMES}
    query, key, value = (
        np.einsum("if,fhd->hid", x, dense[name][0]) + dense[name][1][:, None] for name in NAMES[:3]
    )
    heads, steps, width = query.shape
    weights, context = np.zeros((heads, steps, steps)), np.zeros((heads, steps, width))
    for head in range(heads):
        for i in range(steps):
            for j in np.flatnonzero(looks_at[i]):
                to_key = vector(layer, "key_distances", j - i, max_distance)
                weights[head, i, j] = np.exp(query[head, i] @ (key[head, j] + to_key) / width**0.5)
            weights[head, i] /= weights[head, i].sum()
            for j in range(steps):
                to_value = vector(layer, "value_distances", j - i, max_distance)
                context[head, i] += weights[head, i, j] * (value[head, j] + to_value)
    kernel, bias = dense["output"]
    return np.einsum("hid,hdf->if", context, kernel) + bias, weights


def vector(layer, name, distance, max_distance):
    """The vector of a clipped distance, or nothing."""
    if max_distance is None:
        return 0
    row = max(-max_distance, min(max_distance, distance)) + max_distance
    return np.asarray(getattr(layer, name))[row]


def normalise(x, layer):
    """Layer normalisation of each step."""
    scale, offset = layer.get_weights()
    spread = np.sqrt(x.var(axis=-1, keepdims=True) + layer.epsilon)
    return (x - x.mean(axis=-1, keepdims=True)) / spread * scale + offset


def block(x, layer, looks_at):
    """A Transformer block over one sequence, with either order of normalisation."""

    def attend(x):
        return attention(x, layer.attention, looks_at, layer.max_distance)[0]

    def feed_forward(x):
        (kernel, bias), (other, offset) = layer.expand.get_weights(), layer.shrink.get_weights()
        return np.maximum(x @ kernel + bias, 0) @ other + offset

    if layer.normalize_first:
        x = x + attend(normalise(x, layer.first_norm))
        return x + feed_forward(normalise(x, layer.second_norm))
    x = normalise(x + attend(x), layer.first_norm)
    return normalise(x + feed_forward(x), layer.second_norm)


def waves(steps, units):
    """Sinusoidal positions: Vaswani et al. 2017, section 3.5."""
    channel = np.arange(units)
    angles = np.arange(steps)[:, None] / 10_000 ** (2 * (channel // 2) / units)
    return np.where(channel % 2, np.cos(angles), np.sin(angles))
