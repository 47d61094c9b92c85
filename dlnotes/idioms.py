"""What people wrote for Keras 2, what it does on Keras 3, and what to write instead.

`IDIOMS` is plain data, read by `dlnotes migrate`, by the gallery and by the tests, which execute
every `old` and every `new` line. It needs no Keras. Rows stand in the order of `GROUPS`.

Example:

>>> from dlnotes.idioms import IDIOMS
>>> row = next(idiom for idiom in IDIOMS if idiom.id == "optimizer-lr")
>>> row.old, row.effect
('optimizer = keras.optimizers.Adam(lr=0.01)', 'fails')
"""

from dataclasses import dataclass, field

FAILS = "fails"
NOTHING = "does nothing"
OTHERWISE = "does something else"


@dataclass(frozen=True)
class Name:
    """A dotted name, imported or used, and everything below it.

    `names` maps it to what replaces it, or to `None`. A trailing `.*` means only what is below it.
    `plain` says that it is missing from `keras` alone: `tf.keras` still has it.
    """

    names: dict
    plain: bool = False


@dataclass(frozen=True)
class Keyword:
    """A keyword argument of a call, mapped to its new name, or to `None`.

    `of` is a kind of thing (`layer`, `optimizer`), a dotted name or a method (`model.fit`);
    `value` limits it to one written value.
    """

    of: tuple
    names: dict
    value: str | None = None


@dataclass(frozen=True)
class Attribute:
    """An attribute of a kind of thing (`model`, `layer`, ...), mapped to its new name or `None`."""

    of: tuple
    names: dict


@dataclass(frozen=True)
class Suffix:
    """A file name written in a call, without one of the endings that Keras accepts."""

    of: str
    endings: tuple
    flag: tuple | None = None


@dataclass(frozen=True)
class Rule:
    """A rule of its own in `dlnotes.scanner`: what it needs to know has no simpler form."""

    name: str


@dataclass(frozen=True)
class Idiom:
    """One row of the table.

    `old` and `new` run after `setup`. Where `effect` is "fails", `old` raises `error`: the name of
    the exception and a piece of its message. Otherwise `symptom` is true after `old` and, unless
    the cure is only to leave something out (`leave_out`), false after `new`.
    """

    id: str
    group: str
    old: str
    new: str
    why: str
    pattern: Name | Keyword | Attribute | Suffix | Rule
    effect: str = FAILS
    error: tuple = ()
    symptom: str = ""
    leave_out: bool = False
    setup: str = field(default="", repr=False)


KERAS = "import keras\nimport numpy as np\n"
TENSORFLOW = KERAS + "import tensorflow as tf\n"
BACKEND = KERAS + "from keras import backend as K\n\nx = np.array([[1.0, 2.0]], 'float32')\n"
TENSOR = KERAS + "\ninputs = keras.Input((4,))\n"
DATA = """
x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
y = (x.sum(axis=1, keepdims=True) > 0).astype("float32")
"""
NETWORK = """
layers = [keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(1, activation="sigmoid")]
model = keras.Sequential(layers)
model.compile("sgd", "mse", metrics=["accuracy"], run_eagerly=True)
"""
MODEL = KERAS + DATA + NETWORK
FUNCTIONAL = (
    KERAS
    + DATA
    + """
inputs = keras.Input((4,))
hidden = keras.layers.Dense(3)(inputs)
outputs = keras.layers.Dense(1)(hidden)
model = keras.Model(inputs, outputs)
"""
)
DISCRIMINATOR = (
    KERAS
    + DATA
    + """
generator = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
discriminator = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
before = discriminator.get_weights()[0]
"""
)
RATE = """
def rate_after(steps, optimizer):
    optimizer.iterations.assign(steps)
    return float(optimizer.learning_rate)
"""
TEXTS = KERAS + "\ntexts = np.array(['the cat sat', 'the dog'], dtype=object)\n"
SERIES = KERAS + "\nseries = np.arange(6.0).reshape(6, 1)\n"

SAME_IN_OPS = """
abs all any arange argmax argmin binary_crossentropy cast categorical_crossentropy clip concatenate
cos cumprod cumsum dot elu equal exp expand_dims eye greater greater_equal in_top_k less less_equal
log max maximum mean min minimum ndim not_equal one_hot ones ones_like prod relu repeat
reshape round shape sigmoid sign sin softmax softplus softsign sparse_categorical_crossentropy sqrt
square squeeze stack std stop_gradient sum tanh tile transpose var zeros zeros_like
"""

OPTIMIZER = ("optimizer",)
LAYER = ("layer",)

NAMES = "Names and modules"
LAYERS = "Layers and their arguments"
TENSORS = "Layers, tensors and models from inside"
TRAINING = "Training and prediction"
OPTIMIZERS = "Optimizers"
METRICS = "Losses and metrics"
CALLBACKS = "Callbacks"
SAVING = "Saving and loading"
INPUTS = "Text, sequences and images"
BACKENDS = "The backend and TensorFlow 1"

GROUPS = (
    NAMES,
    LAYERS,
    TENSORS,
    TRAINING,
    OPTIMIZERS,
    METRICS,
    CALLBACKS,
    SAVING,
    INPUTS,
    BACKENDS,
)

IDIOMS = (
    # ---------------------------------------------------------------- Names and modules
    Idiom(
        id="np-utils",
        group=NAMES,
        setup=KERAS,
        old="from keras.utils import np_utils\ncodes = np_utils.to_categorical([0, 2])",
        new="codes = keras.utils.to_categorical([0, 2])",
        why="The module `np_utils` is gone; its functions stand in `keras.utils`.",
        error=("ImportError", "np_utils"),
        pattern=Name({"keras.utils.np_utils": "keras.utils"}),
    ),
    Idiom(
        id="utils-submodules",
        group=NAMES,
        old="from keras.utils.vis_utils import plot_model",
        new="from keras.utils import plot_model",
        why="The modules below `keras.utils` are gone; what is left stands in `keras.utils`.",
        error=("ModuleNotFoundError", "keras.utils.vis_utils"),
        pattern=Name(
            {
                "keras.utils.vis_utils": "keras.utils",
                "keras.utils.visualize_util": "keras.utils",
                "keras.utils.data_utils": "keras.utils",
                "keras.utils.generic_utils": "keras.utils",
                "keras.utils.layer_utils": "keras.utils",
            }
        ),
    ),
    Idiom(
        id="layers-submodules",
        group=NAMES,
        old="from keras.layers.core import Dense, Dropout",
        new="from keras.layers import Dense, Dropout",
        why="The modules below `keras.layers` are gone; all layers stand in `keras.layers`.",
        error=("ModuleNotFoundError", "keras.layers.core"),
        pattern=Name(
            {
                "keras.layers.core": "keras.layers",
                "keras.layers.convolutional": "keras.layers",
                "keras.layers.convolutional_recurrent": "keras.layers",
                "keras.layers.recurrent": "keras.layers",
                "keras.layers.embeddings": "keras.layers",
                "keras.layers.normalization": "keras.layers",
                "keras.layers.pooling": "keras.layers",
                "keras.layers.advanced_activations": "keras.layers",
                "keras.layers.wrappers": "keras.layers",
                "keras.layers.noise": "keras.layers",
            }
        ),
    ),
    Idiom(
        id="layers-merge-module",
        group=NAMES,
        old="from keras.layers.merge import concatenate",
        new="from keras.layers import concatenate",
        why="The module `keras.layers.merge` is gone; its functions stand in `keras.layers`.",
        error=("ModuleNotFoundError", "keras.layers.merge"),
        pattern=Name({"keras.layers.merge.*": "keras.layers"}),
    ),
    Idiom(
        id="merge",
        group=NAMES,
        setup=TENSOR,
        old='from keras.layers import merge\nboth = merge([inputs, inputs], mode="concat")',
        new="from keras.layers import concatenate\nboth = concatenate([inputs, inputs])",
        why="`merge` and `Merge` went with Keras 2: use `add`, `multiply`, `concatenate`, `dot`, "
        "... or the layers of these names.",
        error=("ImportError", "merge"),
        pattern=Name({"keras.layers.merge": None, "keras.layers.Merge": None}),
    ),
    Idiom(
        id="keras-engine",
        group=NAMES,
        old="from keras.engine.topology import Layer",
        new="from keras import Layer",
        why="`keras.engine` was internal and is gone; `Layer`, `Model`, `Input` and `InputSpec` "
        "stand in `keras`.",
        error=("ModuleNotFoundError", "keras.engine"),
        pattern=Name(
            {
                "keras.engine.topology": "keras",
                "keras.engine.training": "keras",
                "keras.engine.base_layer": "keras",
                "keras.engine.input_layer": "keras",
                "keras.engine": "keras",
            }
        ),
    ),
    Idiom(
        id="keras-1-modules",
        group=NAMES,
        setup=KERAS,
        old="loss = keras.objectives.mean_squared_error",
        new="loss = keras.losses.mean_squared_error",
        why="These modules were renamed in Keras 2.",
        error=("AttributeError", "objectives"),
        pattern=Name(
            {"keras.objectives": "keras.losses", "keras.initializations": "keras.initializers"}
        ),
    ),
    Idiom(
        id="initializer-short-names",
        group=NAMES,
        setup=KERAS,
        old="initializer = keras.initializers.normal(stddev=0.1)",
        new="initializer = keras.initializers.RandomNormal(stddev=0.1)",
        why="The short aliases are gone; as strings, `'normal'` and `'uniform'` still work.",
        error=("AttributeError", "normal"),
        pattern=Name(
            {
                "keras.initializers.normal": "keras.initializers.RandomNormal",
                "keras.initializers.uniform": "keras.initializers.RandomUniform",
                "keras.initializers.zero": "keras.initializers.Zeros",
                "keras.initializers.one": "keras.initializers.Ones",
            },
        ),
    ),
    Idiom(
        id="constraint-aliases",
        group=NAMES,
        setup=KERAS,
        old="constraint = keras.constraints.maxnorm(3)",
        new="constraint = keras.constraints.MaxNorm(3)",
        why="The aliases without underscore are gone.",
        error=("AttributeError", "maxnorm"),
        pattern=Name(
            {
                "keras.constraints.maxnorm": "keras.constraints.MaxNorm",
                "keras.constraints.nonneg": "keras.constraints.NonNeg",
                "keras.constraints.unitnorm": "keras.constraints.UnitNorm",
            }
        ),
    ),
    Idiom(
        id="regularizer-aliases",
        group=NAMES,
        setup=KERAS,
        old="penalty = keras.regularizers.l1l2(0.01, 0.01)",
        new="penalty = keras.regularizers.L1L2(0.01, 0.01)",
        why="The names of Keras 1 are gone; activity regularizers are ordinary regularizers.",
        error=("AttributeError", "l1l2"),
        pattern=Name(
            {
                "keras.regularizers.l1l2": "keras.regularizers.L1L2",
                "keras.regularizers.activity_l1": "keras.regularizers.L1",
                "keras.regularizers.activity_l2": "keras.regularizers.L2",
            }
        ),
    ),
    Idiom(
        id="experimental-preprocessing",
        group=NAMES,
        old="from keras.layers.experimental.preprocessing import Rescaling",
        new="from keras.layers import Rescaling",
        why="The preprocessing layers left `experimental`; that namespace is gone.",
        error=("ModuleNotFoundError", "experimental"),
        pattern=Name({"keras.layers.experimental.preprocessing": "keras.layers"}),
    ),
    Idiom(
        id="experimental-namespaces",
        group=NAMES,
        setup=TENSORFLOW,
        old="schedule = tf.keras.experimental.CosineDecay(0.1, decay_steps=100)",
        new="schedule = keras.optimizers.schedules.CosineDecay(0.1, decay_steps=100)",
        why="Every `experimental` namespace of Keras is gone; what lasted stands beside its kind.",
        error=("AttributeError", "experimental"),
        pattern=Name(
            {
                "keras.experimental.CosineDecay": "keras.optimizers.schedules.CosineDecay",
                "keras.experimental.CosineDecayRestarts": (
                    "keras.optimizers.schedules.CosineDecayRestarts"
                ),
                "keras.experimental": None,
                "keras.optimizers.experimental": "keras.optimizers",
                "keras.callbacks.experimental": "keras.callbacks",
                "keras.layers.experimental": "keras.layers",
            }
        ),
    ),
    Idiom(
        id="mixed-precision-experimental",
        group=NAMES,
        setup=KERAS,
        old='keras.mixed_precision.experimental.set_policy("float32")',
        new='keras.config.set_dtype_policy("float32")',
        why="The experimental policy functions are gone.",
        error=("AttributeError", "experimental"),
        pattern=Name(
            {
                "keras.mixed_precision.experimental.set_policy": "keras.config.set_dtype_policy",
                "keras.mixed_precision.experimental": None,
            }
        ),
    ),
    Idiom(
        id="scikit-learn-wrapper",
        group=NAMES,
        old="from keras.wrappers.scikit_learn import KerasClassifier",
        new="from keras.wrappers import SKLearnClassifier",
        why="The wrappers were written anew: `SKLearnClassifier(build, model_kwargs=...)`.",
        error=("ModuleNotFoundError", "scikit_learn"),
        pattern=Name(
            {
                "keras.wrappers.scikit_learn.KerasClassifier": "keras.wrappers.SKLearnClassifier",
                "keras.wrappers.scikit_learn.KerasRegressor": "keras.wrappers.SKLearnRegressor",
                "keras.wrappers.scikit_learn": "keras.wrappers",
            }
        ),
    ),
    Idiom(
        id="multi-gpu-model",
        group=NAMES,
        setup=TENSORFLOW + NETWORK,
        old="from keras.utils import multi_gpu_model\nparallel = multi_gpu_model(model, gpus=2)",
        new="with tf.distribute.MirroredStrategy().scope():\n"
        "    parallel = keras.models.clone_model(model)",
        why="Removed: build and compile inside the scope of a `tf.distribute` strategy, or use "
        "`keras.distribution` on JAX.",
        error=("ImportError", "multi_gpu_model"),
        pattern=Name({"keras.utils.multi_gpu_model": None, "keras.utils.training_utils": None}),
    ),
    Idiom(
        id="hdf5-matrix",
        group=NAMES,
        setup=KERAS + "import h5py\n\nwith h5py.File('data.h5', 'w') as file:\n"
        "    file['x'] = np.ones((4, 2))\n",
        old='from keras.utils import HDF5Matrix\nx = HDF5Matrix("data.h5", "x")',
        new='with h5py.File("data.h5") as file:\n    x = file["x"][:]',
        why="Removed: read with h5py, or write a `keras.utils.PyDataset` for what does not fit "
        "into memory.",
        error=("ImportError", "HDF5Matrix"),
        pattern=Name({"keras.utils.HDF5Matrix": None, "keras.utils.io_utils": None}),
    ),
    # ------------------------------------------------------- Layers and their arguments
    Idiom(
        id="cudnn-rnn",
        group=LAYERS,
        setup=KERAS,
        old="layer = keras.layers.CuDNNLSTM(4)",
        new="layer = keras.layers.LSTM(4)",
        why="`LSTM` and `GRU` choose the cuDNN kernel themselves where their arguments allow it.",
        error=("AttributeError", "CuDNNLSTM"),
        pattern=Name(
            {
                "keras.layers.CuDNNLSTM": "keras.layers.LSTM",
                "keras.layers.CuDNNGRU": "keras.layers.GRU",
                "keras.layers.cudnn_recurrent.CuDNNLSTM": "keras.layers.LSTM",
                "keras.layers.cudnn_recurrent.CuDNNGRU": "keras.layers.GRU",
            }
        ),
    ),
    Idiom(
        id="locally-connected",
        group=LAYERS,
        setup=KERAS + "\ninputs = keras.Input((6, 2))\n",
        old="outputs = keras.layers.LocallyConnected1D(8, 3)(inputs)",
        new="""\
steps = [inputs[:, :-2], inputs[:, 1:-1], inputs[:, 2:]]
own_kernels = keras.layers.EinsumDense(
    "btc,tcf->btf", output_shape=(4, 8), bias_axes="tf"
)
outputs = own_kernels(keras.layers.concatenate(steps))""",
        why="Removed without successor: cut the windows and give each position a kernel of its "
        "own with `EinsumDense`.",
        error=("AttributeError", "LocallyConnected1D"),
        pattern=Name(
            {
                "keras.layers.LocallyConnected1D": None,
                "keras.layers.LocallyConnected2D": None,
                "keras.layers.local": None,
            }
        ),
    ),
    Idiom(
        id="keras-1-layers",
        group=LAYERS,
        setup=KERAS,
        old="layer = keras.layers.TimeDistributedDense(3)",
        new="layer = keras.layers.Dense(3)",
        why="The layer went with Keras 2: `Dense` works on the last axis at every step.",
        error=("AttributeError", "TimeDistributedDense"),
        pattern=Name(
            {
                "keras.layers.TimeDistributedDense": "keras.layers.Dense",
                "keras.layers.Deconvolution2D": "keras.layers.Conv2DTranspose",
                "keras.layers.Deconvolution3D": "keras.layers.Conv3DTranspose",
                "keras.layers.AtrousConvolution1D": "keras.layers.Conv1D",
                "keras.layers.AtrousConvolution2D": "keras.layers.Conv2D",
            }
        ),
    ),
    Idiom(
        id="thresholded-relu",
        group=LAYERS,
        setup=KERAS,
        old="layer = keras.layers.ThresholdedReLU(theta=1.0)",
        new="layer = keras.layers.ReLU(threshold=1.0)",
        why="Folded into `ReLU`; only `tf.keras` keeps a copy of the old layer.",
        error=("AttributeError", "ThresholdedReLU"),
        pattern=Name({"keras.layers.ThresholdedReLU": None}, plain=True),
    ),
    Idiom(
        id="convolution2d-kernel",
        group=LAYERS,
        setup=KERAS,
        old="layer = keras.layers.Convolution2D(32, 3, 3)",
        new="layer = keras.layers.Conv2D(32, (3, 3))",
        why="The second 3 was the kernel's width in Keras 1; since Keras 2 it is the stride, so "
        "the layer skips two of three positions.",
        effect=OTHERWISE,
        symptom="layer.strides == (3, 3)",
        pattern=Rule("kernel_as_two_numbers"),
    ),
    Idiom(
        id="batch-input-shape",
        group=LAYERS,
        setup=KERAS,
        old="model = keras.Sequential([\n"
        "    keras.layers.LSTM(4, batch_input_shape=(2, 5, 3), stateful=True),\n])",
        new="model = keras.Sequential([\n"
        "    keras.Input(batch_shape=(2, 5, 3)),\n    keras.layers.LSTM(4, stateful=True),\n])",
        why="Layers take no input shape with a batch; an `Input` as first element does.",
        error=("ValueError", "batch_input_shape"),
        pattern=Keyword(LAYER, {"batch_input_shape": None}),
    ),
    Idiom(
        id="rnn-input-length",
        group=LAYERS,
        setup=KERAS,
        old="layer = keras.layers.LSTM(4, input_dim=3, input_length=5)\n"
        "model = keras.Sequential([layer])",
        new="layer = keras.layers.LSTM(4)\nmodel = keras.Sequential([keras.Input((5, 3)), layer])",
        why="Recurrent layers take no `input_length`; put an `Input` first.",
        error=("ValueError", "input_length"),
        pattern=Keyword(
            ("keras.layers.LSTM", "keras.layers.GRU", "keras.layers.SimpleRNN"),
            {"input_length": None},
        ),
    ),
    Idiom(
        id="embedding-input-length",
        group=LAYERS,
        setup=KERAS,
        old="model = keras.Sequential([\n    keras.layers.Embedding(9, 2, input_length=5),\n"
        "    keras.layers.Flatten(),\n])",
        new="model = keras.Sequential([\n    keras.Input((5,)),\n"
        "    keras.layers.Embedding(9, 2),\n    keras.layers.Flatten(),\n])",
        why="`input_length` is ignored: the model stays unbuilt, so `summary` shows no "
        "parameters and `count_params` fails.",
        effect=NOTHING,
        symptom="not model.built",
        pattern=Keyword(("keras.layers.Embedding",), {"input_length": None}),
    ),
    Idiom(
        id="input-integer",
        group=LAYERS,
        setup=KERAS,
        old="inputs = keras.Input(shape=(4))",
        new="inputs = keras.Input(shape=(4,))",
        why="`(4)` is the number 4, which Keras 2 took as a shape; Keras 3 wants a tuple.",
        error=("ValueError", "Cannot convert '4' to a shape"),
        pattern=Rule("input_shape_is_a_number"),
    ),
    Idiom(
        id="border-mode",
        group=LAYERS,
        setup=KERAS,
        old='layer = keras.layers.Conv1D(8, 3, border_mode="same")',
        new='layer = keras.layers.Conv1D(8, 3, padding="same")',
        why="Renamed in Keras 2.",
        error=("ValueError", "border_mode"),
        pattern=Keyword(LAYER, {"border_mode": "padding"}),
    ),
    Idiom(
        id="subsample",
        group=LAYERS,
        setup=KERAS,
        old="layer = keras.layers.Conv2D(8, 3, subsample=(2, 2))",
        new="layer = keras.layers.Conv2D(8, 3, strides=(2, 2))",
        why="Renamed in Keras 2.",
        error=("ValueError", "subsample"),
        pattern=Keyword(
            LAYER, {"subsample": "strides", "subsample_length": "strides", "stride": "strides"}
        ),
    ),
    Idiom(
        id="dim-ordering",
        group=LAYERS,
        setup=KERAS,
        old='layer = keras.layers.MaxPooling2D(dim_ordering="th")',
        new='layer = keras.layers.MaxPooling2D(data_format="channels_first")',
        why="Renamed in Keras 2: `th` is `channels_first`, `tf` is `channels_last`.",
        error=("ValueError", "dim_ordering"),
        pattern=Keyword(LAYER, {"dim_ordering": None}),
    ),
    Idiom(
        id="nb-filter",
        group=LAYERS,
        setup=KERAS,
        old="layer = keras.layers.Conv1D(nb_filter=8, filter_length=3)",
        new="layer = keras.layers.Conv1D(filters=8, kernel_size=3)",
        why="Renamed in Keras 2; `nb_row` and `nb_col` became one `kernel_size`.",
        error=("TypeError", "missing 2 required positional arguments"),
        pattern=Keyword(
            LAYER,
            {
                "nb_filter": "filters",
                "filter_length": "kernel_size",
                "nb_row": None,
                "nb_col": None,
            },
        ),
    ),
    Idiom(
        id="pool-length",
        group=LAYERS,
        setup=KERAS,
        old="layer = keras.layers.MaxPooling1D(pool_length=2)",
        new="layer = keras.layers.MaxPooling1D(pool_size=2)",
        why="Renamed in Keras 2.",
        error=("ValueError", "pool_length"),
        pattern=Keyword(LAYER, {"pool_length": "pool_size"}),
    ),
    Idiom(
        id="init",
        group=LAYERS,
        setup=KERAS,
        old='layer = keras.layers.Dense(8, init="uniform")',
        new='layer = keras.layers.Dense(8, kernel_initializer="uniform")',
        why="Renamed in Keras 2; in an `Embedding` it is `embeddings_initializer`.",
        error=("ValueError", "init"),
        pattern=Keyword(LAYER, {"init": "kernel_initializer"}),
    ),
    Idiom(
        id="weight-regularizer",
        group=LAYERS,
        setup=KERAS,
        old='layer = keras.layers.Dense(8, W_regularizer="l2")',
        new='layer = keras.layers.Dense(8, kernel_regularizer="l2")',
        why="Renamed in Keras 2.",
        error=("ValueError", "W_regularizer"),
        pattern=Keyword(
            LAYER,
            {
                "W_regularizer": "kernel_regularizer",
                "W_constraint": "kernel_constraint",
                "U_regularizer": "recurrent_regularizer",
                "b_regularizer": "bias_regularizer",
                "b_constraint": "bias_constraint",
            },
        ),
    ),
    Idiom(
        id="output-dim",
        group=LAYERS,
        setup=KERAS,
        old="layer = keras.layers.Dense(output_dim=8)",
        new="layer = keras.layers.Dense(units=8)",
        why="Renamed in Keras 2; only `Embedding` kept `output_dim`.",
        error=("TypeError", "units"),
        pattern=Keyword(
            (
                "keras.layers.Dense",
                "keras.layers.LSTM",
                "keras.layers.GRU",
                "keras.layers.SimpleRNN",
            ),
            {"output_dim": "units"},
        ),
    ),
    Idiom(
        id="bias",
        group=LAYERS,
        setup=KERAS,
        old="layer = keras.layers.Dense(8, bias=False)",
        new="layer = keras.layers.Dense(8, use_bias=False)",
        why="Renamed in Keras 2.",
        error=("ValueError", "bias"),
        pattern=Keyword(LAYER, {"bias": "use_bias"}),
    ),
    Idiom(
        id="dropout-p",
        group=LAYERS,
        setup=KERAS,
        old="layer = keras.layers.Dropout(p=0.5)",
        new="layer = keras.layers.Dropout(rate=0.5)",
        why="Renamed in Keras 2.",
        error=("TypeError", "rate"),
        pattern=Keyword(
            (
                "keras.layers.Dropout",
                "keras.layers.SpatialDropout1D",
                "keras.layers.SpatialDropout2D",
                "keras.layers.GaussianDropout",
            ),
            {"p": "rate"},
        ),
    ),
    Idiom(
        id="noise-sigma",
        group=LAYERS,
        setup=KERAS,
        old="layer = keras.layers.GaussianNoise(sigma=0.1)",
        new="layer = keras.layers.GaussianNoise(stddev=0.1)",
        why="Renamed in Keras 2.",
        error=("TypeError", "stddev"),
        pattern=Keyword(("keras.layers.GaussianNoise",), {"sigma": "stddev"}),
    ),
    Idiom(
        id="rnn-keras-1-arguments",
        group=LAYERS,
        setup=KERAS,
        old="layer = keras.layers.LSTM(4, dropout_W=0.2, dropout_U=0.2)",
        new="layer = keras.layers.LSTM(4, dropout=0.2, recurrent_dropout=0.2)",
        why="Renamed in Keras 2.",
        error=("ValueError", "dropout_W"),
        pattern=Keyword(
            LAYER,
            {
                "dropout_W": "dropout",
                "dropout_U": "recurrent_dropout",
                "inner_activation": "recurrent_activation",
                "inner_init": "recurrent_initializer",
            },
        ),
    ),
    Idiom(
        id="rnn-consume-less",
        group=LAYERS,
        setup=KERAS,
        old='layer = keras.layers.LSTM(4, consume_less="gpu")',
        new="layer = keras.layers.LSTM(4)",
        why="Keras chooses the implementation; leave it out.",
        error=("ValueError", "consume_less"),
        pattern=Keyword(LAYER, {"consume_less": None}),
    ),
    Idiom(
        id="rnn-implementation",
        group=LAYERS,
        setup=KERAS,
        old="layer = keras.layers.LSTM(4, implementation=2)",
        new="layer = keras.layers.LSTM(4)",
        why="Accepted and dropped: the layer does not even keep it.",
        effect=NOTHING,
        symptom="'implementation' not in layer.get_config()",
        leave_out=True,
        pattern=Keyword(
            ("keras.layers.LSTM", "keras.layers.GRU"),
            {"implementation": None},
        ),
    ),
    Idiom(
        id="rnn-time-major",
        group=LAYERS,
        setup=KERAS + "\ninputs = keras.Input(batch_shape=(5, 2, 3))\n",
        old="outputs = keras.layers.LSTM(4, time_major=True)(inputs)",
        new="outputs = keras.layers.LSTM(4)(keras.ops.swapaxes(inputs, 0, 1))",
        why="Removed: sequences are (batch, time, features); swap the axes.",
        error=("ValueError", "time_major"),
        pattern=Keyword(LAYER, {"time_major": None}),
    ),
    Idiom(
        id="batch-normalization-arguments",
        group=LAYERS,
        setup=KERAS,
        old="layer = keras.layers.BatchNormalization(fused=True)",
        new="layer = keras.layers.BatchNormalization()",
        why="`fused`, `mode` and `virtual_batch_size` are gone; leave them out.",
        error=("ValueError", "fused"),
        pattern=Keyword(
            ("keras.layers.BatchNormalization",),
            {"fused": None, "mode": None, "virtual_batch_size": None},
        ),
    ),
    Idiom(
        id="layer-weights",
        group=LAYERS,
        setup=KERAS + "\nkernel, bias = np.ones((4, 2)), np.zeros(2)\n",
        old="layer = keras.layers.Dense(2, weights=[kernel, bias])",
        new="layer = keras.layers.Dense(2)\nlayer.build((None, 4))\n"
        "layer.set_weights([kernel, bias])",
        why="Only `Embedding` still takes `weights`; build any other layer and set them.",
        error=("ValueError", "weights"),
        pattern=Keyword(
            (
                "keras.layers.Dense",
                "keras.layers.Conv1D",
                "keras.layers.Conv2D",
                "keras.layers.LSTM",
                "keras.layers.GRU",
                "keras.layers.SimpleRNN",
                "keras.layers.BatchNormalization",
            ),
            {"weights": None},
        ),
    ),
    Idiom(
        id="hard-sigmoid",
        group=LAYERS,
        setup=KERAS + "\npoints = np.array([-2.0, 1.0, 2.0])\n",
        old="values = keras.activations.hard_sigmoid(points)",
        new="values = keras.ops.clip(0.2 * points + 0.5, 0, 1)",
        why="The slope changed from 1/5 to 1/6: old weights meet another gate. The old formula "
        "is clip(0.2 x + 0.5, 0, 1).",
        effect=OTHERWISE,
        symptom="not np.allclose(values, np.clip(0.2 * points + 0.5, 0, 1))",
        pattern=Rule("hard_sigmoid"),
    ),
    Idiom(
        id="hub-keras-layer",
        group=LAYERS,
        setup=KERAS + "import tensorflow_hub as hub\n\nloaded = keras.ops.square\n",
        old="model = keras.Sequential([keras.Input((4,)), hub.KerasLayer(loaded)])",
        new="""\
class Loaded(keras.layers.Layer):
    def call(self, inputs):
        return loaded(inputs)


model = keras.Sequential([keras.Input((4,)), Loaded()])""",
        why="`hub.KerasLayer` is a layer of Keras 2: wrap what `hub.load` returns in a layer "
        "(`keras.layers.TFSMLayer` for a SavedModel in a folder).",
        error=("ValueError", "Only instances of `keras.Layer`"),
        pattern=Name({"tensorflow_hub.KerasLayer": None}),
    ),
    # ------------------------------------------- Layers, tensors and models from inside
    Idiom(
        id="layer-output-shape",
        group=TENSORS,
        setup=MODEL,
        old="shape = model.layers[0].output_shape",
        new="shape = model.layers[0].output.shape",
        why="Layers have no `input_shape` and `output_shape`; their tensors have shapes.",
        error=("AttributeError", "output_shape"),
        pattern=Attribute(LAYER, {"output_shape": "output.shape", "input_shape": "input.shape"}),
    ),
    Idiom(
        id="layer-output-at",
        group=TENSORS,
        setup=MODEL,
        old="features = model.layers[0].get_output_at(0)",
        new="features = model.layers[0].output",
        why="Removed: use `output` and `input`, or call the layer again.",
        error=("AttributeError", "get_output_at"),
        pattern=Attribute(
            LAYER,
            {
                "get_output_at": "output",
                "get_input_at": "input",
                "get_output_shape_at": "output.shape",
                "get_input_shape_at": "input.shape",
            },
        ),
    ),
    Idiom(
        id="layer-kernel-name",
        group=TENSORS,
        setup=MODEL,
        old="kernel = model.layers[0].W",
        new="kernel = model.layers[0].kernel",
        why="Renamed in Keras 2.",
        error=("AttributeError", "'W'"),
        pattern=Attribute(LAYER, {"W": "kernel", "b": "bias"}),
    ),
    Idiom(
        id="add-weight-name-first",
        group=TENSORS,
        setup=KERAS,
        old="""\
class Scale(keras.layers.Layer):
    def build(self, input_shape):
        self.scale = self.add_weight("scale", shape=(1,))


Scale().build((None, 4))""",
        new="""\
class Scale(keras.layers.Layer):
    def build(self, input_shape):
        self.scale = self.add_weight(name="scale", shape=(1,))


Scale().build((None, 4))""",
        why="The first positional argument is `shape` now; pass `name=`.",
        error=("ValueError", "`name` must be passed as a keyword argument"),
        pattern=Rule("weight_name_first"),
    ),
    Idiom(
        id="add-update",
        group=TENSORS,
        setup=KERAS,
        old="""\
class Count(keras.layers.Layer):
    def build(self, input_shape):
        self.calls = self.add_weight(shape=(), trainable=False)

    def call(self, inputs):
        self.add_update(self.calls.assign_add(1.0))
        return inputs


Count()(np.ones((2, 3)))""",
        new="""\
class Count(keras.layers.Layer):
    def build(self, input_shape):
        self.calls = self.add_weight(shape=(), trainable=False)

    def call(self, inputs):
        self.calls.assign(self.calls + 1.0)
        return inputs


Count()(np.ones((2, 3)))""",
        why="Removed: assigning inside `call` is all that it takes.",
        error=("AttributeError", "add_update"),
        pattern=Attribute(LAYER, {"add_update": None}),
    ),
    Idiom(
        id="add-metric",
        group=TENSORS,
        setup=FUNCTIONAL,
        old='model.add_metric(hidden, name="activity")',
        new='model.compile("sgd", "mse", metrics=[keras.metrics.MeanAbsoluteError()])',
        why="Not supported: name metrics in `compile`, or keep a metric in the layer and call "
        "its `update_state`.",
        error=("NotImplementedError", "add_metric"),
        pattern=Attribute(("model", "layer"), {"add_metric": None}),
    ),
    Idiom(
        id="add-loss-of-a-tensor",
        group=TENSORS,
        setup=FUNCTIONAL,
        old="model.add_loss(keras.ops.mean(hidden))",
        new="""\
class Penalty(keras.layers.Layer):
    def call(self, inputs):
        self.add_loss(keras.ops.mean(inputs))
        return inputs


model = keras.Model(inputs, keras.layers.Dense(1)(Penalty()(hidden)))""",
        why="A functional model takes no symbolic loss (the classic VAE): call `self.add_loss` "
        "in the `call` of a layer.",
        error=("NotImplementedError", ""),
        pattern=Rule("loss_added_from_outside"),
    ),
    Idiom(
        id="tensor-get-shape",
        group=TENSORS,
        setup=TENSOR,
        old="steps = inputs.get_shape()",
        new="steps = inputs.shape",
        why="A symbolic Keras tensor has `shape`, a plain tuple.",
        error=("AttributeError", "get_shape"),
        pattern=Attribute(("tensor",), {"get_shape": "shape", "_keras_shape": "shape"}),
    ),
    Idiom(
        id="shape-as-list",
        group=TENSORS,
        setup=TENSOR,
        old="sizes = inputs.shape.as_list()",
        new="sizes = list(inputs.shape)",
        why="The shape of a symbolic Keras tensor is a plain tuple.",
        error=("AttributeError", "as_list"),
        pattern=Attribute(("shape",), {"as_list": None}),
    ),
    Idiom(
        id="tensorflow-function-of-input",
        group=TENSORS,
        setup=TENSOR + "import tensorflow as tf\n",
        old="outputs = tf.reduce_mean(inputs, axis=1)",
        new="outputs = keras.ops.mean(inputs, axis=1)",
        why="TensorFlow functions take no symbolic Keras tensor: use `keras.ops`, or call them "
        "inside a layer.",
        error=("ValueError", "A KerasTensor cannot be used as input to a TensorFlow function"),
        pattern=Rule("tensorflow_function_of_a_keras_tensor"),
    ),
    Idiom(
        id="sequential-input",
        group=TENSORS,
        setup=MODEL,
        old="features = keras.Model(model.input, model.layers[0].output)",
        new="features = keras.Model(model.inputs, model.layers[0].output)",
        why="A `Sequential` that was never called on a tensor has no `input` and `output`, only "
        "`inputs` and `outputs`.",
        error=("AttributeError", "has never been called and thus has no defined input"),
        pattern=Rule("input_of_a_sequential"),
    ),
    Idiom(
        id="layers-pop",
        group=TENSORS,
        setup=MODEL,
        old="model.layers.pop()",
        new="model.pop()",
        why="`model.layers` is a copy, so the layer stays. A functional model is cut with "
        "`keras.Model(model.input, model.layers[-2].output)`.",
        effect=NOTHING,
        symptom="len(model.layers) == 2",
        pattern=Rule("layers_pop"),
    ),
    Idiom(
        id="baked-training-true",
        group=TENSORS,
        setup=KERAS + "\nx = np.ones((1, 200), 'float32')\ninputs = keras.Input((200,))\n",
        old="outputs = keras.layers.Dropout(0.5)(inputs, training=True)\n"
        "model = keras.Model(inputs, outputs)",
        new="""\
class AlwaysDropout(keras.layers.Dropout):
    def call(self, inputs, training=True):
        return super().call(inputs, training=True)


model = keras.Model(inputs, AlwaysDropout(0.5)(inputs))""",
        why="`predict`, `evaluate` and `fit` override the argument baked into a functional model: "
        "Monte-Carlo dropout drops nothing.",
        effect=NOTHING,
        symptom="np.array_equal(model.predict(x, verbose=0), x)",
        pattern=Rule("baked_training_true"),
    ),
    Idiom(
        id="baked-training-false",
        group=TENSORS,
        setup=KERAS
        + DATA
        + """
inputs = keras.Input((4,))
base = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])


def moved_by_training():
    model = keras.Model(inputs, keras.layers.Dense(1)(features))
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(x, y, verbose=0)
    return bool(np.any(base.layers[0].moving_mean.numpy()))
""",
        old="features = base(inputs, training=False)",
        new="base.trainable = False\nfeatures = base(inputs)",
        why="`fit` overrides the baked argument, so the batch-norm statistics of the base move "
        "on: set `trainable = False` on it, or on its batch-norm layers.",
        effect=NOTHING,
        symptom="moved_by_training()",
        pattern=Rule("baked_training_false"),
    ),
    # --------------------------------------------------------- Training and prediction
    Idiom(
        id="model-input-output",
        group=TRAINING,
        setup=TENSOR + "outputs = keras.layers.Dense(1)(inputs)\n",
        old="model = keras.Model(input=inputs, output=outputs)",
        new="model = keras.Model(inputs=inputs, outputs=outputs)",
        why="Renamed in Keras 2.",
        error=("ValueError", "input"),
        pattern=Keyword(("keras.Model",), {"input": "inputs", "output": "outputs"}),
    ),
    Idiom(
        id="nb-epoch",
        group=TRAINING,
        setup=MODEL,
        old="model.fit(x, y, nb_epoch=2)",
        new="model.fit(x, y, epochs=2)",
        why="Renamed in Keras 2.",
        error=("TypeError", "nb_epoch"),
        pattern=Keyword(("model.fit", "model.fit_generator"), {"nb_epoch": "epochs"}),
    ),
    Idiom(
        id="fit-generator",
        group=TRAINING,
        setup=MODEL + "batches = ((x, y) for _ in range(1))\n",
        old="model.fit_generator(batches, steps_per_epoch=1)",
        new="model.fit(batches, steps_per_epoch=1, shuffle=False)",
        why="`fit` takes generators, datasets and `keras.utils.PyDataset`.",
        error=("AttributeError", "fit_generator"),
        pattern=Attribute(("model",), {"fit_generator": "fit"}),
    ),
    Idiom(
        id="evaluate-generator",
        group=TRAINING,
        setup=MODEL + "batches = ((x, y) for _ in range(1))\n",
        old="model.evaluate_generator(batches, steps=1)",
        new="model.evaluate(batches, steps=1)",
        why="`evaluate` takes generators, datasets and `keras.utils.PyDataset`.",
        error=("AttributeError", "evaluate_generator"),
        pattern=Attribute(("model",), {"evaluate_generator": "evaluate"}),
    ),
    Idiom(
        id="predict-generator",
        group=TRAINING,
        setup=MODEL + "batches = ((x,) for _ in range(1))\n",
        old="model.predict_generator(batches, steps=1)",
        new="model.predict(batches, steps=1)",
        why="`predict` takes generators, datasets and `keras.utils.PyDataset`.",
        error=("AttributeError", "predict_generator"),
        pattern=Attribute(("model",), {"predict_generator": "predict"}),
    ),
    Idiom(
        id="predict-classes",
        group=TRAINING,
        setup=MODEL,
        old="classes = model.predict_classes(x)",
        new="classes = model.predict(x).argmax(axis=-1)",
        why="Removed in TensorFlow 2.6; with one sigmoid output it is `model.predict(x) > 0.5`.",
        error=("AttributeError", "predict_classes"),
        pattern=Attribute(("model",), {"predict_classes": None}),
    ),
    Idiom(
        id="predict-proba",
        group=TRAINING,
        setup=MODEL,
        old="probabilities = model.predict_proba(x)",
        new="probabilities = model.predict(x)",
        why="Removed in TensorFlow 2.6; it was `predict` under another name.",
        error=("AttributeError", "predict_proba"),
        pattern=Attribute(("model",), {"predict_proba": "predict"}),
    ),
    Idiom(
        id="fit-workers",
        group=TRAINING,
        setup=MODEL,
        old="model.fit(x, y, workers=2)",
        new="model.fit(x, y)",
        why="`workers`, `use_multiprocessing` and `max_queue_size` are arguments of "
        "`keras.utils.PyDataset` now.",
        error=("TypeError", "workers"),
        pattern=Keyword(
            (
                "model.fit",
                "model.evaluate",
                "model.predict",
                "model.fit_generator",
                "model.evaluate_generator",
                "model.predict_generator",
            ),
            {"workers": None, "use_multiprocessing": None, "max_queue_size": None},
        ),
    ),
    Idiom(
        id="show-accuracy",
        group=TRAINING,
        setup=MODEL,
        old="model.fit(x, y, show_accuracy=True)",
        new="model.fit(x, y)",
        why='Gone since Keras 1: `compile(metrics=["accuracy"])` shows it.',
        error=("TypeError", "show_accuracy"),
        pattern=Keyword(("model.fit", "model.evaluate"), {"show_accuracy": None}),
    ),
    Idiom(
        id="predict-lists",
        group=TRAINING,
        setup=MODEL,
        old="prediction = model.predict([[0.1, 0.2, 0.3, 0.4]])",
        new="prediction = model.predict(np.array([[0.1, 0.2, 0.3, 0.4]]))",
        why="Lists are for several inputs; numbers come as an array.",
        error=("ValueError", "Unrecognized data type"),
        pattern=Rule("numbers_in_a_list"),
    ),
    Idiom(
        id="reset-states",
        group=TRAINING,
        setup=KERAS
        + """
layers = [keras.Input(batch_shape=(2, 5, 3)), keras.layers.LSTM(4, stateful=True)]
model = keras.Sequential(layers)
""",
        old="model.reset_states()",
        new="for layer in model.layers:\n"
        '    if getattr(layer, "stateful", False):\n        layer.reset_state()',
        why="Models have no such method; recurrent layers have.",
        error=("AttributeError", "reset_states"),
        pattern=Attribute(("model",), {"reset_states": None}),
    ),
    Idiom(
        id="metrics-names",
        group=TRAINING,
        setup=MODEL + "model.fit(x, y, verbose=0)\n",
        old="scores = dict(zip(model.metrics_names, model.evaluate(x, y)))",
        new="scores = model.evaluate(x, y, return_dict=True)",
        why="`metrics_names` is `['loss', 'compile_metrics']`, whatever the metrics are called.",
        effect=OTHERWISE,
        symptom="'compile_metrics' in scores",
        pattern=Attribute(("model",), {"metrics_names": None}),
    ),
    Idiom(
        id="model-total-loss",
        group=TRAINING,
        setup=MODEL,
        old="loss = model.total_loss",
        new="loss = model.compute_loss(x=x, y=y, y_pred=model(x))",
        why="Models hold no symbolic loss, targets or updates; write `train_step` or a loop.",
        error=("AttributeError", "total_loss"),
        pattern=Attribute(
            ("model",),
            {
                "total_loss": None,
                "targets": None,
                "updates": None,
                "state_updates": None,
                "sample_weights": None,
                "uses_learning_phase": None,
            },
        ),
    ),
    Idiom(
        id="make-predict-function",
        group=TRAINING,
        setup=MODEL,
        old="model._make_predict_function()",
        new="model.make_predict_function()",
        why="The private method is gone, and needless: there are no sessions and no threads to "
        "prepare for.",
        error=("AttributeError", "_make_predict_function"),
        pattern=Attribute(
            ("model",),
            {
                "_make_predict_function": "make_predict_function",
                "_make_train_function": "make_train_function",
                "_make_test_function": "make_test_function",
            },
        ),
    ),
    Idiom(
        id="class-weight-several-outputs",
        group=TRAINING,
        setup=KERAS
        + DATA
        + """
inputs = keras.Input((4,))
outputs = [keras.layers.Dense(1, name="first")(inputs), keras.layers.Dense(1)(inputs)]
model = keras.Model(inputs, [outputs[0], outputs[1]])
model.compile("sgd", ["mse", "mse"], run_eagerly=True)
""",
        old="model.fit(x, [y, y], class_weight={0: 1.0, 1: 5.0})",
        new="weights = [np.where(y[:, 0] == 1, 5.0, 1.0), np.ones(len(y))]\n"
        "model.fit(x, [y, y], sample_weight=weights)",
        why="`class_weight` is for one output; give one `sample_weight` per output.",
        error=("ValueError", "only supported for Models with a single output"),
        pattern=Rule("class_weight_of_several_outputs"),
    ),
    Idiom(
        id="class-weight-word",
        group=TRAINING,
        setup=MODEL,
        old='model.fit(x, y, class_weight="balanced")',
        new="share = y.mean()\n"
        "model.fit(x, y, class_weight={0: 0.5 / (1 - share), 1: 0.5 / share})",
        why="`class_weight` must be a dictionary from class to weight.",
        error=("AttributeError", "'str' object has no attribute 'get'"),
        pattern=Rule("class_weight_is_a_word"),
    ),
    Idiom(
        id="sample-weight-mode",
        group=TRAINING,
        setup=MODEL,
        old='model.compile("sgd", "mse", sample_weight_mode="temporal")',
        new='model.compile("sgd", "mse")',
        why="Leave it out: weights of shape (batch, time) just work. `target_tensors` and "
        "`experimental_run_tf_function` are gone as well.",
        error=("TypeError", "sample_weight_mode"),
        pattern=Keyword(
            ("model.compile",),
            {
                "sample_weight_mode": None,
                "target_tensors": None,
                "experimental_run_tf_function": None,
            },
        ),
    ),
    Idiom(
        id="reset-metrics",
        group=TRAINING,
        setup=MODEL,
        old="model.train_on_batch(x, y, reset_metrics=False)",
        new="model.train_on_batch(x, y)",
        why="Metrics run on until `model.reset_metrics()` is called.",
        error=("TypeError", "reset_metrics"),
        pattern=Keyword(("model.train_on_batch", "model.test_on_batch"), {"reset_metrics": None}),
    ),
    Idiom(
        id="freeze-after-compile",
        group=TRAINING,
        setup=MODEL.replace("run_eagerly=True", "jit_compile=False")
        + "model.fit(x, y, verbose=0)\nbefore = model.layers[0].get_weights()[0]\n",
        old="model.layers[0].trainable = False\nmodel.fit(x, y, verbose=0)",
        new="model.layers[0].trainable = False\n"
        'model.compile("sgd", "mse")\nmodel.fit(x, y, verbose=0)',
        why="The training step of the earlier `fit` is kept, so the layer goes on learning (or "
        "stays frozen) without a warning: compile again.",
        effect=NOTHING,
        symptom="not np.array_equal(before, model.layers[0].get_weights()[0])",
        pattern=Rule("trainable_changed_without_compile"),
    ),
    Idiom(
        id="gan-discriminator",
        group=TRAINING,
        setup=DISCRIMINATOR,
        old="""\
discriminator.compile("sgd", "mse", run_eagerly=True)
discriminator.trainable = False
gan = keras.Sequential([generator, discriminator])
gan.compile("sgd", "mse", run_eagerly=True)
discriminator.train_on_batch(x, y)""",
        new="""\
discriminator.compile("sgd", "mse", run_eagerly=True)
discriminator.train_on_batch(x, y)
discriminator.trainable = False
gan = keras.Sequential([generator, discriminator])
gan.compile("sgd", "mse", run_eagerly=True)
gan.train_on_batch(x, y)
discriminator.trainable = True""",
        why="Keras 2 remembered at `compile` what was trainable; Keras 3 asks when it trains, so "
        "this discriminator never learns. Set `trainable` around each step, or write `train_step`.",
        effect=NOTHING,
        symptom="np.array_equal(before, discriminator.get_weights()[0])",
        pattern=Rule("frozen_discriminator"),
    ),
    # ------------------------------------------------------------------------ Optimizers
    Idiom(
        id="optimizer-lr",
        group=OPTIMIZERS,
        setup=KERAS,
        old="optimizer = keras.optimizers.Adam(lr=0.01)",
        new="optimizer = keras.optimizers.Adam(learning_rate=0.01)",
        why="`lr` was deprecated for years and is gone.",
        error=("ValueError", "Argument(s) not recognized: {'lr'"),
        pattern=Keyword(OPTIMIZER, {"lr": "learning_rate"}),
    ),
    Idiom(
        id="optimizer-decay",
        group=OPTIMIZERS,
        setup=KERAS + RATE,
        old="optimizer = keras.optimizers.Adam(learning_rate=0.01, decay=0.1)",
        new="from keras.optimizers.schedules import InverseTimeDecay\n"
        "schedule = InverseTimeDecay(0.01, decay_steps=1, decay_rate=0.1)\n"
        "optimizer = keras.optimizers.Adam(learning_rate=schedule)",
        why="`decay` is accepted with a warning and ignored: the learning rate never falls.",
        effect=NOTHING,
        symptom="rate_after(10, optimizer) == rate_after(0, optimizer)",
        pattern=Keyword(OPTIMIZER, {"decay": None}),
    ),
    Idiom(
        id="optimizer-schedule-decay",
        group=OPTIMIZERS,
        setup=KERAS,
        old="optimizer = keras.optimizers.Nadam(schedule_decay=0.004)",
        new="optimizer = keras.optimizers.Nadam()",
        why="Removed; the momentum schedule of `Nadam` is fixed.",
        error=("ValueError", "schedule_decay"),
        pattern=Keyword(OPTIMIZER, {"schedule_decay": None}),
    ),
    Idiom(
        id="optimizer-epsilon-none",
        group=OPTIMIZERS,
        setup=MODEL,
        old='model.compile(keras.optimizers.Adam(epsilon=None), "mse")\nmodel.fit(x, y)',
        new='model.compile(keras.optimizers.Adam(), "mse")\nmodel.fit(x, y)',
        why="`None` once meant the default; now it reaches the update, and `fit` fails.",
        error=("ValueError", "None values not supported"),
        pattern=Keyword(OPTIMIZER, {"epsilon": None}, value="None"),
    ),
    Idiom(
        id="optimizer-clip-both",
        group=OPTIMIZERS,
        setup=KERAS,
        old="optimizer = keras.optimizers.SGD(clipnorm=1.0, clipvalue=0.5)",
        new="optimizer = keras.optimizers.SGD(clipnorm=1.0)",
        why="Only one way of clipping can be chosen.",
        error=("ValueError", "Only one of `clipnorm`, `clipvalue`"),
        pattern=Rule("two_ways_of_clipping"),
    ),
    Idiom(
        id="optimizer-lower-case",
        group=OPTIMIZERS,
        setup=KERAS,
        old="optimizer = keras.optimizers.adam()",
        new="optimizer = keras.optimizers.Adam()",
        why="The lower-case names are gone.",
        error=("AttributeError", "'adam'"),
        pattern=Name(
            {
                "keras.optimizers.adam": "keras.optimizers.Adam",
                "keras.optimizers.sgd": "keras.optimizers.SGD",
                "keras.optimizers.rmsprop": "keras.optimizers.RMSprop",
                "keras.optimizers.adagrad": "keras.optimizers.Adagrad",
                "keras.optimizers.adadelta": "keras.optimizers.Adadelta",
                "keras.optimizers.adamax": "keras.optimizers.Adamax",
                "keras.optimizers.nadam": "keras.optimizers.Nadam",
            }
        ),
    ),
    Idiom(
        id="optimizer-legacy",
        group=OPTIMIZERS,
        setup=KERAS,
        old="optimizer = keras.optimizers.legacy.Adam()",
        new="optimizer = keras.optimizers.Adam()",
        why="The old optimizers are gone; the names are left and raise when they are used.",
        error=("ImportError", "`keras.optimizers.legacy` is not supported in Keras 3"),
        pattern=Name({"keras.optimizers.legacy": "keras.optimizers"}),
    ),
    Idiom(
        id="adadelta-default",
        group=OPTIMIZERS,
        setup=KERAS,
        old="optimizer = keras.optimizers.Adadelta()",
        new="optimizer = keras.optimizers.Adadelta(learning_rate=1.0)",
        why="The default learning rate of stand-alone Keras fell from 1.0 to 0.001, so the old "
        "MNIST example hardly learns; that of `Adagrad` fell from 0.01 to 0.001.",
        effect=OTHERWISE,
        symptom="float(optimizer.learning_rate) < 0.01",
        pattern=Rule("default_rate_that_fell"),
    ),
    Idiom(
        id="optimizer-lr-read",
        group=OPTIMIZERS,
        setup=MODEL,
        old="rate = model.optimizer.lr",
        new="rate = model.optimizer.learning_rate",
        why="`lr` is gone; it is `learning_rate`.",
        error=("AttributeError", "'lr'"),
        pattern=Attribute(OPTIMIZER, {"lr": "learning_rate"}),
    ),
    Idiom(
        id="optimizer-lr-write",
        group=OPTIMIZERS,
        setup=MODEL,
        old="model.optimizer.lr = 0.5",
        new="model.optimizer.learning_rate = 0.5",
        why="This only hangs a new attribute on the optimizer; the learning rate stays.",
        effect=NOTHING,
        symptom="float(model.optimizer.learning_rate) != 0.5",
        pattern=Rule("lr_assigned"),
    ),
    Idiom(
        id="optimizer-weights",
        group=OPTIMIZERS,
        setup=MODEL,
        old="values = model.optimizer.get_weights()",
        new="values = [variable.numpy() for variable in model.optimizer.variables]",
        why="Optimizers have `variables`; saving the model as `.keras` keeps them.",
        error=("AttributeError", "get_weights"),
        pattern=Attribute(OPTIMIZER, {"get_weights": None, "weights": "variables"}),
    ),
    Idiom(
        id="optimizer-get-updates",
        group=OPTIMIZERS,
        setup=MODEL,
        old="weights = model.trainable_weights\n"
        "updates = model.optimizer.get_updates(model.losses, weights)",
        new="weights = model.trainable_weights\n"
        "gradients = [keras.ops.zeros_like(weight) for weight in weights]\n"
        "model.optimizer.apply(gradients, weights)",
        why="There are no symbolic updates: compute gradients on a tape and `apply` them.",
        error=("AttributeError", "get_updates"),
        pattern=Attribute(OPTIMIZER, {"get_updates": None, "get_gradients": None}),
    ),
    Idiom(
        id="optimizer-minimize",
        group=OPTIMIZERS,
        setup=TENSORFLOW + DATA + NETWORK,
        old="model.optimizer.minimize(lambda: model(x), model.trainable_weights)",
        new="with tf.GradientTape() as tape:\n    loss = keras.ops.mean(model(x))\n"
        "gradients = tape.gradient(loss, model.trainable_weights)\n"
        "model.optimizer.apply(gradients, model.trainable_weights)",
        why="Removed: compute gradients on a tape and `apply` them.",
        error=("AttributeError", "minimize"),
        pattern=Attribute(OPTIMIZER, {"minimize": None}),
    ),
    # ---------------------------------------------------------------- Losses and metrics
    Idiom(
        id="short-loss-names",
        group=METRICS,
        setup=KERAS,
        old="loss = keras.losses.mse",
        new="loss = keras.losses.mean_squared_error",
        why="`keras` lacks the short function names (`tf.keras` has them); as strings they work.",
        error=("AttributeError", "mse"),
        pattern=Name(
            {
                f"keras.{module}.{short}": f"keras.{module}.{name}"
                for module in ("losses", "metrics")
                for name, shorts in {
                    "mean_squared_error": ("mse", "MSE"),
                    "mean_absolute_error": ("mae", "MAE"),
                    "mean_absolute_percentage_error": ("mape", "MAPE"),
                    "mean_squared_logarithmic_error": ("msle", "MSLE"),
                    "kl_divergence": ("kld", "KLD", "kullback_leibler_divergence"),
                    "log_cosh": ("logcosh",),
                }.items()
                for short in shorts
                if (module, name) != ("metrics", "log_cosh")
            },
            plain=True,
        ),
    ),
    Idiom(
        id="cosine-proximity",
        group=METRICS,
        setup=KERAS,
        old="loss = keras.losses.cosine_proximity",
        new="loss = keras.losses.cosine_similarity",
        why="Renamed in TensorFlow 2.",
        error=("AttributeError", "cosine_proximity"),
        pattern=Name(
            {
                "keras.losses.cosine_proximity": "keras.losses.cosine_similarity",
                "keras.losses.cosine": "keras.losses.cosine_similarity",
                "keras.metrics.CosineProximity": "keras.metrics.CosineSimilarity",
            }
        ),
    ),
    Idiom(
        id="reduction-auto",
        group=METRICS,
        setup=TENSORFLOW,
        old="reduction = tf.keras.losses.Reduction.AUTO\n"
        "loss = keras.losses.MeanSquaredError(reduction=reduction)",
        new='loss = keras.losses.MeanSquaredError(reduction="sum_over_batch_size")',
        why="There is no automatic reduction; the default is `sum_over_batch_size`.",
        error=("ValueError", "Invalid value for argument `reduction`"),
        pattern=Name({"keras.losses.Reduction.AUTO": "'sum_over_batch_size'"}),
    ),
    Idiom(
        id="reduction-class",
        group=METRICS,
        setup=KERAS,
        old="loss = keras.losses.Huber(reduction=keras.losses.Reduction.NONE)",
        new='loss = keras.losses.Huber(reduction="none")',
        why="Reductions are words: `none`, `sum`, `sum_over_batch_size` (`tf.keras` still has the "
        "class).",
        error=("AttributeError", "Reduction"),
        pattern=Name({"keras.losses.Reduction": None}, plain=True),
    ),
    Idiom(
        id="metric-reset-states",
        group=METRICS,
        setup=KERAS + "\nmetric = keras.metrics.Mean()\n",
        old="metric.reset_states()",
        new="metric.reset_state()",
        why="Renamed.",
        error=("AttributeError", "reset_states"),
        pattern=Attribute(("metric",), {"reset_states": "reset_state"}),
    ),
    Idiom(
        id="metrics-word",
        group=METRICS,
        setup=MODEL,
        old='model.compile("sgd", "mse", metrics="accuracy")',
        new='model.compile("sgd", "mse", metrics=["accuracy"])',
        why="`metrics` must be a list, tuple or dictionary.",
        error=("ValueError", "Expected `metrics` argument to be a list, tuple, or dict"),
        pattern=Rule("metrics_is_a_word"),
    ),
    Idiom(
        id="history-acc",
        group=METRICS,
        setup=MODEL,
        old='history = model.fit(x, y)\nprint(history.history["acc"])',
        new='history = model.fit(x, y)\nprint(history.history["accuracy"])',
        why='With `metrics=["accuracy"]` the key is `accuracy`, since Keras 2.3; the metric '
        "`acc` would give `acc`.",
        error=("KeyError", "acc"),
        pattern=Rule("history_key_acc"),
    ),
    Idiom(
        id="monitor-val-acc",
        group=METRICS,
        setup=MODEL,
        old='stop = keras.callbacks.EarlyStopping(monitor="val_acc")\n'
        "model.fit(x, y, validation_data=(x, y), callbacks=[stop])",
        new='stop = keras.callbacks.EarlyStopping(monitor="val_accuracy")\n'
        "model.fit(x, y, validation_data=(x, y), callbacks=[stop])",
        why='With `metrics=["accuracy"]` it is called `val_accuracy`; with `mode="max"` the '
        "callback would only warn and never act.",
        error=("ValueError", "received monitor=val_acc"),
        pattern=Rule("monitor_acc"),
    ),
    Idiom(
        id="logs-acc",
        group=METRICS,
        setup=MODEL,
        old="""\
class Enough(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if logs.get("acc") > 0.99:
            self.model.stop_training = True


model.fit(x, y, callbacks=[Enough()])""",
        new="""\
class Enough(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if logs.get("accuracy") > 0.99:
            self.model.stop_training = True


model.fit(x, y, callbacks=[Enough()])""",
        why='With `metrics=["accuracy"]` the key is `accuracy`, so `get` returns `None`.',
        error=("TypeError", "NoneType"),
        pattern=Rule("logs_key_acc"),
    ),
    # ------------------------------------------------------------------------- Callbacks
    Idiom(
        id="checkpoint-suffix",
        group=CALLBACKS,
        setup=KERAS,
        old='checkpoint = keras.callbacks.ModelCheckpoint("best.hdf5")',
        new='checkpoint = keras.callbacks.ModelCheckpoint("best.keras")',
        why="Whole models are checkpointed as `.keras`.",
        error=("ValueError", "must end in `.keras`"),
        pattern=Suffix(
            "keras.callbacks.ModelCheckpoint", (".keras", ".h5"), ("save_weights_only", False)
        ),
    ),
    Idiom(
        id="checkpoint-weights-suffix",
        group=CALLBACKS,
        setup=KERAS,
        old="checkpoint = keras.callbacks.ModelCheckpoint(\n"
        '    "best.h5", save_weights_only=True\n)',
        new="checkpoint = keras.callbacks.ModelCheckpoint(\n"
        '    "best.weights.h5", save_weights_only=True\n)',
        why="Weights are checkpointed as `.weights.h5`.",
        error=("ValueError", "must end in `.weights.h5`"),
        pattern=Suffix(
            "keras.callbacks.ModelCheckpoint", (".weights.h5",), ("save_weights_only", True)
        ),
    ),
    Idiom(
        id="checkpoint-period",
        group=CALLBACKS,
        setup=KERAS,
        old='checkpoint = keras.callbacks.ModelCheckpoint("best.keras", period=5)',
        new='checkpoint = keras.callbacks.ModelCheckpoint(\n    "best.keras", save_freq="epoch"\n)',
        why="Removed: `save_freq` is `epoch` or a number of batches.",
        error=("TypeError", "period"),
        pattern=Keyword(("keras.callbacks.ModelCheckpoint",), {"period": None}),
    ),
    Idiom(
        id="plateau-epsilon",
        group=CALLBACKS,
        setup=KERAS,
        old="plateau = keras.callbacks.ReduceLROnPlateau(epsilon=0.5)",
        new="plateau = keras.callbacks.ReduceLROnPlateau(min_delta=0.5)",
        why="Renamed to `min_delta`; `epsilon` is swallowed and 0.0001 is used.",
        effect=NOTHING,
        symptom="plateau.min_delta != 0.5",
        pattern=Keyword(("keras.callbacks.ReduceLROnPlateau",), {"epsilon": "min_delta"}),
    ),
    Idiom(
        id="tensorboard-arguments",
        group=CALLBACKS,
        setup=KERAS,
        old="board = keras.callbacks.TensorBoard(histogram_freq=1, write_grads=True)",
        new="board = keras.callbacks.TensorBoard(histogram_freq=1)",
        why="`write_grads`, `batch_size` and most `embeddings_*` arguments are gone.",
        error=("TypeError", "write_grads"),
        pattern=Keyword(
            ("keras.callbacks.TensorBoard",),
            {
                "write_grads": None,
                "batch_size": None,
                "embeddings_layer_names": None,
                "embeddings_data": None,
            },
        ),
    ),
    Idiom(
        id="callback-validation-data",
        group=CALLBACKS,
        setup=MODEL,
        old="""\
class Scores(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        print(self.model.predict(self.validation_data[0]))


model.fit(x, y, validation_data=(x, y), callbacks=[Scores()])""",
        new="""\
class Scores(keras.callbacks.Callback):
    def __init__(self, x):
        super().__init__()
        self.x = x

    def on_epoch_end(self, epoch, logs=None):
        print(self.model.predict(self.x))


model.fit(x, y, validation_data=(x, y), callbacks=[Scores(x)])""",
        why="Callbacks are not given the validation data: hand it over yourself.",
        error=("AttributeError", "validation_data"),
        pattern=Attribute(("callback",), {"validation_data": None}),
    ),
    # ---------------------------------------------------------------- Saving and loading
    Idiom(
        id="save-folder",
        group=SAVING,
        setup=MODEL,
        old='model.save("my_model")',
        new='model.save("my_model.keras")',
        why="A file name needs its ending; for a SavedModel folder use `model.export`.",
        error=("ValueError", "Invalid filepath extension for saving"),
        pattern=Suffix("model.save", (".keras", ".h5", ".hdf5")),
    ),
    Idiom(
        id="save-format",
        group=SAVING,
        setup=MODEL,
        old='model.save("my_model", save_format="tf")',
        new='model.export("my_model")',
        why="The ending of the name says the format; `model.export` writes a SavedModel.",
        error=("ValueError", "The `save_format` argument is deprecated in Keras 3"),
        pattern=Keyword(("model.save",), {"save_format": None}, value="'tf'"),
    ),
    Idiom(
        id="save-weights-suffix",
        group=SAVING,
        setup=MODEL,
        old='model.save_weights("my_model.h5")',
        new='model.save_weights("my_model.weights.h5")',
        why="The name must end in `.weights.h5`.",
        error=("ValueError", "must end in `.weights.h5`"),
        pattern=Suffix("model.save_weights", (".weights.h5", ".weights.json")),
    ),
    Idiom(
        id="load-model-folder",
        group=SAVING,
        setup=MODEL + 'model.export("my_model", verbose=False)\n',
        old='model = keras.models.load_model("my_model")',
        new='serving = keras.layers.TFSMLayer("my_model", call_endpoint="serve")',
        why="A SavedModel folder cannot be loaded as a model, only as a `TFSMLayer` for "
        "inference; load it once with Keras 2 and save it as `.keras`.",
        error=("ValueError", "File format not supported"),
        pattern=Suffix("keras.models.load_model", (".keras", ".h5", ".hdf5")),
    ),
    Idiom(
        id="lambda-reload",
        group=SAVING,
        setup=KERAS,
        old="""\
double = keras.layers.Lambda(lambda tensor: tensor * 2)
keras.Sequential([keras.Input((4,)), double]).save("doubled.keras")
model = keras.models.load_model("doubled.keras")""",
        new="""\
@keras.saving.register_keras_serializable()
class Double(keras.layers.Layer):
    def call(self, inputs):
        return inputs * 2


keras.Sequential([keras.Input((4,)), Double()]).save("doubled.keras")
model = keras.models.load_model("doubled.keras")""",
        why="A `Lambda` layer of a Python lambda is not loaded, for it is code of the file: write "
        "a registered layer (`safe_mode=False` if you trust the file).",
        error=("ValueError", "Requested the deserialization of a `Lambda` layer"),
        pattern=Rule("load_model_with_lambda"),
    ),
    Idiom(
        id="yaml",
        group=SAVING,
        setup=MODEL,
        old="text = model.to_yaml()",
        new="text = model.to_json()",
        why="Removed, since YAML can run code.",
        error=("AttributeError", "to_yaml"),
        pattern=Attribute(("model",), {"to_yaml": "to_json"}),
    ),
    Idiom(
        id="model-from-yaml",
        group=SAVING,
        setup=MODEL + "text = model.to_json()\n",
        old="model = keras.models.model_from_yaml(text)",
        new="model = keras.models.model_from_json(text)",
        why="Removed, since YAML can run code.",
        error=("AttributeError", "model_from_yaml"),
        pattern=Name({"keras.models.model_from_yaml": "keras.models.model_from_json"}),
    ),
    # -------------------------------------------------------- Text, sequences and images
    Idiom(
        id="tokenizer",
        group=INPUTS,
        setup=TEXTS,
        old="tokenizer = keras.preprocessing.text.Tokenizer(num_words=100)",
        new="encode = keras.layers.TextVectorization(max_tokens=100)\n"
        "encode.adapt(texts)\nindices = encode(texts)",
        why="`keras.preprocessing.text` is gone (`tf.keras` keeps an unmaintained copy); the layer "
        "also pads. Index 1 is the unknown word.",
        error=("AttributeError", "text"),
        pattern=Name({"keras.preprocessing.text": None}, plain=True),
    ),
    Idiom(
        id="text-one-hot",
        group=INPUTS,
        setup=TEXTS,
        old="from keras.preprocessing.text import one_hot\nindices = one_hot('the cat', 50)",
        new="encode = keras.layers.Hashing(num_bins=50)\n"
        "indices = encode(np.array(['the', 'cat'], dtype=object))",
        why="Hashing words into numbers is the layer `Hashing`.",
        error=("ModuleNotFoundError", "keras.preprocessing.text"),
        pattern=Name(
            {
                "keras.preprocessing.text.one_hot": None,
                "keras.preprocessing.text.hashing_trick": None,
            },
            plain=True,
        ),
    ),
    Idiom(
        id="timeseries-generator",
        group=INPUTS,
        setup=SERIES,
        old="from keras.preprocessing.sequence import TimeseriesGenerator\n"
        "windows = TimeseriesGenerator(series, series, length=3)",
        new="windows = keras.utils.timeseries_dataset_from_array(\n"
        "    series[:-1], series[3:], sequence_length=3\n)",
        why="`TimeseriesGenerator` is gone (`tf.keras` keeps a copy). In the new function target i "
        "belongs to the window that *begins* at i, so shift the targets.",
        error=("ImportError", "TimeseriesGenerator"),
        pattern=Name({"keras.preprocessing.sequence.TimeseriesGenerator": None}, plain=True),
    ),
    Idiom(
        id="skipgrams",
        group=INPUTS,
        setup=KERAS + "\nsequence = [1, 2, 3, 4]\n",
        old="from keras.preprocessing.sequence import skipgrams\n"
        "couples, labels = skipgrams(sequence, 5, window_size=1)",
        new="""\
couples = [
    (sequence[i], sequence[j])
    for i in range(len(sequence))
    for j in range(max(i - 1, 0), min(i + 2, len(sequence)))
    if i != j
]""",
        why="`skipgrams` and `make_sampling_table` are gone (`tf.keras` keeps copies): make the "
        "pairs, and draw the negative ones yourself.",
        error=("ImportError", "skipgrams"),
        pattern=Name(
            {
                "keras.preprocessing.sequence.skipgrams": None,
                "keras.preprocessing.sequence.make_sampling_table": None,
            },
            plain=True,
        ),
    ),
    Idiom(
        id="image-data-generator",
        group=INPUTS,
        setup=KERAS,
        old="from keras.preprocessing.image import ImageDataGenerator\n"
        "augment = ImageDataGenerator(horizontal_flip=True)",
        new='augment = keras.Sequential([keras.layers.RandomFlip("horizontal")])',
        why="Gone (`tf.keras` keeps an unmaintained copy): augment with layers, read folders with "
        "`keras.utils.image_dataset_from_directory`.",
        error=("ImportError", "ImageDataGenerator"),
        pattern=Name(
            {
                "keras.preprocessing.image.ImageDataGenerator": None,
                "keras.preprocessing.image.random_rotation": None,
                "keras.preprocessing.image.random_shift": None,
                "keras.preprocessing.image.random_zoom": None,
            },
            plain=True,
        ),
    ),
    Idiom(
        id="nb-classes",
        group=INPUTS,
        setup=KERAS,
        old="codes = keras.utils.to_categorical([0, 1], nb_classes=3)",
        new="codes = keras.utils.to_categorical([0, 1], num_classes=3)",
        why="Renamed in Keras 2.",
        error=("TypeError", "nb_classes"),
        pattern=Keyword(("keras.utils.to_categorical",), {"nb_classes": "num_classes"}),
    ),
    # ------------------------------------------------------ The backend and TensorFlow 1
    Idiom(
        id="backend-functions",
        group=BACKENDS,
        setup=BACKEND,
        old="mean = K.mean(K.square(x))",
        new="mean = keras.ops.mean(keras.ops.square(x))",
        why="The functions of `keras.backend` are gone; most stand in `keras.ops` under the same "
        "name, random ones in `keras.random`.",
        error=("AttributeError", "module 'keras.backend' has no attribute"),
        pattern=Name(
            {f"keras.backend.{name}": f"keras.ops.{name}" for name in SAME_IN_OPS.split()}
            | {
                "keras.backend.permute_dimensions": "keras.ops.transpose",
                "keras.backend.gather": "keras.ops.take",
                "keras.backend.pow": "keras.ops.power",
                "keras.backend.reverse": "keras.ops.flip",
                "keras.backend.l2_normalize": "keras.ops.normalize",
                "keras.backend.flatten": "keras.ops.ravel",
                "keras.backend.switch": "keras.ops.where",
                "keras.backend.map_fn": "keras.ops.map",
                "keras.backend.random_normal": "keras.random.normal",
                "keras.backend.random_uniform": "keras.random.uniform",
                "keras.backend.truncated_normal": "keras.random.truncated_normal",
                "keras.backend.dropout": "keras.random.dropout",
                "keras.backend.variable": "keras.Variable",
                "keras.backend.ctc_batch_cost": "keras.ops.ctc_loss",
                "keras.backend.batch_dot": "keras.ops.matmul",
                "keras.backend.repeat_elements": "keras.ops.repeat",
                "keras.backend.conv1d": "keras.ops.conv",
                "keras.backend.conv2d": "keras.ops.conv",
                "keras.backend.rnn": None,
                "keras.backend.batch_flatten": None,
                "keras.backend.cast_to_floatx": None,
                "keras.backend.count_params": None,
            },
            plain=True,
        ),
    ),
    Idiom(
        id="backend-int-shape",
        group=BACKENDS,
        setup=BACKEND + "inputs = keras.Input((4,))\n",
        old="sizes = K.int_shape(inputs)",
        new="sizes = inputs.shape",
        why="A shape is a plain tuple (`tf.keras` still has the function).",
        error=("AttributeError", "int_shape"),
        pattern=Name({"keras.backend.int_shape": None}, plain=True),
    ),
    Idiom(
        id="backend-get-value",
        group=BACKENDS,
        setup=MODEL + "from keras import backend as K\n",
        old="rate = K.get_value(model.optimizer.learning_rate)",
        new="rate = keras.ops.convert_to_numpy(model.optimizer.learning_rate)",
        why="Variables hold values: `float(variable)` or `convert_to_numpy`.",
        error=("AttributeError", "get_value"),
        pattern=Name(
            {
                "keras.backend.get_value": "keras.ops.convert_to_numpy",
                "keras.backend.eval": "keras.ops.convert_to_numpy",
                "keras.backend.batch_get_value": None,
            },
            plain=True,
        ),
    ),
    Idiom(
        id="backend-set-value",
        group=BACKENDS,
        setup=TENSORFLOW + NETWORK,
        old="tf.keras.backend.set_value(model.optimizer.learning_rate, 0.1)",
        new="model.optimizer.learning_rate = 0.1",
        why="Assign instead: `optimizer.learning_rate = 0.1`, `variable.assign(value)`.",
        error=("AttributeError", "'str' object has no attribute 'name'"),
        pattern=Name({"keras.backend.set_value": None, "keras.backend.batch_set_value": None}),
    ),
    Idiom(
        id="backend-update",
        group=BACKENDS,
        setup=TENSORFLOW + "\ncounter = keras.Variable(1.0)\n",
        old="tf.keras.backend.update(counter, 2.0)",
        new="counter.assign(2.0)",
        why="Variables have `assign`.",
        error=("AttributeError", "_is_ref_dtype"),
        pattern=Name(
            {
                "keras.backend.update": None,
                "keras.backend.update_add": None,
                "keras.backend.update_sub": None,
            }
        ),
    ),
    Idiom(
        id="backend-function",
        group=BACKENDS,
        setup=FUNCTIONAL + "from keras import backend as K\n",
        old="activity = K.function([model.input], [model.layers[1].output])",
        new="activity = keras.Model(model.inputs, model.layers[1].output)",
        why="A model between two tensors does the same.",
        error=("AttributeError", "function"),
        pattern=Name({"keras.backend.function": "keras.Model"}),
    ),
    Idiom(
        id="backend-gradients",
        group=BACKENDS,
        setup=TENSORFLOW + "from keras import backend as K\n\nvariable = tf.Variable(3.0)\n",
        old="slopes = K.gradients(variable * variable, [variable])",
        new="with tf.GradientTape() as tape:\n    loss = variable * variable\n"
        "slopes = tape.gradient(loss, [variable])",
        why="There are no symbolic gradients: record on a tape.",
        error=("AttributeError", "gradients"),
        pattern=Name({"keras.backend.gradients": None}),
    ),
    Idiom(
        id="learning-phase",
        group=BACKENDS,
        setup=MODEL + "from keras import backend as K\n",
        old="K.set_learning_phase(0)\nprediction = model(x)",
        new="prediction = model(x, training=False)",
        why="There is no learning phase; say `training=` in the call.",
        error=("AttributeError", "set_learning_phase"),
        pattern=Name(
            {
                "keras.backend.set_learning_phase": None,
                "keras.backend.learning_phase": None,
                "keras.backend.learning_phase_scope": None,
                "keras.backend.in_train_phase": None,
                "keras.backend.in_test_phase": None,
            }
        ),
    ),
    Idiom(
        id="backend-session",
        group=BACKENDS,
        setup=BACKEND,
        old="session = K.get_session()",
        new="keras.utils.clear_session()",
        why="There are no sessions; leave them out. `clear_session` still frees memory.",
        error=("AttributeError", "get_session"),
        pattern=Name(
            {
                "keras.backend.get_session": None,
                "keras.backend.set_session": None,
                "keras.backend.manual_variable_initialization": None,
                "keras.backend.tensorflow_backend": None,
            }
        ),
    ),
    Idiom(
        id="backend-placeholder",
        group=BACKENDS,
        setup=BACKEND,
        old="inputs = K.placeholder(shape=(None, 4))",
        new="inputs = keras.Input((4,))",
        why="There are no placeholders; an `Input` is the symbolic tensor.",
        error=("AttributeError", "placeholder"),
        pattern=Name({"keras.backend.placeholder": None}),
    ),
    Idiom(
        id="image-dim-ordering",
        group=BACKENDS,
        setup=BACKEND,
        old='K.set_image_dim_ordering("tf")',
        new='keras.config.set_image_data_format("channels_last")',
        why="Renamed in Keras 2: `th` is `channels_first`, `tf` is `channels_last`.",
        error=("AttributeError", "set_image_dim_ordering"),
        pattern=Name(
            {
                "keras.backend.set_image_dim_ordering": None,
                "keras.backend.image_dim_ordering": "keras.config.image_data_format",
            }
        ),
    ),
    Idiom(
        id="tensorflow-session",
        group=BACKENDS,
        setup=TENSORFLOW,
        old="session = tf.Session(config=tf.ConfigProto())",
        new="devices = tf.config.list_physical_devices()",
        why="TensorFlow 2 runs without sessions; devices and memory are set in `tf.config`.",
        error=("AttributeError", "module 'tensorflow' has no attribute"),
        pattern=Name(
            {
                "tf.Session": None,
                "tf.InteractiveSession": None,
                "tf.ConfigProto": None,
                "tf.GPUOptions": None,
                "tf.get_default_graph": None,
                "tf.get_default_session": None,
                "tf.reset_default_graph": None,
                "tf.global_variables_initializer": None,
                "tf.placeholder": None,
                "tf.variable_scope": None,
            }
        ),
    ),
    Idiom(
        id="tensorflow-seed",
        group=BACKENDS,
        setup=TENSORFLOW,
        old="tf.set_random_seed(1)",
        new="keras.utils.set_random_seed(1)",
        why="Renamed; the Keras function seeds Python, NumPy and the backend at once.",
        error=("AttributeError", "set_random_seed"),
        pattern=Name(
            {
                "tf.set_random_seed": "keras.utils.set_random_seed",
                "tf.random.set_random_seed": "keras.utils.set_random_seed",
            }
        ),
    ),
    Idiom(
        id="tensorflow-train-optimizer",
        group=BACKENDS,
        setup=TENSORFLOW,
        old="optimizer = tf.train.AdamOptimizer(0.01)",
        new="optimizer = keras.optimizers.Adam(0.01)",
        why="The optimizers of TensorFlow 1 are gone.",
        error=("AttributeError", "AdamOptimizer"),
        pattern=Name(
            {
                "tf.train.AdamOptimizer": "keras.optimizers.Adam",
                "tf.train.GradientDescentOptimizer": "keras.optimizers.SGD",
                "tf.train.RMSPropOptimizer": "keras.optimizers.RMSprop",
                "tf.train.AdagradOptimizer": "keras.optimizers.Adagrad",
            }
        ),
    ),
    Idiom(
        id="tensorflow-contrib",
        group=BACKENDS,
        setup=TENSORFLOW,
        old="layers = tf.contrib.layers",
        new="layers = keras.layers",
        why="`tf.contrib` went with TensorFlow 2.",
        error=("AttributeError", "contrib"),
        pattern=Name({"tf.contrib": None}),
    ),
)
