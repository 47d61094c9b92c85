import gc
import os
import random
import re

import numpy as np
import pytest

# The test processes share the cores, and TensorFlow reads this when it is imported.
for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(threads, "1")

ON_JAX = os.environ.get("KERAS_BACKEND") == "jax"

# `KERAS_BACKEND=jax pytest tests` runs the core, without what runs recipes and claims or is not
# about Keras.
NOT_CORE = """
    claims distributed test_batches.py test_benchmarks.py test_catalogue.py test_checks.py
    test_claims.py test_cli.py test_fingerprint.py test_gallery.py test_idioms.py
    test_migrate.py test_package.py test_pages.py test_recipes.py test_report.py
    test_searches.py test_twins.py tuning
"""
SCRIPTS = ["distributed/mirrored_fit.py", "distributed/shared_fits.py"]
collect_ignore = SCRIPTS + (NOT_CORE.split() if ON_JAX else [])

# What does not hold on JAX: a pattern of test names, and why, which docs/backends.md repeats.
NOT_ON_JAX = {
    r"layers/test_saved_model_layer\.py::test_(?!other_backends)": (
        "`SavedModelLayer` runs a program of TensorFlow, which JAX cannot."
    ),
    r"callbacks/test_one_cycle\.py::.*(\[moving|beta_1|feel_the_momentum|plain_numbers)": (
        "`OneCycle` cannot move the momentum on JAX, where it is a constant of the compiled step: "
        "it asks for `momentum=None`."
    ),
    r"callbacks/test_learning_rate_range_test\.py::test_refuses_a_model_without_weights": (
        "On JAX Keras builds a model without an `Input` before the callbacks begin, so that "
        "`LearningRateRangeTest` has weights to put back and nothing to refuse."
    ),
    r"builders/test_stateful_lstm\.py::test_plain_keras_answers_five_rows": (
        "Only on TensorFlow does plain Keras stretch a last batch of one row over all states."
    ),
    r"test_reuse\.py::test_trains_as_a_new_model_does": (
        "On JAX the first `fit` of a model draws one batch more than later ones, so that a model "
        "that is used again (`dlnotes.reuse`) is trained on another order of the rows."
    ),
    r"test_transfer\.py::test_setting_trainable_without_compiling_does_nothing": (
        "To unfreeze without compiling again does nothing on TensorFlow; JAX raises."
    ),
}


def pytest_collection_modifyitems(items):
    for item in items if ON_JAX else []:
        for pattern, reason in NOT_ON_JAX.items():
            if re.search(pattern, item.nodeid):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_runtest_setup():
    """Keras draws the seeds that nobody gives from here: each test draws the same ones."""
    random.seed(0)
    np.random.seed(0)


@pytest.fixture(scope="module", autouse=True)
def garbage_is_collected_less_often():
    """Graphs are many objects that stay, and what earlier modules left need not be looked at."""
    gc.set_threshold(50_000)
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=not ON_JAX)
def graphs_are_made_fast():
    """On TensorFlow the time of the tests goes into graphs, most of which run a few steps only."""
    import tensorflow as tf

    import tracing

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    with (
        tracing.traced_once(),
        tracing.made_anywhere(),
        tracing.kernels_stay(),
        tracing.variables_share_kernels(),
        tracing.batches_are_cut(),
    ):
        yield


@pytest.fixture(scope="module", autouse=not ON_JAX)
def kernels_go_with_their_module():
    from tracing import drop_kernels

    drop_kernels()


@pytest.fixture(scope="session", autouse=ON_JAX)
def programs_are_made_fast():
    """On JAX it goes into compiling, of programs that run a few times only."""
    import jax

    import tracing

    jax.config.update("jax_disable_most_optimizations", True)
    with tracing.eager_models_are_compiled():
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(0)
