"""Starts the processes of `dlnotes run --processes`, and ends them all when one is lost.

On one machine the launcher is the parent of all processes. On several, each machine has a launcher
for its one process; that of rank 0 listens at the coordinator's address, and the others connect to
it. They exchange lines of JSON: who takes part, where the processes find each other, how it ended.
A connection that closes means that a machine is lost. Nothing that is received is run.
"""

import contextlib
import json
import os
from pathlib import Path
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time

import dlnotes
from dlnotes.distributed import member
from dlnotes.errors import InputError, check_at_least

WAIT = "DLNOTES_WAIT_SECONDS"
POLL_SECONDS = 0.05
GRACE_SECONDS = 3
LONGEST_LINE = 1 << 16
LOST, INTERRUPTED = 2, 130


class LostError(Exception):
    """A process or a machine was lost, and the whole job ends."""


class EndedError(Exception):
    """The job has ended with this exit code."""


def launch(
    words, processes, coordinator=None, rank=None, *, words_of_rank_0, mend, seed=0, kept=""
):
    """Runs one command line in several processes.

    Args:
        words: List of strings, the command line of every process but rank 0, without the program's
            name. It is the same on all machines.
        processes: Integer, how many there are on all machines together.
        coordinator: String `HOST:PORT`, an address of the machine of rank 0 that all others reach.
            Defaults to `None`: all processes run on this machine.
        rank: Integer, the process that runs here. Defaults to `None`: all.
        words_of_rank_0: The command line of rank 0, which writes.
        seed: Integer, seed of the order of the rows. Defaults to `0`.
        kept: Path of the folder of a run to go on with. Defaults to `""`: a new run.
        mend: Function without arguments: a sentence on how to go on when a process was lost.

    Returns:
        Integer, the exit code.

    Raises:
        InputError: If the options do not fit together, or the others cannot be reached.
    """
    check_options(processes, coordinator, rank)
    here = range(processes) if coordinator is None else [rank]
    with contextlib.ExitStack() as stack:
        if coordinator is None:
            links, addresses = {}, [f"127.0.0.1:{port}" for port in _free_ports(processes)]
        else:
            links, addresses = _meet(stack, words, processes, _address(coordinator), rank)
        members = {}
        for number in here:
            environment = member.environment(number, addresses, seed, kept)
            one = _Member(number, words if number else words_of_rank_0, environment, len(here))
            members[number] = stack.enter_context(one)
        try:
            _watch(members, links, processes)
        except EndedError as ended:
            code = ended.args[0]
            _tell(links, {"ended": code})
            return code
        except KeyboardInterrupt:
            return _interrupted(members, links)
        except LostError as lost:
            _tell(links, {"lost": str(lost)})
            for one in members.values():
                one.end()
            print(f"dlnotes: {lost} The whole job was ended. {mend()}", file=sys.stderr)
            return LOST


def check_options(processes, coordinator, rank):
    """Refuses options that do not fit together.

    Args:
        processes: Integer or `None`.
        coordinator: String `HOST:PORT` or `None`.
        rank: Integer or `None`.

    Raises:
        InputError: If one is missing or out of range.
    """
    if processes is None:
        raise InputError(
            "--coordinator and --rank also need --processes N, the number on all machines."
        )
    check_at_least(1, processes=processes)
    if coordinator is None and rank is not None:
        raise InputError(
            "--rank came without --coordinator: give the address HOST:PORT of the machine of rank "
            "0, the same in every command; or leave out --rank to start all processes here."
        )
    if coordinator is not None and rank is None:
        raise InputError(
            "--coordinator came without --rank: give each machine its own, from 0 to "
            f"{processes - 1}."
        )
    if rank is not None and rank not in range(processes):
        raise InputError(
            f"--rank is {rank}, but with --processes {processes} must be from 0 to {processes - 1}."
        )
    if coordinator is not None:
        _address(coordinator)


def _address(text):
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InputError(
            f"--coordinator is {text!r}, but must be HOST:PORT, such as 192.168.0.10:12345."
        )
    return host.strip("[]"), int(port)


def _free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class _Member:
    """One process on this machine. Leaving the block ends it."""

    def __init__(self, rank, words, environment, together):
        self.rank = rank
        threads = str(max(1, (os.cpu_count() or 1) // together))
        share = {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads}
        share["TF_CPP_MIN_LOG_LEVEL"] = "3"  # the others complain when one is lost
        # Rank 0 speaks for all. What another one writes is read only when it fails alone.
        self.errors = None if rank == 0 else tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dlnotes", *words],
            stdin=subprocess.PIPE,
            stdout=None if rank == 0 else subprocess.DEVNULL,
            stderr=self.errors,
            env=share | os.environ | environment,
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        if self.errors:
            self.errors.close()

    @property
    def code(self):
        return self.process.poll()

    def how(self):
        """How the process ended, in words."""
        if self.code < 0:
            return f"killed by signal {-self.code} ({signal.Signals(-self.code).name})"
        return f"ended with exit code {self.code}{self._last_words()}"

    def _last_words(self):
        if self.errors is None:
            return ""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return f", its last line: {lines[-1].removeprefix('dlnotes: ')}" if lines else ""


def _watch(members, links, processes):
    """Watches processes and connections until the job has ended or something is lost."""
    finished = set()
    with selectors.DefaultSelector() as selector:
        for link in links.values():
            selector.register(link, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select(POLL_SECONDS if links else 0):
                _hear(key.fileobj, processes)
            for one in members.values():
                if one.code is not None and one.rank not in finished:
                    finished.add(one.rank)
                    _judge(one, members, processes)
            if not links:
                time.sleep(POLL_SECONDS)


def _judge(one, members, processes):
    """What the end of one process means for the job."""
    if one.rank == 0 and one.code >= 0:
        raise EndedError(one.code)
    if one.code == 0:
        return
    if one.code > 0 and 0 in members:
        # What is wrong with the command is wrong in all processes, and rank 0 says it best.
        with contextlib.suppress(subprocess.TimeoutExpired):
            members[0].process.wait(GRACE_SECONDS)
        if members[0].code is not None and members[0].code > 0:
            raise EndedError(members[0].code)
    raise LostError(f"Process {one.rank} of {processes} was lost: {one.how()}.")


def _hear(link, processes):
    """What another machine says about the end."""
    message = link.receive()
    if message is None:
        raise LostError(f"{link.name} was lost: the connection closed.")
    if "ended" in message:
        raise EndedError(int(message["ended"]))
    if "lost" in message:
        raise LostError(str(message["lost"]))


def _tell(links, message):
    for link in links.values():
        with contextlib.suppress(OSError):
            link.send(message)


def _interrupted(members, links):
    """After Ctrl-C rank 0 ends its recipe and writes what there is; the others just end."""
    if 0 in members:
        members[0].process.send_signal(signal.SIGINT)
        with contextlib.suppress(KeyboardInterrupt):
            members[0].process.wait()
        _tell(links, {"ended": INTERRUPTED})
    else:
        _tell(links, {"lost": "A process was stopped with Ctrl-C."})
    return INTERRUPTED


class _Link:
    """A connection to another launcher, with a line of JSON for each message."""

    def __init__(self, connection, name):
        self.connection = connection
        self.name = name
        self._read = b""

    def fileno(self):
        return self.connection.fileno()

    def send(self, message):
        self.connection.sendall(json.dumps(message).encode() + b"\n")

    def receive(self):
        """The next message, or `None` when the connection has closed or makes no sense."""
        try:
            while b"\n" not in self._read:
                more = self.connection.recv(4096)
                if not more or len(self._read) > LONGEST_LINE:
                    return None
                self._read += more
            line, self._read = self._read.split(b"\n", 1)
            message = json.loads(line)
        except (OSError, ValueError):
            return None
        return message if isinstance(message, dict) else None


def _meet(stack, words, processes, address, rank):
    """Meets the launchers of the other machines: connections, and the addresses of all."""
    deadline = time.monotonic() + float(os.environ.get(WAIT, 120))
    port = _free_port_for(address[0] if rank == 0 else "")
    # A recipe may lie elsewhere on another machine.
    wanted = [Path(words[1]).stem, *words[2:]]
    about = {"words": wanted, "processes": processes, "version": dlnotes.__version__}
    if rank == 0:
        return _gather(stack, about, address, port, deadline)
    link = _Link(_connect(stack, address, deadline), f"The coordinator {address[0]}:{address[1]}")
    link.send(about | {"rank": rank, "port": port})
    link.connection.settimeout(max(1, deadline - time.monotonic()))
    answer = link.receive()
    link.connection.settimeout(None)
    if not answer or "addresses" not in answer:
        said = (answer or {}).get("refused") or "it closed the connection, or some rank never came"
        raise InputError(f"{link.name} did not start the job: {said}.")
    return {0: link}, [str(one) for one in answer["addresses"]]


def _free_port_for(host):
    try:
        with socket.create_server((host, 0)) as server:
            return server.getsockname()[1]
    except OSError as error:
        raise InputError(
            f"--coordinator: {host} is no address of this machine ({error.strerror or error}), but "
            "rank 0 has to run on it."
        ) from error


def _connect(stack, address, deadline):
    begin = time.monotonic()
    while True:
        try:
            return stack.enter_context(socket.create_connection(address, timeout=5))
        except OSError as error:
            if time.monotonic() > deadline:
                raise InputError(
                    f"The coordinator {address[0]}:{address[1]} cannot be reached "
                    f"({error.strerror or error}), tried for {time.monotonic() - begin:.0f} s: "
                    f"start rank 0 there, and open the port. {WAIT} sets how long to wait."
                ) from error
            time.sleep(0.2)


def _gather(stack, about, address, port, deadline):
    """Waits at the address of the coordinator until all ranks have come."""
    try:
        server = stack.enter_context(socket.create_server(address))
    except OSError as error:
        raise InputError(
            f"Cannot listen at {address[0]}:{address[1]} ({error.strerror or error}): choose "
            "another port in --coordinator."
        ) from error
    links, addresses = {}, {0: f"{address[0]}:{port}"}
    while len(addresses) < about["processes"]:
        server.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            connection, peer = server.accept()
        except TimeoutError as error:
            missing = sorted(set(range(about["processes"])) - set(addresses))
            raise InputError(
                f"Rank {', '.join(map(str, missing))} did not come: start it with the same command "
                f"and its own --rank. {WAIT} sets how long to wait."
            ) from error
        stack.enter_context(connection)
        connection.settimeout(5)
        link = _Link(connection, "A stranger")
        message = link.receive() or {}
        connection.settimeout(None)
        refused = _why_refused(message, about, addresses)
        if refused:
            with contextlib.suppress(OSError):
                link.send({"refused": refused})
            connection.close()
            continue
        rank = message["rank"]
        link.name = f"The machine of process {rank} ({peer[0]})"
        links[rank], addresses[rank] = link, f"{peer[0]}:{message['port']}"
    everyone = [addresses[rank] for rank in sorted(addresses)]
    _tell(links, {"addresses": everyone})
    return links, everyone


def _why_refused(message, about, addresses):
    """Why a launcher cannot take part, or `None`."""
    rank, port = message.get("rank"), message.get("port")
    if not isinstance(rank, int) or not isinstance(port, int):
        return "no launcher of dlnotes"
    for name, wanted in about.items():
        if message.get(name) != wanted:
            return f"`{name}` is {message.get(name)!r} there, but {wanted!r} at rank 0"
    if rank in addresses or rank not in range(about["processes"]):
        return f"there is a rank {rank} already, or there are only {about['processes']} processes"
    return None
