"""Several processes train as one does: the same losses, metrics and weights."""

import json
import os
from pathlib import Path
import subprocess
import sys

from dlnotes import distributed
from dlnotes.errors import InputError
import keras
import numpy as np
import pytest

from contracts import assert_equal

FITS = Path(__file__).with_name("shared_fits.py")
MIRRORED = Path(__file__).with_name("mirrored_fit.py")
LIMIT_SECONDS = 400
BACKENDS = ("tensorflow", "jax")
EQUAL = ("plain", "weighted_mean", "several", "masked", "stopped", "two_classes")
WHOLE = ("of_fixed_batches", "mixing")
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(11, 3)).astype("float32"), RNG.normal(size=(11, 1)).astype("float32")


def compiled(**options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("adam", "mse", run_eagerly=True, **options)
    return model


def free_ports(count):
    import socket

    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def together(script, folder, backend, processes):
    """What each of the processes found."""
    ports = free_ports(processes) if processes > 1 else []
    environment = os.environ | {"KERAS_BACKEND": backend, "TF_NUM_INTRAOP_THREADS": "1"}
    environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    started = [
        subprocess.Popen(
            [sys.executable, str(script), str(folder), str(rank), *ports],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(processes)
    ]
    try:
        said = [process.communicate(timeout=LIMIT_SECONDS)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0] * processes, said
    names = [f"{rank}-of-{processes}.json" for rank in range(processes)]
    return [json.loads((folder / name).read_text()) for name in names], said


@pytest.fixture(scope="module", params=BACKENDS)
def fits(request, tmp_path_factory):
    """What one process found, what each of two found, and what they said."""
    if request.param == "jax":
        pytest.importorskip("jax")
    folder = tmp_path_factory.mktemp("fits")
    (alone,), _ = together(FITS, folder, request.param, 1)
    both, said = together(FITS, folder, request.param, 2)
    return request.param, alone, both, said


@pytest.mark.slow
@pytest.mark.parametrize("name", EQUAL + WHOLE)
def test_two_processes_train_as_one(fits, name):
    """Also where batches are partial, rows weigh unequally, or steps are masked."""
    _, alone, both, _ = fits
    for one in both:
        assert one[name]["iterations"] == alone[name]["iterations"]
        assert one[name]["history"].keys() == alone[name]["history"].keys()
        assert_equal(one[name]["history"], alone[name]["history"])
        assert_equal(one[name]["weights"], alone[name]["weights"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ("dropped", "normalized"))
def test_random_and_batch_wise_layers_are_as_documented(fits, name):
    """JAX computes them for the whole batch; on TensorFlow all processes at least agree."""
    backend, alone, both, _ = fits
    assert both[0][name] == both[1][name]
    moved = np.abs(np.subtract(both[0][name]["history"]["loss"], alone[name]["history"]["loss"]))
    assert (moved.max() < 1e-5) == (backend == "jax")


@pytest.mark.slow
def test_what_cannot_be_shared_is_said_by_rank_0_alone(fits):
    backend, _, _, (first, second) = fits
    assert first.count("its batch size is fixed, so every process trains the whole model") == 1
    assert ("its outputs mix the rows of a batch" in first) == (backend == "tensorflow")
    assert "every process trains" not in second


@pytest.mark.slow
def test_the_devices_of_a_mirrored_strategy_train_as_one(tmp_path):
    ((one, two),), _ = together(MIRRORED, tmp_path, "tensorflow", 1)
    assert_equal(two, one)


@pytest.mark.parametrize("options", ({}, {"sample_weight": np.arange(11.0)}, {"epochs": 3}))
def test_one_process_trains_as_keras_does(options):
    arguments = {"batch_size": 4, "shuffle": False, "verbose": 0, "validation_split": 0.2} | options
    ours, plain = compiled(metrics=["mae"]), compiled(metrics=["mae"])
    history = distributed.fit(ours, X, Y, **arguments).history
    assert_equal(history, plain.fit(X, Y, **arguments).history)
    assert_equal(ours.get_weights(), plain.get_weights())
    assert ours.optimizer.iterations == plain.optimizer.iterations


def test_callbacks_see_the_fit_as_from_keras():
    """The same calls in the same order, with the same logs."""

    class Diary(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.lines = []

        def __getattribute__(self, name):
            value = super().__getattribute__(name)
            if name.startswith("on_") and name not in ("on_batch_begin", "on_batch_end"):
                return lambda *given, **logs: self.lines.append((name, *given[:-1]))
            return value

    ours, plain = Diary(), Diary()
    arguments = {"batch_size": 4, "epochs": 2, "verbose": 0, "validation_data": (X, Y)}
    distributed.fit(compiled(), X, Y, callbacks=[ours], **arguments)
    compiled().fit(X, Y, callbacks=[plain], **arguments)
    assert ours.lines == plain.lines


def test_the_order_of_the_rows_follows_the_seed():
    losses = [
        distributed.fit(compiled(), X, Y, batch_size=4, verbose=0, seed=seed).history["loss"]
        for seed in (1, 1, 2)
    ]
    assert losses[0] == losses[1] != losses[2]


def test_wrong_arguments_are_named():
    with pytest.raises(InputError, match="`validation_data` must be a tuple"):
        distributed.fit(compiled(), X, Y, validation_data=X)
    with pytest.raises(InputError, match="`validation_split` is 2"):
        distributed.fit(compiled(), X, Y, validation_split=2)
    with pytest.raises(InputError, match="`class_weight` is for one output"):
        distributed.fit(compiled(), X, Y, class_weight={0: 2.0}, sample_weight=np.ones(11))


def test_a_rank_that_no_address_has_is_refused():
    with pytest.raises(InputError, match="`rank` is 2, but there are 2 addresses"):
        distributed.start(rank=2, addresses=["127.0.0.1:1", "127.0.0.1:2"])
    assert distributed.process().processes == 1
