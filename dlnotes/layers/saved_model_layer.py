"""A tensorflow-hub module, or any SavedModel, as a layer of a Keras 3 model."""

import contextlib
import inspect
from pathlib import Path
import shutil
import tempfile
import weakref

from dlnotes._keras import keras
from dlnotes.errors import InputError

FETCHED = {}
"""Folders of the remote handles that this process has resolved."""


@keras.saving.register_keras_serializable(package="dlnotes")
class SavedModelLayer(keras.layers.Layer):
    """A tensorflow-hub module or a SavedModel folder as a layer, frozen or fine-tuned.

    Brings a trained module (a sentence encoder, an image network, a model written by
    `model.export`) into a Keras 3 model. Keras 3 refuses `hub.KerasLayer`, and its own `TFSMLayer`
    can neither be fine-tuned with Adam nor loaded in safe mode. The weights of this layer *are* the
    variables of the module, so that every optimiser moves them and `get_weights` shows them.

    A saved `.keras` file carries the module and the weights as they are now, so it can be loaded
    where the handle does not exist; it is about twice as large as the module for that. Loading it
    fetches nothing from a network. A module is a program: load files of people you trust only.

    TensorFlow backend only, and never compiled with XLA (modules hold strings and tables).

    Reference: Abadi et al., "TensorFlow: Large-scale machine learning on heterogeneous systems",
    2015; notes 002:1272, 002:1423-1425.

    Args:
        handle: String or path, the folder of a SavedModel, or whatever `tensorflow_hub.resolve`
            takes, such as `"https://tfhub.dev/google/universal-sentence-encoder/4"`.
        trainable: Boolean, whether `fit` changes the module's weights. While it is `False`, the
            module runs in inference mode even within `fit`, as batch normalisation does. Compile
            again after changing it. Defaults to `False`.
        signature: String, name of the function to call: a signature or a method of the module. By
            default the module itself, else its method `serve` (Keras exports), else its signature
            `"serving_default"`.
        output_key: String, the entry to return, where the module returns a dictionary. By default
            everything.
        module: Dictionary that `get_config` writes: the weights and calls of the module. Not for
            use by hand.
        **kwargs: `name` and `dtype` of the layer.

    Call arguments:
        inputs: A tensor, or a list or dictionary of tensors, as the module takes them. Numbers are
            cast to the module's precision, but never between integers and floats.
        training: Boolean, handed on to modules that take it.

    Input shape:
        That of the module: often `(batch,)` strings for texts.

    Output shape:
        That of the module.

    Raises:
        InputError: If the handle cannot be resolved or loaded, `signature` or `output_key` does not
            exist, the inputs do not fit, or the backend is not TensorFlow.

    Example:

    >>> import tempfile
    >>> import keras
    >>> from dlnotes.layers import SavedModelLayer
    >>> folder = tempfile.mkdtemp()
    >>> keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).export(folder, verbose=False)
    >>> inputs = keras.Input((3,))
    >>> model = keras.Model(inputs, SavedModelLayer(folder, trainable=True)(inputs))
    >>> model.output_shape, len(model.trainable_weights)
    ((None, 2), 2)
    """

    def __init__(
        self,
        handle,
        trainable=False,
        signature=None,
        output_key=None,
        module=None,
        **kwargs,
    ):
        _check_backend()
        super().__init__(autocast=False, **kwargs)
        self.supports_jit = False
        self.handle = str(handle)
        self.signature = signature
        self.output_key = output_key
        self._description = module
        self._folder = self._module = self._function = None
        if module is None:
            self._open(_resolve(self.handle))
            if trainable and not any(v["trainable"] for v in self._description["variables"]):
                raise InputError(
                    f"The module {self.handle!r} has no trainable weights, so `trainable=True` "
                    "would train nothing. Use `trainable=False`."
                )
        elif folder := _folder_at_hand(self.handle):
            with contextlib.suppress(InputError):
                self._open(folder)
        if self._function is None:
            self._storage = [_zeros(variable) for variable in self._description["variables"]]
        with keras.name_scope(self.name, caller=self):
            self._shared_weights = [
                keras.Variable(
                    variable,
                    dtype=description["dtype"],
                    trainable=description["trainable"],
                    autocast=False,
                    name=description["name"],
                )
                for variable, description in zip(
                    self._storage, self._description["variables"], strict=True
                )
            ]
        self.trainable = trainable
        self.built = True

    def _open(self, folder, storage=None):
        """Takes the module in a folder into use, if it is the one that the layer was made for."""
        module, created = _load(folder, self.handle, storage or {})
        function = _function(module, self.signature, self.handle)
        variables = _variables(function)
        description = _describe(function, variables, created, self.output_key, self.handle)
        if self._description not in (None, description):
            raise InputError(
                f"The module in {str(folder)!r} is not the one that the layer {self.name!r} was "
                "made with: its weights or its calls differ."
            )
        self._description, self._folder = description, Path(folder)
        self._module, self._function, self._storage = module, function, variables

    def call(self, inputs, training=None):
        if self._function is None:
            raise InputError(
                f"The layer {self.name!r} was made from a configuration alone, and its module "
                f"{self.handle!r} is not here, or is not the one it was made with. Load the model "
                "from its `.keras` file, which carries the module, or make a "
                f"`SavedModelLayer({self.handle!r})` first, which fetches it."
            )
        inputs = self._as_the_module_takes_them(inputs)
        options = {}
        if self._description["takes_training"]:
            options["training"] = bool(training) and self.trainable
        if self._description["by_name"]:
            return _selected(self._function(**inputs), self.output_key, by_name=True)
        return _selected(self._function(inputs, **options), self.output_key, by_name=False)

    def compute_output_spec(self, inputs, training=None):
        outputs = self._matching_call(inputs)["outputs"]
        if any(text.endswith("...") for text in keras.tree.flatten(outputs)):
            raise InputError(
                f"The module {self.handle!r} does not say how many axes its output has: "
                f"{outputs}. Choose another `signature`, or fix the shape of the output with "
                "`tf.ensure_shape` when it is exported."
            )
        return _map(lambda text: keras.KerasTensor(*_shape_and_dtype(text)), outputs)

    def _as_the_module_takes_them(self, inputs):
        import tensorflow as tf

        specs = self._matching_call(inputs)["inputs"]
        if self._description["by_name"] and not isinstance(inputs, dict):
            inputs = dict.fromkeys(specs, inputs)

        def fitted(tensor, text):
            shape, dtype = _shape_and_dtype(text)
            return tf.ensure_shape(tf.cast(tensor, dtype), shape)

        pairs = zip(keras.tree.flatten(inputs), keras.tree.flatten(specs), strict=True)
        return keras.tree.pack_sequence_as(inputs, [fitted(*pair) for pair in pairs])

    def _matching_call(self, inputs):
        by_name = self._description["by_name"]
        for call in self._description["calls"]:
            specs = call["inputs"]
            if by_name and not isinstance(inputs, dict) and len(specs) == 1:
                (specs,) = specs.values()
            if _fits(inputs, specs):
                return call
        raise InputError(
            f"The module {self.handle!r} takes "
            f"{' or '.join(str(call['inputs']) for call in self._description['calls'])}, but got "
            f"{_map(_text, inputs)} (type and shape, ? is any length). Give the `keras.Input` that "
            "shape and `dtype`."
        )

    def get_config(self):
        config = {
            "handle": self.handle,
            "signature": self.signature,
            "output_key": self.output_key,
            "module": _map(lambda value: value, self._description),
        }
        return super().get_config() | config

    def save_assets(self, dir_path):
        """Packs the module into the `.keras` file."""
        if self._folder is None or not self._folder.is_dir():
            raise InputError(
                f"The folder {str(self._folder or self.handle)!r} of the module is gone, so it "
                "cannot be packed into the file. Put it back and save again, or save the weights "
                "alone with `save_weights`."
            )
        shutil.copytree(self._folder, Path(dir_path) / "module")

    def load_assets(self, dir_path):
        """Takes the module from the `.keras` file, with the weights that were loaded before."""
        folder = Path(tempfile.mkdtemp(prefix="dlnotes-module-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        shutil.copytree(Path(dir_path) / "module", folder, dirs_exist_ok=True)
        weights = self.get_weights()
        order = [variable["order"] for variable in self._description["variables"]]
        self._open(folder, dict(zip(order, self._storage, strict=True)))
        self.set_weights(weights)


def _check_backend():
    if keras.config.backend() != "tensorflow":
        raise InputError(
            f"A SavedModel runs on TensorFlow only, but the Keras backend is "
            f"{keras.config.backend()!r}. Set the environment variable KERAS_BACKEND=tensorflow "
            "before Keras is imported."
        )


def _folder_at_hand(handle):
    """The folder of a handle, if it needs no network; else `None`."""
    folder = Path(handle).expanduser()
    return folder if folder.is_dir() else FETCHED.get(handle)


def _resolve(handle):
    if folder := _folder_at_hand(handle):
        return folder
    try:
        import tensorflow_hub
    except ImportError as error:
        raise InputError(
            f"`handle` {handle!r} is no folder here, and tensorflow-hub, which could fetch it, "
            f"cannot be imported ({error}). Run: pip install tensorflow-hub 'setuptools<80'"
        ) from error
    try:
        FETCHED[handle] = tensorflow_hub.resolve(handle)
    except Exception as error:
        raise InputError(
            f"`handle` {handle!r} cannot be resolved ({error}). Give the folder of a SavedModel "
            "(it holds a file saved_model.pb), or a tensorflow-hub handle, such as "
            "'https://tfhub.dev/google/universal-sentence-encoder/4', which needs a network the "
            "first time."
        ) from error
    return FETCHED[handle]


def _load(folder, handle, storage):
    """Loads a SavedModel.

    Args:
        folder: Path.
        handle: String, for the message of an error.
        storage: Dictionary of variables to load into instead of new ones. The keys are their
            places in the order in which the loader asks for variables.

    Returns:
        The loaded object and all its variables in that order, each with its name.
    """
    import tensorflow as tf

    created = []

    def create(next_creator, **options):
        variable = storage.get(len(created))
        if variable is None:
            variable = next_creator(**options)
        created.append((variable, options["name"] or "variable"))
        return variable

    try:
        with tf.variable_creator_scope(create):
            return tf.saved_model.load(str(folder)), created
    except Exception as error:
        raise InputError(
            f"`handle` {handle!r}: the folder {str(folder)!r} cannot be loaded as a SavedModel of "
            f"TensorFlow 2 ({error}). Give a folder that holds saved_model.pb, as "
            "`model.export(folder)` and `tf.saved_model.save` write it."
        ) from error


def _zeros(description):
    import tensorflow as tf

    return tf.Variable(
        tf.zeros(description["shape"], description["dtype"]), trainable=description["trainable"]
    )


def _function(module, signature, handle):
    """The function to call: the module, one of its methods or one of its signatures."""
    if signature is None:
        if callable(module):
            return module.__call__
        if hasattr(module, "serve"):
            return module.serve
        signature = "serving_default"
    if signature in module.signatures:
        return module.signatures[signature]
    if hasattr(getattr(module, signature, None), "concrete_functions"):
        return getattr(module, signature)
    raise InputError(
        f"The module {handle!r} has no `signature` {signature!r}; its signatures are "
        f"{sorted(module.signatures)}."
    )


def _concrete(function):
    return getattr(function, "concrete_functions", None) or [function]


def _variables(function):
    """The variables that a function uses, each once; strings cannot be weights."""
    variables = {}
    for concrete in _concrete(function):
        variables |= {id(v): v for v in concrete.variables if v.dtype.name != "string"}
    return list(variables.values())


def _describe(function, variables, created, output_key, handle):
    """What a function takes, returns and trains, as plain values that JSON can hold."""
    by_name = not hasattr(function, "concrete_functions")
    calls = []
    for concrete in _concrete(function):
        arguments, named = concrete.structured_input_signature
        tensors = [value for value in (*arguments, *named.values()) if _has_tensors(value)]
        if not by_name and len(tensors) != 1:
            continue
        outputs = _selected(concrete.structured_outputs, output_key, by_name)
        call = {
            "inputs": _map(_text, named if by_name else tensors[0]),
            "outputs": _map(_text, outputs),
        }
        if call not in calls:
            calls.append(call)
    if not calls:
        raise InputError(
            f"The module {handle!r} has no function of one input (a tensor, or a list or "
            "dictionary of tensors) that was traced before it was exported. Choose another "
            "`signature`."
        )
    origins = {id(variable): (order, name) for order, (variable, name) in enumerate(created)}
    return {
        "variables": [
            {
                "order": origins[id(variable)][0],
                "name": origins[id(variable)][1].replace("/", "_"),
                "shape": variable.shape.as_list(),
                "dtype": variable.dtype.name,
                "trainable": bool(variable.trainable),
            }
            for variable in variables
        ],
        "calls": calls,
        "takes_training": not by_name and "training" in inspect.signature(function).parameters,
        "by_name": by_name,
    }


def _selected(outputs, output_key, by_name):
    if output_key is None:
        return next(iter(outputs.values())) if by_name and len(outputs) == 1 else outputs
    if not isinstance(outputs, dict) or output_key not in outputs:
        keys = sorted(outputs) if isinstance(outputs, dict) else "none: it returns no dictionary"
        raise InputError(f"The module has no `output_key` {output_key!r}; its keys are {keys}.")
    return outputs[output_key]


def _has_tensors(value):
    return any(hasattr(leaf, "dtype") for leaf in keras.tree.flatten(value))


def _map(function, structure):
    """Applies a function to the leaves of lists and dictionaries; tuples become lists."""
    if isinstance(structure, dict):
        return {key: _map(function, value) for key, value in structure.items()}
    if isinstance(structure, list | tuple):
        return [_map(function, value) for value in structure]
    return function(structure)


def _text(tensor):
    """Type and shape in short, such as `"float32 ? 512"`, or `"float32 ..."` for any shape."""
    shape = tensor.shape
    unknown = getattr(shape, "rank", 0) is None
    sizes = ["..."] if unknown else ["?" if size is None else str(size) for size in shape]
    return " ".join([getattr(tensor.dtype, "name", tensor.dtype), *sizes])


def _shape_and_dtype(text):
    dtype, *sizes = text.split()
    if sizes == ["..."]:
        return None, dtype
    return tuple(None if size == "?" else int(size) for size in sizes), dtype


def _fits(inputs, specs):
    """Whether tensors have the structure, the kinds of numbers and the shapes of a call."""
    if _map(lambda leaf: None, inputs) != _map(lambda leaf: None, specs):
        return False
    pairs = zip(keras.tree.flatten(_map(_text, inputs)), keras.tree.flatten(specs), strict=True)
    return all(_is_compatible(*map(_shape_and_dtype, pair)) for pair in pairs)


def _is_compatible(one, other):
    (shape, dtype), (expected_shape, expected_dtype) = one, other
    if dtype.rstrip("0123456789") != expected_dtype.rstrip("0123456789"):
        return False
    if shape is None or expected_shape is None:
        return True
    sizes = zip(shape, expected_shape, strict=False)
    return len(shape) == len(expected_shape) and all(
        None in pair or pair[0] == pair[1] for pair in sizes
    )
