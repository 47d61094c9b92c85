"""One process of a search that runs trials which another one gives it."""

import contextlib
import importlib
import json
import math
import os
import sys
import threading
import time

from dlnotes import catalogue, runs
from dlnotes._keras import keras
from dlnotes.errors import InputError
from dlnotes.machine import versions
from dlnotes.tuning.chief import SERVICE
from dlnotes.tuning.search import declared, run_trials
from dlnotes.tuning.task import digest
import grpc
import keras_tuner
from keras_tuner.engine.trial import Trial
from keras_tuner.src import protos

BEAT_SECONDS = 2
PATIENCE_SECONDS = 20
FRESH = 75
SAME = ("dlnotes", "keras", "tensorflow", "keras-tuner", "numpy")
PERSON_CAN_MEND = 2


def join(address, task=None):
    """Works for a search that another process, perhaps on another machine, has opened.

    Returns when the search is over. The process belongs to the search: it ends with exit code 2
    if nothing was heard of the search for 20 s, and with 0 if the search ends during a trial.

    Args:
        address: String `HOST:PORT`, as the search says it.
        task: The same `tuning.Task` as there, for a search that was begun from Python. Defaults to
            `None`: the recipe that is searched.

    Returns:
        Integer, the exit code `0`.

    Raises:
        InputError: If the search cannot be reached, or data, space or packages are others there.
    """
    with _connected(address) as client:
        description = client.ask("describe")
        task = task or _task_of_recipe(description["about"])
        runs.settle()
        _check_same(description, task)
        client.worker = client.ask("join")["worker"]
        client.keep_in_touch()
        if sys.stderr.isatty():
            print(f"Working for the search at {address}.", file=sys.stderr)
        _work(client, description, task)
    return 0


def main(worker, address, parent, trials):
    """Works for the search that has started this process, for so many trials."""
    with _connected(address) as client:
        client.worker, client.parent = worker, int(parent)
        client.keep_in_touch()
        description = client.ask("describe")
        try:
            task = _task(description["about"])
            _check_same(description, task)
        except InputError as error:
            client.ask("leave", worker=worker, reason=str(error))
            raise
        client.left = int(trials)
        _work(client, description, task)
    sys.exit(0 if client.left else FRESH)


def _work(client, description, task):
    try:
        options = {name: description[name] for name in ("seed", "folds")}
        run_trials(task, client, **options, lines=None, worker=client.worker)
    except InputError as error:
        client.ask("leave", worker=client.worker, reason=str(error))
        raise
    except KeyboardInterrupt:
        client.ask("leave", worker=client.worker)
        raise


def _task(about):
    """The task, made from what the search on this machine says about it."""
    if "source" not in about:
        return _searched(catalogue.read_recipe(about["path"]), about)
    module, _, name = about["source"].partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"`source` is {about['source']!r}, but must be module:function, which another process "
            f"can import: {error}."
        ) from error
    return function(**about.get("arguments", {}))


def _task_of_recipe(about):
    """The task of a recipe of this package: what another machine names is not imported."""
    if "source" in about:
        raise InputError(
            "This search was begun from Python, so join it from Python, with the same task: "
            "dlnotes.tuning.workers.join(address, task)."
        )
    return _searched(catalogue.find(str(about["recipe"]).removesuffix(".py")), about)


def _searched(recipe, about):
    from dlnotes.tuning import command

    options = command.typed(recipe, about["options"])
    return command.task_of(recipe, options, about["settings"]["objective"])


def _check_same(description, task):
    """Refuses to work with other packages, other data or another space."""
    here = versions()
    changes = [
        f"{name} is {description['versions'].get(name)} there and {here[name]} here"
        for name in SAME
        if description["versions"].get(name) != here[name]
    ]
    if description["backend"] != keras.config.backend():
        changes.append(
            f"the backend is {description['backend']} there and {keras.config.backend()} here"
        )
    if description["data"] != digest(task.data):
        changes.append("the data are others")
    else:
        space = [{"kind": type(hp).__name__, **hp.get_config()} for hp in declared(task).space]
        if description["space"] != json.loads(json.dumps(space)):
            changes.append("the search space is another one")
    if changes:
        raise InputError(
            f"This worker would search something else: {'; '.join(changes)}. Use the same "
            "packages, the same version of the recipe and the same data."
        )


@contextlib.contextmanager
def _connected(address):
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(address, options) as channel:
        client = _Client(channel, address)
        try:
            yield client
        finally:
            client.over.set()


class _Client:
    """Speaks to the process that holds the oracle."""

    def __init__(self, channel, address):
        self.worker = self.parent = None
        self.left = math.inf
        self.over = threading.Event()
        self._address, self._channel, self._busy = address, channel, False
        self._create = protos.get_service_grpc().OracleStub(channel).CreateTrial

    def create_trial(self, worker):
        """The next trial, by keras-tuner's protocol, or none where it is time for a new process."""
        if not self.left:
            return Trial(keras_tuner.HyperParameters(), status="STOPPED")
        request = protos.get_service().CreateTrialRequest(tuner_id=worker)
        trial = Trial.from_proto(self._patiently(self._create, request).trial)
        self._busy = trial.status == "RUNNING"
        self.left -= self._busy
        return trial

    def finish(self, trial, numbers=None, reason=None):
        """Says what a trial gave, or why it gave nothing."""
        about = {"trial": trial.trial_id, "numbers": numbers, "reason": reason}
        self.ask("finish", worker=self.worker, **about)
        self._busy = False

    def ask(self, method, **arguments):
        """Asks the process that holds the oracle, in JSON."""
        call = self._channel.unary_unary(f"/{SERVICE}/{method}")
        return json.loads(self._patiently(call, json.dumps(arguments).encode()))

    def keep_in_touch(self):
        """Gives signs of life until `over` is set, and ends this process when nobody hears them."""
        threading.Thread(target=self._keep_in_touch, name="signs of life", daemon=True).start()

    def _keep_in_touch(self):
        beat = self._channel.unary_unary(f"/{SERVICE}/beat")
        request = json.dumps({"worker": self.worker}).encode()
        failing = None
        while not self.over.is_set():
            try:
                goes_on = json.loads(beat(request, timeout=PATIENCE_SECONDS / 2))["go_on"]
                failing = None
            except ValueError:
                if self.over.is_set():
                    return
                raise
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.FAILED_PRECONDITION:
                    _end(error.details())
                failing = failing or time.monotonic()
                goes_on = True
                if time.monotonic() - failing > PATIENCE_SECONDS:
                    _end(self._unreachable())
            if self._busy and not goes_on:
                os._exit(0)
            for _ in range(4):
                if self.parent not in (None, os.getppid()):
                    os._exit(PERSON_CAN_MEND)
                self.over.wait(BEAT_SECONDS / 4)

    def _patiently(self, call, request):
        """Calls again until there is an answer, for a while."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return call(request, timeout=PATIENCE_SECONDS)
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.FAILED_PRECONDITION:
                    raise InputError(error.details()) from error
                if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                    raise InputError(f"What answers at {self._address} is no search.") from error
                if time.monotonic() > until:
                    raise InputError(self._unreachable()) from error
                time.sleep(0.2)

    def _unreachable(self):
        return (
            f"Nothing was heard of the search at {self._address} for {PATIENCE_SECONDS} s: it has "
            "ended, or the connection is lost."
        )


def _end(reason):
    """Ends this process from any thread."""
    print(f"dlnotes: {reason}", file=sys.stderr, flush=True)
    os._exit(PERSON_CAN_MEND)


if __name__ == "__main__":
    runs.settle()
    try:
        main(*sys.argv[1:])
    except InputError as error:
        _end(str(error))
