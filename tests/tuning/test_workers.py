"""Searches in several processes: each trial once, whoever dies."""

from collections import Counter
from concurrent import futures
import contextlib
import json
import math
import os
from pathlib import Path
import signal
import socket
import subprocess
import sys
import threading
import time

from dlnotes import tuning
from dlnotes.errors import InputError
from dlnotes.tuning import worker, workers
from dlnotes.tuning.chief import LOSSES, SERVICE, Chief
from dlnotes.tuning.oracles import NAMES, oracle
from dlnotes.tuning.search import declared
from dlnotes.tuning.trial import evaluate
import grpc
import planted
import pytest

HERE = Path(__file__).resolve().parent
OBJECTIVE = planted.task().objective
SECONDS = 240


@pytest.fixture
def chosen(tmp_path):
    return chooser(tmp_path)


def chooser(folder, tuner="random", limit=6):
    made = oracle(tuner, OBJECTIVE, folder=folder, limit=limit, seed=0, epochs=4)
    made.update_space(declared(planted.task()))
    return made


@contextlib.contextmanager
def clients(chief, number):
    """Connections of workers that belong to the search."""
    with chief.serving("127.0.0.1", 0) as port, contextlib.ExitStack() as stack:
        made = []
        for _ in range(number):
            client = stack.enter_context(worker._connected(f"127.0.0.1:{port}"))
            client.worker = client.ask("join")["worker"]
            made.append(client)
        yield made


def score(values):
    """A score with digits that 32 bits do not hold."""
    return sum(value / 3 for name, value in values.items() if "/" not in name)


def run_all(client):
    """Runs trials until there are no more, without training, and returns their numbers."""
    ran = []
    while True:
        trial = client.create_trial(client.worker)
        if trial.status == "STOPPED":
            return ran
        if trial.status == "IDLE":
            time.sleep(0.01)
            continue
        ran.append(trial.trial_id)
        values = trial.hyperparameters.values
        if values["units"] == 2:
            client.finish(trial, reason="two is not allowed")
        else:
            client.finish(trial, {"val_loss": score(values), "fold 1": 0.1})


@pytest.mark.parametrize("tuner", NAMES)
def test_every_trial_is_run_once_and_its_numbers_arrive_whole(tuner, tmp_path):
    made = chooser(tmp_path, tuner, limit=8)
    seen = []
    with (
        clients(Chief(made, {}, seen.append), 3) as team,
        futures.ThreadPoolExecutor(3) as threads,
    ):
        ran = [trial for part in threads.map(run_all, team) for trial in part]
    assert sorted(ran) == sorted(seen) == sorted(made.trials)
    assert len(ran) <= 8
    for trial in chooser(tmp_path, tuner, limit=8).trials.values():
        values = trial.hyperparameters.values
        if values["units"] == 2:
            assert (trial.status, trial.message) == ("FAILED", "two is not allowed")
        else:
            assert (trial.status, trial.score) == ("COMPLETED", score(values))
            assert trial.metrics.get_last_value("fold 1") == 0.1


def test_the_search_ends_with_its_last_trial(chosen):
    chosen.limit = 1
    chief = Chief(chosen, {})
    assert not chief.all_ended()
    with clients(chief, 2) as (first, second):
        trial = first.create_trial(first.worker)
        assert second.create_trial(second.worker).status == "IDLE"
        first.finish(trial, {"val_loss": 1.0})
        assert chief.ended.is_set()
        assert chief.all_ended()
        assert second.create_trial(second.worker).status == "STOPPED"
        assert not chief.all_told()
        assert first.ask("beat", worker=first.worker) == {"go_on": False}
        assert chief.all_told()


def test_a_lost_trial_is_given_out_again_and_the_third_time_it_has_failed(chosen):
    chosen.limit = 1
    chief = Chief(chosen, {})
    names = []
    for _ in range(LOSSES):
        name = chief.admit()
        names.append(chief.create_trial(name).trial_id)
        assert chief.lost(name, "signal 9")
    assert len(set(names)) == 1
    (trial,) = chosen.trials.values()
    assert trial.status == "FAILED"
    assert trial.message == "the process that ran it ended 3 times, at last by signal 9"
    assert chief.create_trial(chief.admit()).status == "STOPPED"


def test_a_worker_without_a_trial_loses_none(chosen):
    chief = Chief(chosen, {})
    assert not chief.lost(chief.admit(), "signal 9")
    assert not chosen.trials


def test_a_worker_that_leaves_gives_its_trial_back_and_a_reason_ends_the_search(chosen):
    chief = Chief(chosen, {})
    with clients(chief, 3) as (first, second, third):
        trial = first.create_trial(first.worker).trial_id
        first.ask("leave", worker=first.worker)
        assert second.create_trial(second.worker).trial_id == trial
        third.ask("leave", worker=third.worker, reason="`objective` is not reported")
        assert second.create_trial(second.worker).status == "STOPPED"
    assert str(chief.error) == "`objective` is not reported"


def test_numbers_are_taken_once_and_from_the_worker_that_has_the_trial(chosen):
    chief = Chief(chosen, {})
    with clients(chief, 2) as (first, second):
        trial = first.create_trial(first.worker).trial_id
        given = {"trial": trial, "numbers": {"val_loss": 1.0}}
        assert second.ask("finish", worker=second.worker, **given) == {"taken": False}
        assert first.ask("finish", worker=first.worker, **given) == {"taken": True}
        again = {"trial": trial, "numbers": {"val_loss": 2.0}}
        assert first.ask("finish", worker=first.worker, **again) == {"taken": False}
        assert chosen.trials[trial].score == 1.0


@pytest.mark.parametrize(
    ("request_bytes", "answer"),
    [
        (b"\x80\x04N.", "This is no request of a search"),
        (b'{"anything": 1}', "This is no request of a search"),
        (b'{"worker": "1"}', "This worker does not take part"),
    ],
)
def test_what_is_no_request_of_a_worker_is_refused(chosen, request_bytes, answer):
    chief = Chief(chosen, {})
    with clients(chief, 1) as (client,):
        with pytest.raises(grpc.RpcError, match=answer):
            client._channel.unary_unary(f"/{SERVICE}/beat")(request_bytes, timeout=5)
        with pytest.raises(InputError, match="does not take part"):
            client.create_trial("1")
    assert not chief.ended.is_set()


@pytest.mark.parametrize("numbers", [{"val_loss": math.nan}, {"loss": 1.0}, {"val_loss": "1"}])
def test_numbers_that_are_none_are_refused_and_the_search_goes_on(chosen, numbers):
    with clients(Chief(chosen, {}), 1) as (client,):
        trial = client.create_trial(client.worker)
        with pytest.raises(InputError, match="The numbers of a trial must"):
            client.finish(trial, numbers)
        client.finish(trial, {"val_loss": 1.0})
    assert chosen.trials[trial.trial_id].score == 1.0


def test_an_error_while_writing_ends_the_search_and_blocks_nobody(tmp_path):
    made = chooser(tmp_path)
    made.path.unlink(missing_ok=True)
    made.path.mkdir()
    chief = Chief(made, {})
    with clients(chief, 2) as (first, second):
        with pytest.raises(InputError, match="Cannot write"):
            first.create_trial(first.worker)
        assert second.create_trial(second.worker).status == "STOPPED"
        assert second.ask("beat", worker=second.worker) == {"go_on": False}
    assert "Cannot write" in str(chief.error)


def test_a_silent_worker_is_noticed(chosen):
    chief = Chief(chosen, {})
    starting, joined = chief.admit(), chief.join()["worker"]
    assert chief.silent(-1) == [joined]
    assert chief.silent(60) == []
    chief.beat(starting)
    chief.forget(joined)
    assert chief.silent(-1) == [starting]
    chief.forget(starting, starts_again=True)
    assert chief.silent(-1) == []


def test_the_signs_of_life_end_with_the_connection(chosen, monkeypatch):
    monkeypatch.setattr(worker, "BEAT_SECONDS", 0.01)
    with clients(Chief(chosen, {}), 1) as (client,):
        before = threading.enumerate()
        client.keep_in_touch()
        (thread,) = (
            one
            for one in threading.enumerate()
            if one.name == "signs of life" and one not in before
        )
    thread.join(SECONDS)
    assert not thread.is_alive()


def opened(task, folder, about, **facts):
    """A search as `tuning.search` begins it, ready to be joined."""
    chosen = []

    def run(task, oracle, **_):
        chosen.append(oracle)

    with contextlib.suppress(InputError):
        tuning.search(task, run=run, trials=2, folder=folder, about=about)
    written = json.loads((folder / "search.json").read_text())
    here = {"backend": worker.keras.config.backend(), "about": about}
    return Chief(chosen[0], written | here | facts)


def test_who_joins_with_the_same_task_works_until_the_end(tmp_path):
    chief = opened(planted.task(), tmp_path / "s", {"source": "planted:task"})
    with chief.serving("127.0.0.1", 0) as port:
        assert workers.join(f"127.0.0.1:{port}", planted.task()) == 0
        assert chief.all_ended()
        assert chief.all_told()
    for ran in chief._oracle.trials.values():
        alone = evaluate(planted.task(), ran.hyperparameters)["val_loss"]
        assert ran.score == pytest.approx(alone, rel=1e-6)


def test_who_would_search_something_else_is_refused(tmp_path):
    source = {"source": "planted:task"}
    chief = opened(planted.task(), tmp_path / "s", source)
    with chief.serving("127.0.0.1", 0) as port:
        place = f"127.0.0.1:{port}"
        with pytest.raises(InputError, match="the data are others"):
            workers.join(place, planted.task(shift=1.0))
        with pytest.raises(InputError, match="the search space is another one"):
            workers.join(place, planted.task(units=3))
        with pytest.raises(InputError, match="begun from Python, so join it from Python"):
            workers.join(place)
    old = chief.describe()["versions"] | {"keras": "3.0.0"}
    chief = opened(planted.task(), tmp_path / "t", source, versions=old, backend="torch")
    with (
        chief.serving("127.0.0.1", 0) as port,
        pytest.raises(
            InputError, match=r"keras is 3\.0\.0 there and .* the backend is torch there"
        ),
    ):
        workers.join(f"127.0.0.1:{port}", planted.task())
    assert not chief._oracle.ongoing_trials


def test_who_joins_opens_no_file_that_another_machine_names(tmp_path):
    (tmp_path / "recipe.py").write_text("raise SystemExit('opened')")
    about = {"recipe": str(tmp_path / "recipe.py"), "options": {}, "settings": {}}
    with pytest.raises(InputError, match="There is no recipe called"):
        worker._task_of_recipe(about)


def test_where_no_search_is_one_sentence_says_so(monkeypatch):
    monkeypatch.setattr(worker, "PATIENCE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(InputError, match=f"Nothing was heard of the search at {place}"):
            workers.join(place)
    with pytest.raises(InputError, match="Nothing was heard of the search"):
        workers.join(place)
    other = grpc.server(futures.ThreadPoolExecutor(1))
    port = other.add_insecure_port("127.0.0.1:0")
    other.start()
    with pytest.raises(InputError, match=r"What answers at .* is no search"):
        workers.join(f"127.0.0.1:{port}")
    other.stop(None).wait()


def test_a_port_that_is_taken_is_one_sentence(chosen):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(InputError, match=r"cannot listen on 127\.0\.0\.1"),
        Chief(chosen, {}).serving("127.0.0.1", taken.getsockname()[1]),
    ):
        pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workers": -1}, "`workers` is -1, but must be at least 0"),
        ({"workers": 0}, "somebody has to join"),
        ({"limit_seconds": 0}, "must be above 0"),
        ({"listen": "4711"}, "must be HOST:PORT"),
        ({"listen": "here:port"}, "must be HOST:PORT"),
        ({"listen": "here:70000"}, "must be HOST:PORT"),
        ({"about": {"arguments": {"path": Path()}}}, "plain values"),
    ],
)
def test_what_cannot_be_is_refused_at_once(arguments, message):
    with pytest.raises(InputError, match=message):
        workers.several(arguments.pop("about", {}), **arguments)


def run_directly(oracle, about, workers_here, **options):
    """Runs the trials of a search that has been opened."""
    workers.several(about, workers_here, **options)(None, oracle, seed=0, folds=None, lines=None)


def test_the_time_limit_ends_a_search_that_goes_on_later(tmp_path, capfd):
    limited = {"listen": "0.0.0.0:0", "limit_seconds": 0.2}
    oracle = opened(planted.task(), tmp_path / "s", {})._oracle
    with pytest.raises(InputError, match="The time is up: 0 of 2 trials have ended"):
        run_directly(oracle, {}, 0, **limited)
    oracle.finish(oracle.create_trial("1"), {"val_loss": 1.0})
    running = oracle.create_trial("1")
    capfd.readouterr()
    run_directly(oracle, {}, 0, **limited)
    said = capfd.readouterr().err
    assert said.count("without password and without encryption") == 1
    assert "ssh -N -L" in said
    assert "The time is up: 1 of 2 trials have ended" in said
    assert chooser(tmp_path / "s", limit=2).create_trial("2").trial_id == running.trial_id


def test_a_finished_search_starts_no_worker(tmp_path):
    oracle = opened(planted.task(), tmp_path / "s", {})._oracle
    for _ in range(2):
        oracle.finish(oracle.create_trial("1"), {"val_loss": 1.0})
    run_directly(oracle, {"source": "nowhere:task"}, 2)
    assert not (tmp_path / "s" / "workers").exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_the_loopback_address_needs_no_warning(host):
    assert "password" not in workers.invitation(host, 1)


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.168.0.7", "my-machine"])
def test_every_other_address_is_warned_of(host):
    assert "Whoever reaches this port can read" in workers.invitation(host, 1)


def test_the_end_of_a_process_is_named():
    assert workers.ending(-9) == "signal 9 (SIGKILL): out of memory?"
    assert workers.ending(-11) == "signal 11 (SIGSEGV)"
    assert workers.ending(1) == "exit code 1"


def test_workers_get_their_share_of_the_cores(tmp_path, chosen, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    local = workers._Local(Chief(chosen, {}), 1, 3, tmp_path, ["127.0.0.1:1"])
    assert local._environment["TF_NUM_INTRAOP_THREADS"] == "2"
    assert local._environment["OMP_NUM_THREADS"] == "5"
    assert local._environment["PYTHONPATH"].split(os.pathsep) == [
        str(Path(part).resolve()) for part in sys.path
    ]


def processes_of(parent):
    """The processes that have been started by another one."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            words = path.read_text().rpartition(")")[2].split()
            if int(words[1]) == parent and words[0] != "Z":
                found.append(int(path.parent.name))
    return found


def eventually(condition):
    """What a condition gives as soon as it is true."""
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.05)
    return condition()


def gone(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def searched(folder, arguments, run=None, **options):
    return tuning.search(planted.task(**arguments), repeats=0, folder=folder, run=run, **options)


def by_values(found):
    return {tuple(sorted(t["values"].items())): (t["status"], t["score"]) for t in found.trials}


@pytest.mark.slow
def test_two_workers_find_what_one_process_finds(tmp_path):
    arguments = {"units": 3, "seconds": 0.3}
    options = {"tuner": "random", "trials": 8}
    about = {"source": "planted:task", "arguments": arguments}
    run = workers.several(about, 2, limit_seconds=SECONDS)
    before = processes_of(os.getpid())
    both = searched(tmp_path / "two", arguments, run, **options)
    assert processes_of(os.getpid()) == before
    one = by_values(searched(tmp_path / "one", arguments, **options))
    two = by_values(both)
    assert len(both.trials) == 8
    assert one.keys() == two.keys()
    for values, (status, loss) in one.items():
        assert two[values][0] == status == "COMPLETED"
        assert two[values][1] == pytest.approx(loss, rel=1e-6)


@pytest.mark.slow
def test_a_worker_makes_room_for_a_new_one_after_some_trials(tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    arguments = {"units": 2, "marks": str(marks)}
    about = {"source": "planted:task", "arguments": arguments}
    run = workers.several(about, 1, limit_seconds=SECONDS, trials_each=2)
    found = searched(tmp_path / "s", arguments, run, tuner="grid", trials=3)
    assert [t["status"] for t in found.trials] == ["COMPLETED"] * 3
    processes = [path.name.rpartition("-")[2] for path in marks.iterdir()]
    of_workers = Counter(name for name in processes if int(name) != os.getpid())
    assert sorted(of_workers.values()) == [1, 2]


@pytest.mark.slow
def test_a_killed_worker_starts_again_and_a_trial_that_kills_three_times_has_failed(tmp_path):
    arguments = {"units": 2, "seconds": 0.5, "killed": 2}
    about = {"source": "planted:task", "arguments": arguments}
    run = workers.several(about, 2, limit_seconds=SECONDS)
    victims = []

    def kill_one():
        victims.append(eventually(lambda: processes_of(os.getpid()))[0])
        os.kill(victims[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    found = searched(tmp_path / "s", arguments, run, tuner="grid", trials=5)
    killer.join()
    assert gone(victims[0])
    failed = [t for t in found.trials if t["status"] == "FAILED"]
    assert [t["values"]["units"] for t in failed] == [2]
    assert "ended 3 times, at last by signal 9 (SIGKILL): out of memory?" in failed[0]["reason"]
    alone = searched(tmp_path / "alone", arguments | {"killed": None}, tuner="grid", trials=4)
    whole = by_values(found)
    for values, (status, loss) in by_values(alone).items():
        assert whole[values] == (status, pytest.approx(loss, rel=1e-6))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere:task", "`source` is 'nowhere:task', but must be module:function"),
        ("planted:wrong", "ended 2 times before it had a trial, .*ImportError: no module named"),
    ],
)
def test_a_worker_that_cannot_start_ends_the_search(source, message, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "FRUITLESS", 2)
    run = workers.several({"source": source}, 1, limit_seconds=SECONDS)
    with pytest.raises(InputError, match=message):
        searched(tmp_path / "s", {}, run, trials=2)


CHIEF = """
import sys
import planted
from dlnotes import tuning
from dlnotes.tuning import workers

folder, marks = sys.argv[1:]
arguments = {"seconds": 600, "marks": marks}
run = workers.several({"source": "planted:task", "arguments": arguments}, 1, listen="127.0.0.1:0")
tuning.search(planted.task(**arguments), trials=4, folder=folder, run=run)
"""
JOINED = """
import sys
import planted
from dlnotes.tuning import worker, workers
from dlnotes import cli

worker.PATIENCE_SECONDS = 5
place, marks = sys.argv[1:]
try:
    workers.join(place, planted.task(seconds=600, marks=marks))
except cli.InputError as error:
    sys.exit(cli._complain(str(error)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_without_the_search_its_workers_end(end, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    environment = os.environ | {"PYTHONPATH": str(HERE)}
    start = {"env": environment, "stderr": subprocess.PIPE, "text": True, "cwd": HERE.parents[1]}
    start["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    with contextlib.ExitStack() as stack:
        chief = subprocess.Popen([sys.executable, "-c", CHIEF, tmp_path / "s", marks], **start)
        stack.callback(chief.kill)
        says = next(line for line in chief.stderr if "--join" in line)
        place = says.split("--join")[1].strip()
        joined = subprocess.Popen([sys.executable, "-c", JOINED, place, marks], **start)
        stack.callback(joined.kill)
        eventually(lambda: len(list(marks.iterdir())) == 2)
        (local,) = processes_of(chief.pid)
        chief.send_signal(end)
        said = joined.communicate(timeout=SECONDS)[1]
        chief.communicate(timeout=SECONDS)
        eventually(lambda: gone(local))
    if end == signal.SIGKILL:
        assert joined.returncode == 2
        assert f"dlnotes: Nothing was heard of the search at {place} for 5 s" in said
    else:
        assert joined.returncode == 0
    assert "Traceback" not in said
    state = json.loads((tmp_path / "s" / "oracle.json").read_text())
    assert len(state["trials"]) == 2
    assert {trial["status"] for trial in state["trials"].values()} == {"RUNNING"}
