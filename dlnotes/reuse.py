"""One compiled model for many seeds."""

import functools

from dlnotes._keras import keras
from dlnotes.recurrent import reset_states, stateful_layers


def reuse(build):
    """Wraps a function that builds and compiles a model, so that its graph is traced only once.

    Tracing costs seconds for every new model, which is most of a study of small models over
    seeds. The wrapped function builds anew at each call, with the seed set, but gives back the
    model of its first call with the same arguments, with every variable of the new one: weights,
    optimizer, dropout seeds; states of stateful layers are zero. Training it gives what training
    the new model would have given.

    Since one model is returned again and again, finish with it before you ask for the next one.
    Set a learning rate on the model you get, `model.optimizer.learning_rate = 0.01`; as an
    argument it would be traced anew.

    Args:
        build: Function that returns a compiled model and takes hashable arguments.

    Returns:
        Function of `seed` and the arguments of `build`.

    Example:

    >>> from dlnotes.reuse import reuse
    >>> import keras
    >>> @reuse
    ... def network(units):
    ...     model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])
    ...     model.compile("sgd", "mse")
    ...     return model
    >>> first = network(0, units=2)
    >>> network(1, units=2) is first
    True
    """
    kept = {}

    @functools.wraps(build)
    def rebuilt(seed, *arguments, **options):
        keras.utils.set_random_seed(seed)
        new = build(*arguments, **options)
        new.optimizer.build(new.trainable_variables)
        model = kept.setdefault((arguments, *sorted(options.items())), new)
        if model is not new:
            _copy(new.variables, model.variables)
            _copy(new.optimizer.variables, model.optimizer.variables)
            if stateful_layers(model):
                reset_states(model)
        keras.utils.set_random_seed(seed)
        return model

    return rebuilt


def _copy(sources, targets):
    for source, target in zip(sources, targets, strict=True):
        target.assign(source)
