"""Searches that are killed at random moments and go on: what `survival.py search|workers` does."""

import json
import os
from pathlib import Path
import random
import signal
import subprocess
import sys
import tempfile
import time

HERE = Path(__file__).resolve().parent
TRIALS = 40
STEP_SECONDS = 300
TASK = {"units": 40, "seconds": 0.2, "raising": 3}


def search(kills=20, seed=0):
    """Kills a search in one process, also while it writes its state, and resumes it each time.

    Returns:
        Integer, the exit code: 1 if anything was lost.
    """
    return _survive("search", kills, seed, _kill_one_process)


def workers(kills=20, seed=0):
    """Kills workers of a search, or the process that holds the oracle, and resumes it.

    Returns:
        Integer, the exit code: 1 if anything was lost.
    """
    return _survive("workers", kills, seed, _kill_workers_and_chief)


class LostError(Exception):
    """What has been lost, or hangs."""


class Search:
    """A search in processes of its own, which can be killed and started again.

    Args:
        folder: Path for its files.
        seed: Integer, seed of the search.
        workers: Integer, number of workers; `0` for one process alone.
        seconds: Float, how long each trial takes at least.
    """

    def __init__(self, folder, seed, workers, seconds):
        self.folder, self.options = folder, [str(seed), str(workers), str(seconds)]
        self.ended, self.process, self.seen = {}, None, set()

    def start(self):
        """Starts it, or resumes it, and returns as soon as it has begun."""
        ready = self.folder.with_name(f"{self.folder.name}-ready")
        ready.unlink(missing_ok=True)
        log = self.folder.with_name(f"{self.folder.name}.log").open("a")
        words = [sys.executable, __file__, self.folder, ready, *self.options]
        self.process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        log.close()
        self.wait(lambda: ready.exists() or self.process.poll() is not None, "it does not start")

    def wait(self, condition, complaint):
        """Waits until a condition holds, but not for ever."""
        until = time.monotonic() + STEP_SECONDS
        while not condition():
            if time.monotonic() > until:
                raise LostError(f"{complaint} for {STEP_SECONDS} s")
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.kill()
            self.process.wait()

    def finish(self):
        """Waits until it is complete."""
        self.wait(lambda: not self.alive(), "it does not end")
        self.state()

    def alive(self):
        """Whether it runs. It ends by itself only when it is complete."""
        if self.process.poll() not in (None, 0, -signal.SIGKILL):
            log = self.folder.with_name(f"{self.folder.name}.log").read_text()
            raise LostError(f"it ended with exit code {self.process.returncode}: {log[-300:]}")
        return self.process.returncode is None

    def team(self):
        """The processes of its workers."""
        found = children(self.process.pid)
        self.seen.update(found)
        return found

    def kill(self):
        """Kills it and waits until its workers have ended too."""
        self.team()
        self.process.kill()
        self.process.wait()
        self.wait(lambda: not any(map(running, self.seen)), "workers go on without it")

    def state(self):
        """The trials on disk. What had ended before must still be there, unchanged."""
        path = self.folder / "oracle.json"
        if not path.exists():
            if self.ended:
                raise LostError("the state is gone")
            return {}
        try:
            trials = json.loads(path.read_text())["trials"]
        except ValueError as error:
            raise LostError(f"the state cannot be read: {error}") from error
        ended = {key: facts(trial) for key, trial in trials.items() if facts(trial)[0] != "RUNNING"}
        for key, before in self.ended.items():
            if ended.get(key) != before:
                raise LostError(f"trial {key} was {before} and is {ended.get(key)}")
        self.ended = ended
        return trials


def _survive(name, wanted, seed, kill):
    chance, done, searches, started = random.Random(seed), 0, 0, time.monotonic()
    try:
        while done < wanted:
            with tempfile.TemporaryDirectory(prefix="survival-") as place:
                number = seed + searches
                reference = Search(Path(place) / "reference", number, 0, 0)
                killed = Search(Path(place) / "killed", number, 2 * (name == "workers"), 0.2)
                done = _kill(name, reference, killed, done, wanted, lambda s: kill(s, chance))
            searches += 1
    except LostError as lost:
        print(f"{name}: LOST: {lost}", flush=True)
        return 1
    seconds = f"{time.monotonic() - started:.0f} s"
    print(f"{name}: {done} kills in {searches} searches of {TRIALS} trials, {seconds}: ", end="")
    print("nothing lost, nothing corrupt, nothing hanging, nothing left running")
    return 0


def _kill(name, reference, killed, done, wanted, kill):
    """Kills one search until it is complete, and compares it with one that was left alone."""
    with reference, killed:
        reference.start()
        reference.finish()
        killed.start()
        while done < wanted:
            word = kill(killed)
            if word is None:
                break
            done += 1
            print(f"{name} {done:2}: {word}", flush=True)
        killed.finish()
        print(f"{name}   : {compare(reference, killed)}", flush=True)
    left = [process for process in killed.seen if running(process)]
    if left:
        raise LostError(f"the processes {left} are left running")
    return done


def _kill_one_process(killed, chance):
    """Kills a search at a random moment; every second time while it writes its state."""
    part, moment = killed.folder / ".part-oracle.json", time.monotonic() + chance.uniform(0, 3)
    writing = chance.random() < 0.5
    while killed.alive() and time.monotonic() < moment:
        time.sleep(0.001)
    while killed.alive() and writing and not part.exists():
        pass
    if not killed.alive():
        return None
    killed.kill()
    where = "inside a write" if part.exists() else "at a random moment"
    killed.state()
    killed.start()
    return f"killed {where} after {len(killed.ended)} trials, resumed"


def _kill_workers_and_chief(killed, chance):
    """Kills a worker or the chief, at a random moment after the next trial has ended."""
    before = len(killed.ended)

    def goes_on():
        killed.state()
        return len(killed.ended) > before or not killed.alive()

    killed.wait(goes_on, "no trial ends")
    time.sleep(chance.uniform(0, 2))
    team = killed.team()
    if not killed.alive():
        return None
    if not team or chance.random() < 0.4:
        killed.kill()
        killed.state()
        killed.start()
        return f"killed the chief after {len(killed.ended)} trials, resumed"
    victim = min(team)  # the older one, which has had a trial: else the search would give up
    os.kill(victim, signal.SIGKILL)
    killed.wait(lambda: not running(victim), "a killed worker remains")
    killed.state()
    return f"killed a worker after {len(killed.ended)} trials"


def compare(reference, killed):
    """Says that two searches have the same trials, or raises."""
    if reference.ended.keys() != killed.ended.keys() or len(killed.ended) != TRIALS:
        raise LostError(f"{len(reference.ended)} trials became {len(killed.ended)}")
    apart = 0.0
    for key, (status, values, score) in reference.ended.items():
        if killed.ended[key][:2] != (status, values):
            raise LostError(f"trial {key} is {killed.ended[key]} in place of {status}, {values}")
        if score is not None:
            apart = max(apart, abs(killed.ended[key][2] / score - 1))
    if apart > 1e-6:
        raise LostError(f"scores differ by {apart:.1e}")
    failed = sum(status == "FAILED" for status, _, _ in killed.ended.values())
    return (
        f"{TRIALS - failed} trials completed and {failed} failed, as in a search that was left "
        f"alone; scores differ by {apart:.0e}"
    )


def facts(trial):
    """What must not change about a trial."""
    return trial["status"], trial["hyperparameters"]["values"], trial["score"]


def children(parent):
    """The processes that another one has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        words = stat(path)
        if words and int(words[1]) == parent and words[0] != "Z":
            found.append(int(path.parent.name))
    return found


def running(process):
    """Whether a process runs."""
    words = stat(Path(f"/proc/{process}/stat"))
    return bool(words) and words[0] != "Z"


def stat(path):
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return None


def run(folder, ready, seed, number, seconds):
    """Begins or resumes the search, in a process of its own."""
    sys.path.insert(0, str(HERE / "tuning"))
    from dlnotes import tuning
    from dlnotes.tuning.workers import several
    import planted

    arguments = TASK | {"seconds": float(seconds)}
    about, folder = {"source": "planted:task", "arguments": arguments}, Path(folder)
    task = planted.task(**arguments)
    Path(ready).touch()
    tuning.search(
        task,
        trials=TRIALS,
        folder=folder,
        seed=int(seed),
        repeats=0,
        resume=(folder / "search.json").exists(),
        run=several(about, int(number)) if int(number) else None,
    )


if __name__ == "__main__":
    run(*sys.argv[1:])
