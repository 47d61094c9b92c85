"""Sampling the dropout of a model: what is the same in every pass is computed once.

A functional or sequential model is a graph, and in it everything before the first dropout gives the
same in every pass. `Sampler.begin` computes that once for a block of rows; `Sampler.moments` and
`Sampler.samples` run the rest, many passes in a compiled call. The layers are the model's own and
are called as Keras calls them, masks included: only the walk through the graph is replaced while a
call is traced.
"""

import contextlib
import dataclasses
import functools
import inspect
import operator
import weakref

from dlnotes._keras import keras
from dlnotes.errors import InputError
from keras.src.backend import get_keras_mask, set_keras_mask
import numpy as np

DROPOUT = (keras.layers.Dropout, keras.layers.GaussianDropout, keras.layers.AlphaDropout)
WITH_DROPOUT_INSIDE = (
    keras.layers.RNN,
    keras.layers.LSTMCell,
    keras.layers.GRUCell,
    keras.layers.SimpleRNNCell,
    keras.layers.Attention,
)
SEED = "seed_generator_state"
CALLS = 32
CONSTANTS = (0x7FEB352D, 0x846CA68B)

_samplers = weakref.WeakKeyDictionary()


def sampler_of(model, activation=None):
    """The `Sampler` of a model: that of the last call, unless what it depends on has changed."""
    _check_dropout(model)
    facts = [activation, *_facts(model)]
    if model not in _samplers or _samplers[model][0] != facts:
        _samplers[model] = facts, Sampler(model, activation)
    return _samplers[model][1]


def _check_dropout(model):
    if not isinstance(model, keras.Model):
        raise InputError(f"`model` is {model!r}, but must be a `keras.Model`.")
    if not model.built:
        raise InputError(
            f"`model` {model.name!r} has no weights yet: give it a `keras.Input`, or fit it first."
        )
    if not dropout_layers(model):
        raise InputError(
            f"`model` {model.name!r} has no dropout with a rate above 0, so every pass would give "
            "the same. Train it with dropout, for example from "
            "`dlnotes.builders.mc_dropout_network`."
        )


def _facts(model):
    """What compiled functions depend on, besides the values of the variables."""
    facts = [_weakly(_graph(model)), *map(id, model.variables)]
    for layer in model._flatten_layers():
        facts += [weakref.ref(layer), layer.trainable, layer.dtype_policy.name]
        for name, value in vars(layer).items():
            plain = value is None or isinstance(value, bool | int | float | str | tuple)
            function = inspect.isfunction(value) and not isinstance(layer, keras.Model)
            if not name.startswith("_") and (plain or function):
                facts.append((name, value if function else repr(value)))
    return facts


def _weakly(thing):
    return None if thing is None else weakref.ref(thing)


def dropout_layers(model):
    """The layers of a model that drop with a rate above 0, at any depth."""
    return [layer for layer in model._flatten_layers() if _has_dropout(layer)]


def _has_dropout(layer):
    if isinstance(layer, DROPOUT):
        rate = layer.rate
    elif isinstance(layer, WITH_DROPOUT_INSIDE):
        rate = getattr(layer, "dropout", 0) or getattr(layer, "recurrent_dropout", 0)
    else:
        rate = 0
    return rate > 0 and "training" in inspect.signature(layer.call).parameters


def _is_random(layer):
    """Whether two passes may differ: dropout, and layers of one's own that hold a seed.

    The layers of Keras that hold a seed draw in training alone; one's own may always draw.
    """
    own = not type(layer).__module__.startswith("keras.")
    return _has_dropout(layer) or (own and bool(layer._seed_generators))


class Sampler:
    """Draws samples of a model's outputs. It keeps its compiled functions, but not the model.

    Args:
        model: A built `keras.Model` with dropout.
        activation: Name or function of an activation for the outputs, or a structure like theirs.
    """

    def __init__(self, model, activation=None):
        layers = list(model._flatten_layers(include_self=False))
        dropout = dropout_layers(model)
        cells = [layer for layer in layers if hasattr(layer, "reset_dropout_mask")]
        self._seeds = [variable for variable in model.variables if variable.name == SEED]
        self._others = [variable for variable in model.variables if variable.name != SEED]
        graph = _graph(model)
        steps = [] if graph is None else _steps(graph, {id(x) for x in layers if _is_random(x)})
        self._has_trunk = _has_trunk(steps)
        model, graph = weakref.ref(model), _weakly(graph)

        def outputs_of(x, seeds, values, memory, recording=False):
            state = list(zip(self._seeds + self._others, [*seeds, *values], strict=False))
            walk = _walking(graph(), steps, memory, recording) if steps else _unchanged()
            with walk, _in_training_mode(dropout, cells), keras.StatelessScope(state):
                return model()(x, training=False)

        def begin(x, values):
            memory = []
            outputs_of(x, self._seeds, values, memory, recording=True)
            return memory

        def draw(x, memory, seeds, values, counted):
            passes = counted.shape[0]
            x, memory = _repeated((x, memory), passes)
            outputs = outputs_of(x, keras.ops.unstack(seeds), values, iter(memory))
            return keras.tree.map_structure(
                lambda output: keras.ops.reshape(
                    output, (passes, -1, *keras.ops.shape(output)[1:])
                ),
                _activated(outputs, activation),
            )

        self._begin, self._draw = _compiled(begin), _compiled(draw)
        self._loops = {}

    def begin(self, x):
        """Computes what all passes over these rows share."""
        x = keras.tree.map_structure(keras.ops.convert_to_tensor, x)
        if not self._has_trunk:
            return x, []
        values = self._values()
        return x, self._begin(x, values)(x, values)

    def samples(self, begun, key, passes, chunk):
        """Draws all passes over these rows, `chunk` in a call.

        Returns the structure of the outputs, with arrays of shape `(passes, rows, ...)`.
        """
        calls = []
        for first in range(0, passes, chunk):
            one = *begun, self._draw_seeds(key, first), self._values(), np.ones(chunk, bool)
            drawn = self._draw(*one)(*one)
            calls.append(keras.tree.map_structure(keras.ops.convert_to_numpy, drawn))
        return keras.tree.map_structure(lambda *parts: np.concatenate(parts)[:passes], *calls)

    def moments(self, begun, key, passes, chunk):
        """Draws the same passes; returns their mean and standard deviation only.

        The loop over the calls is compiled too, for up to `CALLS` of them.
        """
        slices = []
        for start in range(0, passes, CALLS * chunk):
            firsts = range(start, start + CALLS * chunk, chunk)
            seeds = np.stack([self._draw_seeds(key, first) for first in firsts])
            counted = (start + np.arange(CALLS * chunk).reshape(CALLS, chunk)) < passes
            calls = np.asarray(counted.any(axis=1).sum())
            loop = self._loop(*begun, seeds[0], self._values(), counted[0])
            arguments = *begun, seeds, self._values(), counted, calls
            slices += loop(*arguments)(*arguments)
        counts = [min(CALLS * chunk, passes - first) for first in range(0, passes, CALLS * chunk)]
        mean, std = functools.partial(_mean, counts), functools.partial(_std, counts)
        return keras.tree.map_structure(mean, *slices), keras.tree.map_structure(std, *slices)

    def _loop(self, *one):
        """The compiled loop over calls with arguments like these."""
        draw = self._draw(*one)
        if draw not in self._loops:
            self._loops[draw] = _compiled(functools.partial(_sums, draw))
        return self._loops[draw]

    def _draw_seeds(self, key, first):
        return np.random.default_rng((*key, first)).integers(2**31, size=(len(self._seeds), 2))

    def _values(self):
        """TensorFlow's functions read variables themselves, those of JAX know their arguments."""
        if keras.backend.backend() == "tensorflow":
            return []
        return [variable.value for variable in self._others]


def _repeated(tensors, passes):
    def repeat(x):
        return keras.ops.tile(x, (passes, *[1] * (len(x.shape) - 1))) if x is not None else None

    return tensors if passes == 1 else keras.tree.map_structure(repeat, tensors)


def _compiled(function):
    """Returns what gives the compiled function for arguments like those it is called with."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False).get_concrete_function
    if backend == "jax":
        import jax

        function = jax.jit(function)
    return lambda *_: function


def _sums(draw, x, memory, seeds, values, counted, calls):
    """Sums over the passes that count, each around the first sample of all.

    Sums of plain squares would cancel where the spread is small beside the mean, and would leave
    a spread where there is none.

    Returns:
        Three structures like the outputs': the first sample, the sum of the deviations from it and
        of their squares.
    """

    outputs = _specifications(draw, (x, memory, seeds[0], values, counted[0]))
    dtype = "float64" if keras.backend.backend() == "tensorflow" else "float32"
    start = []
    for output in keras.tree.flatten(outputs):
        shape = [size or 1 for size in output.shape[1:]]
        start.append([keras.ops.zeros(shape, kind) for kind in (output.dtype, dtype, dtype)])

    def add(call, sums):
        samples = keras.tree.flatten(draw(x, memory, seeds[call], values, counted[call]))
        pairs = zip(sums, samples, strict=True)
        return call + 1, [_added(*of, sample, counted[call], call == 0) for of, sample in pairs]

    sums = _while(calls, add, start)
    return [keras.tree.pack_sequence_as(outputs, part) for part in zip(*sums, strict=True)]


def _added(origin, total, squares, samples, counted, is_first):
    origin = keras.ops.where(is_first, samples[0], origin)
    deviations = keras.ops.cast(samples, total.dtype) - keras.ops.cast(origin, total.dtype)
    counted = keras.ops.reshape(counted, (-1, *[1] * len(origin.shape)))
    deviations = keras.ops.where(counted, deviations, keras.ops.zeros_like(deviations))
    total = total + keras.ops.sum(deviations, axis=0)
    return [origin, total, squares + keras.ops.sum(keras.ops.square(deviations), axis=0)]


def _specifications(draw, arguments):
    """The structure of what a compiled function returns, with shapes and types."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return draw.structured_outputs
    if backend == "jax":
        import jax

        return jax.eval_shape(draw, *arguments)
    return draw(*arguments)


def _while(calls, body, start):
    """A compiled loop, one call after the other: several at once would need more memory."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        shapes = keras.tree.map_structure(lambda x: tf.TensorShape([None] * x.shape.rank), start)
        number = tf.constant(0, calls.dtype)
        return tf.while_loop(
            lambda call, sums: call < calls,
            body,
            (number, start),
            shape_invariants=(tf.TensorShape([]), shapes),
            parallel_iterations=1,
        )[1]
    if backend == "jax":
        import jax

        return jax.lax.fori_loop(0, calls, lambda call, sums: body(call, sums)[1], start)
    for call in range(int(calls)):
        _, start = body(call, start)
    return start


def _mean(counts, *sums):
    origin, total, _ = _merged(counts, *sums)
    return (origin + total / sum(counts)).astype("float32")


def _std(counts, *sums):
    _, total, squares = _merged(counts, *sums)
    variance = squares / sum(counts) - np.square(total / sum(counts))
    return np.sqrt(np.maximum(variance, 0)).astype("float32")


def _merged(counts, *sums):
    """The sums around the first of several origins."""
    sums = [keras.ops.convert_to_numpy(x).astype("float64") for x in sums]
    origins, totals, squares = sums[0::3], sums[1::3], sums[2::3]
    total = square = 0
    for count, origin, own_total, own_square in zip(counts, origins, totals, squares, strict=True):
        shift = origin - origins[0]
        total = total + own_total + count * shift
        square = square + own_square + 2 * shift * own_total + count * np.square(shift)
    return origins[0], total, square


def _activated(outputs, activation):
    try:
        if not keras.tree.is_nested(activation):
            activation = keras.tree.map_structure(lambda _: activation, outputs)
        keras.tree.assert_same_structure(activation, outputs)
        functions = keras.tree.map_structure(keras.activations.get, activation)
    except ValueError as error:
        raise InputError(f"`activation`: {error}") from error
    return keras.tree.map_structure(
        lambda function, output: function(keras.ops.cast(output, "float32")), functions, outputs
    )


@dataclasses.dataclass
class _Step:
    """One call of an operation in a graph.

    Attributes:
        node: The `Node` of Keras: the operation and its symbolic arguments and outputs.
        random: Whether it has to run in every pass.
        inside: The steps of a nested model that runs in every pass, but not the whole of it.
        kept: Those of its outputs that the passes need, if it runs once.
    """

    node: object
    random: bool
    inside: list
    kept: list


def _graph(model):
    """The graph of a functional or sequential model, `None` for any other."""
    call = getattr(type(model), "call", None)
    if isinstance(model, keras.Function) and call.__qualname__ == "Functional.call":
        return model
    if isinstance(model, keras.Sequential) and call is keras.Sequential.call:
        return model._functional
    return None


def _steps(graph, random_layers):
    """The calls of a graph in the order of Keras, each either random or not."""
    random, needed = set(), {id(tensor) for tensor in graph.outputs}
    steps = []
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input:
                continue
            varies = any(id(tensor) in random for tensor in node.input_tensors)
            inside = _contains(node.operation, random_layers)
            steps.append(_Step(node, varies or inside or not _has_rows_first(node), [], []))
            if inside and not varies and (nested := _graph(node.operation)) is not None:
                inside = _steps(nested, random_layers)
                steps[-1].inside = inside if _has_trunk(inside) else []
            if steps[-1].random:
                random.update(map(id, node.outputs))
                needed.update(map(id, node.input_tensors))
    for step in steps:
        if not step.random:
            step.kept = [tensor for tensor in step.node.outputs if id(tensor) in needed]
    return steps


def _has_trunk(steps):
    return any(step.inside or not step.random for step in steps)


def _contains(operation, layers):
    return isinstance(operation, keras.Layer) and any(
        id(layer) in layers for layer in operation._flatten_layers()
    )


def _has_rows_first(node):
    """Whether the outputs can be repeated along the rows, as far as their shapes tell."""
    layer = isinstance(node.operation, keras.Layer)
    return all(
        len(tensor.shape) > 0
        and tensor.shape[0] is None
        and (layer or None not in tensor.shape[1:])
        for tensor in node.outputs
    )


@contextlib.contextmanager
def _walking(graph, steps, memory, recording):
    """Inside the block the graph runs its random steps only, or its others only and keeps them.

    Args:
        graph: A functional model, which may be that of a sequential one.
        steps: What `_steps` returned for it.
        memory: List for pairs of tensor and mask when recording, afterwards an iterator over it.
        recording: Boolean.
    """

    def walk(inputs, operation_fn=lambda operation: operation, call_fn=None):
        flat = keras.tree.flatten(inputs)
        tensors = {id(symbol): x for symbol, x in zip(graph.inputs, flat, strict=True)}
        for step in steps:
            if step.random and (not recording or step.inside):
                run = _run(step, tensors, operation_fn, memory, recording)
                if not recording:
                    tensors.update(run)
            elif not step.random and recording:
                tensors.update(_run(step, tensors, operation_fn))
                memory.extend((tensors[id(x)], get_keras_mask(tensors[id(x)])) for x in step.kept)
            elif not step.random:
                for symbol in step.kept:
                    tensors[id(symbol)], mask = next(memory)
                    set_keras_mask(tensors[id(symbol)], mask)
        return keras.tree.map_structure(
            lambda symbol: tensors[id(symbol)] if id(symbol) in tensors else _stand_in(symbol),
            graph._outputs_struct,
        )

    vars(graph)["_run_through_graph"] = walk
    try:
        yield
    finally:
        del vars(graph)["_run_through_graph"]


def _run(step, tensors, operation_fn, memory=None, recording=False):
    """Runs a step; returns its outputs by the identity of their symbols."""
    arguments, options = step.node.arguments.fill_in(tensors)
    operation = step.node.operation
    inside = _unchanged()
    if step.inside:
        inside = _walking(_graph(operation), step.inside, memory, recording)
    with inside:
        outputs = operation_fn(operation)(*arguments, **options)
    return {
        id(symbol): output
        for symbol, output in zip(step.node.outputs, keras.tree.flatten(outputs), strict=True)
    }


def _stand_in(symbol):
    """What a nested model gives for a random output while the others are recorded."""
    return keras.ops.zeros([size or 1 for size in symbol.shape], symbol.dtype)


_unchanged = contextlib.nullcontext


@contextlib.contextmanager
def _in_training_mode(layers, cells):
    """Inside the block these layers behave as in training, and no other layer does."""
    own_calls = [vars(layer).get("call") for layer in layers]
    try:
        for layer in layers:
            vars(layer)["call"] = _fused(layer) if _is_plain(layer) else _with_training(layer.call)
        yield
    finally:
        for layer, own_call in zip(layers, own_calls, strict=True):
            if own_call is None:
                del vars(layer)["call"]
            else:
                vars(layer)["call"] = own_call
        for cell in cells:
            cell.reset_dropout_mask()
            cell.reset_recurrent_dropout_mask()


def _with_training(call):
    def call_in_training_mode(*arguments, **options):
        return call(*arguments, **options | {"training": True})

    return call_in_training_mode


def _is_plain(layer):
    """Whether it does what Keras' own `Dropout` does, on a device where random numbers are slow."""
    is_of_keras = type(layer).call.__module__ == keras.layers.Dropout.__module__
    return is_of_keras and "call" not in vars(layer) and layer.rate < 1 and _on_a_processor()


@functools.cache
def _on_a_processor():
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return not tf.config.list_physical_devices("GPU")
    if backend == "jax":
        import jax

        return jax.default_backend() == "cpu"
    return False


def _fused(layer):
    """`Dropout.call` in training, with the mask drawn and applied in one loop over the inputs."""

    def call(inputs, training=True):
        return _fused_dropout()(inputs, layer.seed_generator.next(), layer.rate, layer.noise_shape)

    return call


@functools.cache
def _fused_dropout():
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(dropped, autograph=False, jit_compile=True)
    return dropped


def dropped(inputs, seed, rate, noise_shape=None):
    """Dropout whose random numbers cost about as much as an addition once they are compiled.

    The generators of TensorFlow and JAX take longer for a mask, on a processor, than the matrix
    product behind it. Here each unit hashes its place with the seed. It is kept if the 32 bits are
    below a threshold, so the share that is kept is exact to `2 ** -32`.

    Reference: the hash is "lowbias32" of Wellons 2018, Prospecting for Hash Functions,
        https://nullprogram.com/blog/2018/07/31/.

    Args:
        inputs: Float tensor.
        seed: Two integers.
        rate: Float in [0, 1), the share of units that is dropped.
        noise_shape: As for `keras.layers.Dropout`.

    Returns:
        The inputs, each either zero or divided by `1 - rate`.
    """
    shape = keras.ops.shape(inputs)
    if noise_shape is not None:
        shape = [size if own is None else own for size, own in zip(shape, noise_shape, strict=True)]
    place = keras.ops.cast(keras.ops.arange(_product(shape), dtype="int32"), "uint32")
    first, second = keras.ops.unstack(keras.ops.cast(seed, "uint32"), 2)
    second = _hashed(keras.ops.bitwise_xor(second, _hashed(first)))
    bits = _hashed(keras.ops.bitwise_xor(_hashed(place + first), second))
    threshold = min(round((1 - rate) * 2**32), 2**32 - 1)
    kept = keras.ops.reshape(bits, shape) < _uint32(threshold)
    return keras.ops.where(kept, inputs * (1 / (1 - rate)), keras.ops.zeros_like(inputs))


def _hashed(x):
    for shift, constant in zip((16, 15), CONSTANTS, strict=True):
        x = keras.ops.bitwise_xor(x, keras.ops.right_shift(x, _uint32(shift))) * _uint32(constant)
    return keras.ops.bitwise_xor(x, keras.ops.right_shift(x, _uint32(16)))


def _uint32(number):
    return keras.ops.convert_to_tensor(np.uint32(number))


def _product(shape):
    return functools.reduce(operator.mul, shape, 1)
