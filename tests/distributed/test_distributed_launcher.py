"""The processes of `dlnotes run --processes`: how they meet, what they write, how they end."""

import contextlib
import csv
import json
import os
from pathlib import Path
import signal
import socket
import subprocess
import sys
import threading
import time

from dlnotes import cli
from dlnotes.distributed import launcher
from dlnotes.errors import InputError
import numpy as np
import pytest

LIMIT_SECONDS = 240
END_SECONDS = 15
RECIPE = '''# %% [markdown]
"""
# A line

Fits a line, slowly.

**Question.** How steep?

**Use it** always.

**Do not use it** never.

Data: none
Uses: nothing
Notes: 001:1
Paper: none
Covers: a line
"""

# %%
import time

from dlnotes import errors
from dlnotes.report import Report
import keras
import numpy as np


# %%
def run(epochs: int = 8, seed: int = 0, pause: float = 0.0) -> Report:
    """Fits a line.

    Args:
        epochs: Passes over the data.
        seed: Seed of the weights.
        pause: Seconds to wait after each epoch.
    """
    errors.check_at_least(1, epochs=epochs)
    keras.utils.set_random_seed(seed)
    x = np.linspace(-1, 1, 23, dtype="float32")[:, None]
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    report = Report("line", metric="loss", better="lower")
    wait = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: time.sleep(pause))
    model.fit(
        x, 2 * x, 8, epochs=epochs, verbose=0, callbacks=[report.watch("line", seed=seed), wait]
    )
    report.add("line", seed=seed, baseline=True, loss=float(model.evaluate(x, 2 * x, verbose=0)))
    return report


if __name__ == "__main__":
    from dlnotes import cli

    cli.main(run)
'''


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipes" / "lines" / "line.py"
    path.parent.mkdir(parents=True)
    path.write_text(RECIPE)
    return path


def begin(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "dlnotes", "run", *map(str, words)],
        env=os.environ | {"DLNOTES_WAIT_SECONDS": "60"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def begun(*words):
    """A launcher. When the block is left, all its processes have ended."""
    process = begin(*words)
    try:
        yield process
    finally:
        children = members(process.pid).values()
        process.kill()
        process.communicate()
        deadline = time.monotonic() + END_SECONDS
        while any(map(is_running, children)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not [child for child in children if is_running(child)]


def end(process):
    """Exit code, and what was said."""
    out, err = process.communicate(timeout=LIMIT_SECONDS)
    return process.returncode, out, err


def members(launcher_pid):
    """Process numbers of the members of a launcher, by rank."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            environment = (folder / "environ").read_bytes().decode().split("\0")
            about = [line for line in environment if line.startswith("DLNOTES_PROCESS=")]
            if parent == launcher_pid and about:
                found[json.loads(about[0].partition("=")[2])["rank"]] = int(folder.name)
    return found


def is_running(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def wait_for_checkpoint(output, than=""):
    """Waits for a checkpoint that is newer than the one of this name."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        names = sorted(path.name for path in output.glob("line/.*.part/checkpoints/*/epoch-*"))
        if names and names[-1] > than:
            return names[-1]
        time.sleep(0.05)
    raise AssertionError("no checkpoint was written")


def history(output):
    (path,) = output.glob("line/*/history.csv")
    with path.open() as file:
        return np.array([float(row["loss"]) for row in csv.DictReader(file)])


@pytest.mark.slow
def test_a_lost_process_ends_the_job_and_resume_goes_on(recipe, tmp_path):
    """Two machines (here: two launchers) train to the end; then a process and a launcher die."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    with socket.create_server(("127.0.0.1", 0)) as server:
        coordinator = f"127.0.0.1:{server.getsockname()[1]}"
    options = ("--processes", 2, "--coordinator", coordinator, "--output", whole)
    with (
        begun(recipe, *options, "--rank", 1) as second,
        begun(recipe, *options, "--rank", 0) as one,
    ):
        code, out, err = end(one)
        assert code == 0, err
        assert end(second)[:2] == (0, "")
    assert "written to" in out
    assert len(list(whole.glob("line/*"))) == 1

    slowly = ("--pause", 1, "--output", broken, "--processes", 2)
    with begun(recipe, *slowly) as process:
        reached = wait_for_checkpoint(broken)
        os.kill(members(process.pid)[1], signal.SIGKILL)
        code, out, err = end(process)
    assert (code, out) == (2, "")
    assert "Process 1 of 2 was lost: killed by signal 9 (SIGKILL). The whole job was ended." in err
    assert "Go on with `dlnotes run --resume" in err and "--processes 2`" in err
    assert "Traceback" not in err

    with begun("--resume", "last", "--output", broken, "--processes", 2) as process:
        wait_for_checkpoint(broken, than=reached)
        children = members(process.pid)
        assert sorted(children) == [0, 1]
        process.kill()
        deadline = time.monotonic() + END_SECONDS
        while any(map(is_running, children.values())) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not any(map(is_running, children.values()))

    with begun("--resume", "last", "--output", broken, "--processes", 2) as process:
        code, _, err = end(process)
    assert code == 0, err
    np.testing.assert_array_equal(history(broken), history(whole))
    assert len(history(whole)) == 8


@pytest.mark.slow
def test_an_error_in_all_processes_is_said_once(recipe, tmp_path):
    with begun(recipe, "--epochs", 0, "--processes", 2, "--output", tmp_path / "runs") as process:
        code, out, err = end(process)
    assert (code, out) == (2, "")
    assert err == "dlnotes: `epochs` is 0, but must be at least 1.\n"
    assert not [*(tmp_path / "runs").rglob("*")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rank", "0"], "--coordinator and --rank also need --processes N"),
        (["--processes", "0"], "`processes` is 0, but must be at least 1"),
        (["--processes", "2", "--rank", "0"], "--rank came without --coordinator"),
        (["--processes", "2", "--coordinator", "a:1"], "--coordinator came without --rank"),
        (
            ["--processes", "2", "--coordinator", "a:1", "--rank", "2"],
            "--rank is 2, but with --processes 2 must be from 0 to 1",
        ),
        (
            ["--processes", "2", "--coordinator", "here", "--rank", "1"],
            "--coordinator is 'here', but must be HOST:PORT",
        ),
    ],
)
def test_options_that_do_not_fit_together_are_named(recipe, capsys, options, message):
    assert cli.execute(["run", str(recipe), *options]) == 2
    assert message in capsys.readouterr().err


def test_a_coordinator_that_cannot_be_reached_is_given_up(recipe, capsys, monkeypatch):
    monkeypatch.setenv("DLNOTES_WAIT_SECONDS", "0.3")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    options = ["--processes", "2", "--coordinator", address, "--rank", "1"]
    assert cli.execute(["run", str(recipe), *options]) == 2
    assert f"The coordinator {address} cannot be reached" in capsys.readouterr().err


def test_a_rank_that_does_not_come_is_named(recipe, capsys, monkeypatch):
    monkeypatch.setenv("DLNOTES_WAIT_SECONDS", "0.3")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    options = ["--processes", "3", "--coordinator", address, "--rank", "0"]
    assert cli.execute(["run", str(recipe), *options]) == 2
    assert "Rank 1, 2 did not come" in capsys.readouterr().err


def test_strangers_are_refused_and_the_others_still_meet(monkeypatch):
    """Neither nonsense nor another command line gets in."""
    monkeypatch.setenv("DLNOTES_WAIT_SECONDS", "20")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    met = {}

    def meet(rank, words):
        with contextlib.ExitStack() as stack:
            try:
                met[rank, words[-1]] = launcher._meet(stack, words, 2, address, rank)[1]
            except InputError as error:
                met[rank, words[-1]] = str(error)

    first = threading.Thread(target=meet, args=(0, ["run", "/a/line.py", "2"]))
    first.start()
    stranger = launcher._connect(contextlib.ExitStack(), address, time.monotonic() + 20)
    stranger.sendall(b"cos\nsystem\n(S'true'\ntR.\n")
    assert b"no launcher of dlnotes" in stranger.recv(1000)
    stranger.close()
    meet(1, ["run", "/b/line.py", "3"])
    meet(1, ["run", "/b/line.py", "2"])
    first.join()
    assert "did not start the job: `words` is ['line', '3'] there" in met[1, "3"]
    assert met[1, "2"] == met[0, "2"]
    assert len(set(met[0, "2"])) == 2
