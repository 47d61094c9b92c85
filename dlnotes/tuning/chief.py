"""The process that holds the oracle of a search and gives its trials to workers, over gRPC."""

import collections
from concurrent import futures
import contextlib
import itertools
import json
import math
import secrets
import threading
import time

from dlnotes.errors import InputError
import grpc
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.src import protos

SERVICE = "dlnotes.Search"
LOSSES = 3
NOT_HERE = "This worker does not take part in the search, or was silent for too long: join again."


class RefusedError(Exception):
    """Why a worker does not get what it asks for, in one sentence."""


class Chief:
    """Gives the trials of an oracle to workers and takes their numbers.

    Workers fetch trials by keras-tuner's own protocol. Their numbers come by a second service, in
    JSON: keras-tuner 1.4.8 rounds them to 32 bits and drops the reason of a failure. One lock lets
    one step of the search through at a time: that of keras-tuner is never opened again when a step
    raises.

    Args:
        oracle: What `tuning.oracles.oracle` returns.
        description: Dictionary, what is searched, as JSON can hold it.
        lines: Called with each trial that has ended, or `None`.
    """

    def __init__(self, oracle, description, lines=None):
        self.ended, self.error = threading.Event(), None
        self._oracle, self._description, self._lines = oracle, description, lines
        self._lock = threading.RLock()
        self._search, self._numbers = secrets.token_hex(4), itertools.count(1)
        self._seen, self._told = {}, set()
        self._losses = collections.Counter()
        self._idle = False

    def admit(self, seen=None):
        """A new worker's name, which only this search knows."""
        with self._lock:
            worker = f"{self._search}-{next(self._numbers)}"
            self._seen[worker] = seen
        return worker

    def describe(self):
        """What is searched."""
        return self._description

    def join(self):
        """A worker of another machine comes."""
        return {"worker": self.admit(time.monotonic())}

    def beat(self, worker):
        """A worker is there; it learns whether the search goes on."""
        self._see(worker)
        if self.ended.is_set():
            self._told.add(worker)
        return {"go_on": not self.ended.is_set()}

    def create_trial(self, worker):
        """The next trial. As long as others run, one of theirs may come back: so wait for them."""
        with self._step(worker):
            if self.ended.is_set():
                self._told.add(worker)
                return self._nothing(TrialStatus.STOPPED)
            if self._idle:
                return self._nothing(TrialStatus.IDLE)
            given = self._oracle.create_trial(worker)
            if given.status == TrialStatus.STOPPED and self._oracle.ongoing_trials:
                given.status = TrialStatus.IDLE
            self._idle = given.status == TrialStatus.IDLE
            if given.status == TrialStatus.STOPPED:
                self._told.add(worker)
                self.ended.set()
            return given

    def finish(self, worker, trial, numbers=None, reason=None):
        """A trial has ended. From a worker that has lost it, or asks twice, nothing is taken."""
        if numbers is not None:
            self._check_numbers(numbers)
        with self._step(worker):
            given = self._oracle.ongoing_trials.get(worker)
            taken = not self.ended.is_set() and given is not None and given.trial_id == trial
            if taken:
                self._finish(given, numbers, reason)
        return {"taken": taken}

    def leave(self, worker, reason=None):
        """A worker goes; with a reason for which no worker can go on."""
        with self._step(worker):
            if reason:
                self.stop(InputError(reason))
            else:
                self._give_back(worker)
        self.forget(worker)
        return {}

    def lost(self, worker, how):
        """A worker is gone. Its trial is given out again; the third time it has failed for good.

        Returns:
            Boolean, whether it had a trial.
        """
        with self._lock:
            trial = self._oracle.ongoing_trials.get(worker)
            if trial is None or self.ended.is_set():
                return trial is not None
            self._losses[trial.trial_id] += 1
            if self._losses[trial.trial_id] < LOSSES:
                self._give_back(worker)
            else:
                reason = f"the process that ran it ended {LOSSES} times, at last by {how}"
                self._finish(trial, None, reason)
            return True

    def stop(self, error=None):
        """Ends the search before its time. Trials that run are repeated when it is resumed."""
        self.error = self.error or error
        self.ended.set()

    def silent(self, seconds):
        """Workers that came and have given no sign of life for so long."""
        now = time.monotonic()
        with self._lock:
            return [
                w for w, seen in self._seen.items() if seen is not None and now - seen > seconds
            ]

    def forget(self, worker, starts_again=False):
        """A worker is out, or starts again under its old name."""
        with self._lock:
            if starts_again:
                self._seen[worker] = None
            else:
                self._seen.pop(worker, None)

    def all_told(self, besides=()):
        """Whether all workers know that the search has ended, besides some."""
        with self._lock:
            return self._told.union(besides) >= set(self._seen)

    def all_ended(self):
        """Whether there are as many trials as were asked for, and all have ended."""
        return self._oracle.all_ended()

    @contextlib.contextmanager
    def serving(self, host, port):
        """Serves workers inside the block, on a port that it gives."""
        server = grpc.server(futures.ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
        protos.get_service_grpc().add_OracleServicer_to_server(_Trials(self), server)
        offered = (self.describe, self.join, self.beat, self.finish, self.leave)
        handlers = {method.__name__: _handler(method) for method in offered}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        try:
            bound = server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise InputError(
                f"`listen`: cannot listen on {host}:{port}. It is no address of this machine, or "
                "another program listens there: choose another port, or 0 for any free one."
            ) from error
        server.start()
        try:
            yield bound
        finally:
            server.stop(grace=0.5).wait(5)

    def _nothing(self, status):
        return Trial(self._oracle.get_space(), status=status)

    def _see(self, worker):
        if worker not in self._seen:
            raise RefusedError(NOT_HERE)
        self._seen[worker] = time.monotonic()

    @contextlib.contextmanager
    def _step(self, worker):
        """One step of the search at a time; the first error ends it."""
        with self._lock:
            self._see(worker)
            try:
                yield
            except Exception as error:
                self.stop(error)
                raise RefusedError(str(error)) from error

    def _check_numbers(self, numbers):
        name = self._oracle.objective.name
        if not all(isinstance(value, float | int) for value in numbers.values()):
            raise RefusedError(f"The numbers of a trial must be numbers, but are {numbers}.")
        if not math.isfinite(numbers.get(name, math.nan)):
            raise RefusedError(f"The numbers of a trial must contain {name}, but are {numbers}.")

    def _finish(self, trial, numbers, reason):
        self._oracle.finish(trial, numbers, reason)
        self._idle = False
        if self._lines:
            self._lines(trial.trial_id)
        if self.all_ended():
            self.ended.set()

    def _give_back(self, worker):
        if self._oracle.give_back(worker) is not None:
            self._idle = False


class _Trials(protos.get_service_grpc().OracleServicer):
    """Of keras-tuner's service, what workers need: trials."""

    def __init__(self, chief):
        self._chief = chief

    def CreateTrial(self, request, context):  # noqa: N802
        with _refusing(context):
            trial = self._chief.create_trial(request.tuner_id)
            return protos.get_service().CreateTrialResponse(trial=trial.to_proto())


def _handler(method):
    """A method, as gRPC calls it: JSON in, JSON out."""

    def answer(request, context):
        with _refusing(context):
            try:
                arguments = json.loads(request)
                return json.dumps(method(**arguments)).encode()
            except (TypeError, ValueError) as error:
                raise RefusedError(f"This is no request of a search: {error}.") from error

    return grpc.unary_unary_rpc_method_handler(answer)


@contextlib.contextmanager
def _refusing(context):
    try:
        yield
    except RefusedError as refused:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(refused))
