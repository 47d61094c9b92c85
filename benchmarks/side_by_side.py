"""The frame of the benchmarks: contestants that compute the same, timed in turns, in one process.

Libraries for benchmarks time one contestant after the other, or each in processes of its own; here
they take turns, so that a machine that slows down slows all of them, and a ratio stays a ratio.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
import gc
import importlib.metadata
import json
import logging
import math
import os
from pathlib import Path
import statistics
import subprocess
import sys
import time

from dlnotes.machine import machine, versions

RESULTS = Path(__file__).resolve().parent / "results"
PEERS = ("category_encoders", "gensim", "polars")


@dataclass(frozen=True)
class Subject:
    """One comparison.

    Args:
        name: String, unique in its script.
        title: String, what is computed.
        unit: String, what a size counts.
        sizes: Tuple of integers, in rising order; the goals are those of the last.
        tiny: Tuple of integers, sizes at which everything ends in a few seconds.
        prepare: Function of a size; what it returns is given to every contestant.
        contestants: Dictionary of name to a function of what `prepare` returned.
        ours: Name of the contestant that the others are compared with.
        limit: Name of the contestant that nothing can beat, or `None`. It may compute less.
        difference: Function of what `prepare` returned, our answer and another's: a number.
        tolerance: Float, the largest difference allowed.
        most: Dictionary of contestant to the largest size it takes part in.
        goals: Dictionary of contestant to the least ratio of its time to ours, at the last size.
        within: Float, the most seconds that ours may take at the last size, or `None`.
        in_this_process: Boolean, whether the contestants use the memory of this process.
    """

    name: str
    title: str
    unit: str
    sizes: tuple
    tiny: tuple
    prepare: Callable
    contestants: dict
    ours: str
    difference: Callable
    tolerance: float
    limit: str | None = None
    most: dict = field(default_factory=dict)
    goals: dict = field(default_factory=dict)
    within: float | None = None
    in_this_process: bool = True


def main(about, subjects, arguments=None):
    """Measures the subjects of a script, prints them and writes `results/<script>.json`."""
    script = Path(sys.argv[0])
    logging.getLogger("tensorflow").setLevel("ERROR")
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiny", action="store_true", help="only see that everything runs")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of turns (5)")
    parser.add_argument("--only", action="append", help="name of a subject")
    parser.add_argument("--output", type=Path, help="folder of the results")
    parser.add_argument("--alone", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    subjects = {subject.name: subject for subject in subjects}
    if given.alone:
        name, contestant, size = given.alone
        print(json.dumps(peak_memory(subjects[name], contestant, int(size))))
        return
    for name in given.only or ():
        if name not in subjects:
            parser.error(f"no subject {name!r}; there are {', '.join(subjects)}")
    measured = []
    for name in given.only or subjects:
        found = measure(subjects[name], given.tiny, 2 if given.tiny else given.repeats)
        found["peak_memory"] = memories(script, subjects[name], found, given.tiny)
        print(table(found), flush=True)
        measured.append(found)
    if given.output or not (given.tiny or given.only):
        write((given.output or RESULTS) / f"{script.stem}.json", script.stem, about, measured)


def measure(subject, tiny=False, repeats=5):
    """The times of every contestant at every size, in turns, once their answers are equal."""
    sizes = subject.tiny if tiny else subject.sizes
    seconds = {name: {} for name in subject.contestants}
    differences = dict.fromkeys(subject.contestants, 0.0)
    for size in sizes:
        data = subject.prepare(size)
        present = [name for name in subject.contestants if size <= subject.most.get(name, math.inf)]
        for name, apart in prove(subject, data, present).items():
            differences[name] = max(differences[name], apart)
        for round_ in range(repeats):
            turn = round_ % len(present)
            for name in present[turn:] + present[:turn]:
                gc.collect()
                begin = time.perf_counter()
                subject.contestants[name](data)
                seconds[name].setdefault(size, []).append(time.perf_counter() - begin)
    ours = seconds[subject.ours]
    return {
        "name": subject.name,
        "title": subject.title,
        "unit": subject.unit,
        "sizes": list(sizes),
        "ours": subject.ours,
        "limit": subject.limit,
        "tolerance": subject.tolerance,
        "differences": {
            name: apart
            for name, apart in differences.items()
            if name not in (subject.ours, subject.limit)
        },
        "seconds": seconds,
        "ratios": {
            name: {size: spread(times, ours[size]) for size, times in of.items()}
            for name, of in seconds.items()
            if name != subject.ours
        },
        "exponents": {name: exponent(of) for name, of in seconds.items()},
        "goals": subject.goals,
        "within": subject.within,
    }


def prove(subject, data, present):
    """Runs each contestant once; how far each answer is from ours, if not too far."""
    ours = subject.contestants[subject.ours](data)
    apart = {}
    for name in present:
        if name == subject.ours:
            continue
        answer = subject.contestants[name](data)
        if name == subject.limit:
            continue
        apart[name] = float(subject.difference(data, ours, answer))
        if not apart[name] <= subject.tolerance:
            sys.exit(
                f"{subject.name}: the answer of {name!r} differs from that of {subject.ours!r} by "
                f"{apart[name]:g}, more than {subject.tolerance:g}: they do not compute the same."
            )
    return apart


def spread(times, ours):
    """The ratio of each round: the median, the least and the largest."""
    ratios = [theirs / own for theirs, own in zip(times, ours, strict=True)]
    return {"median": statistics.median(ratios), "least": min(ratios), "largest": max(ratios)}


def exponent(of):
    """The `e` of time = c * size ** e, by least squares of the logarithms; None for one size."""
    if len(of) < 2:
        return None
    sizes = [math.log(size) for size in of]
    times = [math.log(statistics.median(seconds)) for seconds in of.values()]
    return statistics.linear_regression(sizes, times).slope


def memories(script, subject, found, tiny):
    """The peak memory of each contestant at its last size, each in a process of its own."""
    peaks = {}
    if not subject.in_this_process:
        return peaks
    for name in [subject.ours] if tiny else subject.contestants:
        size = max(found["seconds"][name])
        command = [sys.executable, str(script), "--alone", subject.name, name, str(size)]
        process = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        peaks[name] = json.loads(process.stdout.splitlines()[-1])
    return peaks


def peak_memory(subject, contestant, size):
    """Bytes by which one run raises the peak of this process; None where it cannot be read."""
    status, forget = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    data = subject.prepare(size)
    if not forget.exists():
        return None
    gc.collect()
    forget.write_text("5")
    before = kilobytes(status, "VmRSS")
    subject.contestants[contestant](data)
    return 1024 * max(0, kilobytes(status, "VmHWM") - before)


def kilobytes(status, name):
    """A number of `/proc/self/status`."""
    line = next(line for line in status.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def table(found):
    """What was measured at the last size, as text."""
    lines = ["", f"{found['title']} ({found['unit']}: {found['sizes'][-1]:,})"]
    lines.append(
        f"{'':34}{'seconds':>10}{'against ours':>14}{'(from .. to)':>18}{'memory':>10}{'growth':>8}"
    )
    for name, of in found["seconds"].items():
        size = max(of)
        line = f"{name[:33]:34}{statistics.median(of[size]):10.4f}"
        if name == found["ours"]:
            line += f"{'ours':>14}{'':18}"
        else:
            ratio = found["ratios"][name][size]
            line += f"{ratio['median']:14.2f}"
            line += f"{ratio['least']:>10.2f} .. {ratio['largest']:<.2f}".ljust(18)
        peak, growth = found["peak_memory"].get(name), found["exponents"][name]
        line += f"{'' if peak is None else f'{peak / 2**20:.0f} MiB':>10}"
        line += f"{'' if growth is None else f'{growth:.2f}':>8}"
        if name == found["limit"]:
            line += "  the limit"
        if size != found["sizes"][-1]:
            line += f"  at {size:,}"
        lines.append(line)
    for name, goal in found["goals"].items():
        size = max(found["seconds"][name])
        reached = found["ratios"][name][size]["median"]
        verdict = "reached" if reached >= goal else "missed"
        lines.append(f"goal against {name}: {goal:.3g}, measured {reached:.3g}: {verdict}")
    if found["within"] is not None:
        took = statistics.median(found["seconds"][found["ours"]][found["sizes"][-1]])
        verdict = "reached" if took <= found["within"] else "missed"
        lines.append(f"goal: {found['within']:g} s, measured {took:.3g} s: {verdict}")
    return "\n".join(lines)


def write(path, name, about, measured):
    """Writes the results beside the file, then renames."""
    peers = {name: importlib.metadata.version(name) for name in PEERS if name in sys.modules}
    facts = {
        "benchmark": name,
        "about": about.strip().splitlines()[0],
        "subjects": measured,
        "versions": versions() | peers,
        "machine": machine(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    beside.replace(path)
    print(f"written: {path}")
