"""Runs the trials of a search in several processes, on this machine or on several."""

import contextlib
import ipaddress
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from dlnotes._keras import keras
from dlnotes.errors import InputError, check_at_least
from dlnotes.machine import versions
from dlnotes.tuning.chief import Chief
from dlnotes.tuning.worker import FRESH, join

__all__ = ["join", "several"]

SILENT_SECONDS = 60
FRUITLESS = 5
FAREWELL_SECONDS = 3


def several(about, workers=2, *, listen=None, limit_seconds=None, trials_each=20):
    """Lets a search run its trials in several processes: `tuning.search(..., run=several(...))`.

    This process keeps the oracle and starts the workers, each with its share of the cores. One
    that ends is started again, and its trial is given out once more; a trial whose process ends
    three times has failed, and the search goes on. Nothing is left running when the search ends,
    is interrupted or is killed.

    Args:
        about: Dictionary by which a worker makes the task for itself: `{"source":
            "module:function", "arguments": {...}}`, a function that can be imported and its
            keyword arguments; or what `dlnotes tune` writes about a recipe.
        workers: Integer, number of processes on this machine; `0` for none but those that join.
            Defaults to `2`.
        listen: String `HOST:PORT`, where workers of other machines may come (`dlnotes tune --join
            HOST:PORT`, or `workers.join`); port `0` takes any free one. There is no password and
            no encryption. Defaults to `None`: none may come.
        limit_seconds: Float, time after which the search stops; trials that have ended are kept,
            and `resume` goes on. Defaults to `None`: no limit.
        trials_each: Integer, trials after which a worker makes room for a new process: TensorFlow
            keeps a few megabytes of every model that was ever trained. Defaults to `20`.

    Returns:
        A function that `tuning.search` takes as `run`.

    Raises:
        InputError: If nobody could work, the address is none, or, in the search, if the task
            cannot be made in another process.

    Example:

    >>> from dlnotes.tuning import workers
    >>> run = workers.several({"source": "my_module:task", "arguments": {"epochs": 5}}, workers=2)
    """
    check_at_least(0, workers=workers)
    check_at_least(1, trials_each=trials_each)
    if limit_seconds is not None and limit_seconds <= 0:
        raise InputError(f"`limit_seconds` is {limit_seconds}, but must be above 0.")
    if not workers and listen is None:
        raise InputError("`workers` is 0, so somebody has to join: give `listen` an address.")
    try:
        json.dumps(about)
    except TypeError as error:
        raise InputError(f"`about` must be plain values, as in JSON: {error}.") from error
    host, port = address(listen or "127.0.0.1:0", "listen")
    # TensorFlow otherwise takes the whole memory of a GPU for the first process.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

    def run(task, oracle, *, seed, folds, lines):
        folder = oracle.path.parent
        facts = json.loads((folder / "search.json").read_text(encoding="utf-8"))
        now = {"versions": versions(), "backend": keras.config.backend()}
        description = facts | now | {"about": about, "seed": seed, "folds": folds}
        chief = Chief(oracle, description, lines)
        if chief.all_ended():
            return
        deadline = time.monotonic() + (limit_seconds or float("inf"))
        with chief.serving(host, port) as bound, contextlib.ExitStack() as stack:
            if listen:
                say(invitation(host, bound))
            near = "127.0.0.1" if _is_everywhere(host) else host
            words = [f"{near}:{bound}", str(os.getpid()), str(trials_each)]
            team = [
                stack.enter_context(_Local(chief, number, workers, folder, words))
                for number in range(1, workers + 1)
            ]
            try:
                in_time = _supervise(chief, team, deadline)
            finally:
                chief.stop()
                _farewell(chief, team)
        if chief.error:
            raise chief.error
        if not in_time:
            _say_how_far(oracle)

    return run


def _supervise(chief, team, deadline):
    """Looks after the workers until the search has ended, or the time is up.

    Returns:
        Boolean, whether it ended in time.
    """
    local = {worker.name: worker for worker in team}
    while not chief.ended.wait(0.1):
        for worker in team:
            worker.look_after()
        for name in chief.silent(SILENT_SECONDS):
            how = f"a silence of {SILENT_SECONDS} s"
            if name in local:
                local[name].kill(how)
            else:
                chief.lost(name, how)
                chief.forget(name)
        if time.monotonic() > deadline:
            return False
    return True


def _say_how_far(oracle):
    """Says how far a search has come whose time is up."""
    ended = [t for t in oracle.trials.values() if t.status in ("COMPLETED", "FAILED")]
    text = f"The time is up: {len(ended)} of {oracle.limit} trials have ended. `resume` goes on."
    if not any(trial.status == "COMPLETED" for trial in ended):
        raise InputError(text)
    say(text)


def _farewell(chief, team):
    """Waits a little until those who joined know that the search has ended."""
    until = time.monotonic() + FAREWELL_SECONDS
    names = [worker.name for worker in team]
    while not chief.all_told(besides=names) and time.monotonic() < until:
        time.sleep(0.05)


class _Local:
    """A worker on this machine: a process that is started again when it ends."""

    def __init__(self, chief, number, workers, folder, words):
        self._chief, self._number, self._words = chief, number, words
        self.name = chief.admit()
        self._environment = environment(max(1, (os.cpu_count() or 1) // workers))
        self._log = folder / "workers" / f"{number}.log"
        self._fruitless, self._how = 0, None

    def __enter__(self):
        try:
            self._log.parent.mkdir(exist_ok=True)
            self._log.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"Cannot write to {self._log.parent} ({error.strerror}).") from error
        self._start()
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def _start(self):
        words = [sys.executable, "-m", "dlnotes.tuning.worker", self.name, *self._words]
        with self._log.open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    def kill(self, how):
        """Ends the process, which is then started again."""
        self._how = how
        self._process.kill()

    def look_after(self):
        """Starts the process again if it has ended, unless that leads nowhere."""
        code = self._process.poll()
        if code is None or self._chief.ended.is_set():
            return
        if code == FRESH:
            self._chief.forget(self.name, starts_again=True)
            self._start()
            return
        had_a_trial = self._chief.lost(self.name, self._how or ending(code))
        self._fruitless = 0 if had_a_trial else self._fruitless + 1
        if self._fruitless == FRUITLESS:
            raise InputError(
                f"Worker {self._number} ended {FRUITLESS} times before it had a trial, at last by "
                f"{ending(code)}. Its last words: {last_words(self._log)!r}. All of them: "
                f"{self._log}"
            )
        self._how = None
        self._chief.forget(self.name, starts_again=True)
        self._start()


def environment(threads):
    """The environment of a worker: its share of the cores, and the modules that are found here.

    Numbers of threads that the person has set count as they are.
    """
    share = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    own = {
        "KERAS_BACKEND": keras.config.backend(),
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "PYTHONPATH": os.pathsep.join(str(Path(part).resolve()) for part in sys.path),
    }
    return dict.fromkeys(share, str(threads)) | os.environ | own


def ending(code):
    """How a process ended, in words."""
    if code >= 0:
        return f"exit code {code}"
    reason = ": out of memory?" if -code == signal.SIGKILL else ""
    return f"signal {-code} ({signal.Signals(-code).name}){reason}"


def last_words(path):
    """The last line of a log."""
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")[:500]


def address(text, name):
    """Host and port of `HOST:PORT`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise InputError(f"`{name}` is {text!r}, but must be HOST:PORT, such as 127.0.0.1:4711.")
    return host, int(port)


def invitation(host, port):
    """How workers come here, and what it means that they can."""
    if _is_loopback(host):
        return f"Workers on this machine can join: dlnotes tune --join {host}:{port}"
    return (
        f"Listening on {host}:{port} without password and without encryption. Whoever reaches this "
        "port can read what is searched, take trials, give false results and end the search. Use "
        "it in a private network only. Otherwise listen on the loopback address and come through "
        f"an SSH tunnel: --listen 127.0.0.1:{port} here, ssh -N -L {port}:127.0.0.1:{port} "
        f"THIS_MACHINE there.\nWorkers join with: dlnotes tune --join THIS_MACHINE:{port}"
    )


def _is_everywhere(host):
    return host in ("0.0.0.0", "[::]", "::")


def _is_loopback(host):
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return False


def say(text):
    """Says what a person must know, terminal or not."""
    print(text, file=sys.stderr, flush=True)
