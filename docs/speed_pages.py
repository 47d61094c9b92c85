"""The tables and growth curves of the page on speed, from the recorded benchmarks."""

import io
import json
import statistics

from dlnotes import figures, paths

RESULTS = paths.PACKAGE.parent / "benchmarks" / "results"
ORDER = (
    "monte_carlo",
    "word_vectors",
    "stateful_training",
    "fast_rnn",
    "tables",
    "recipes",
    "start",
)
LONGEST_FILES = 12


def recorded(folder=RESULTS):
    """The recorded benchmarks in the order of the page, by name; those that are not there lack."""
    texts = {name: folder / f"{name}.json" for name in (*ORDER, "together")}
    return {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name, path in texts.items()
        if path.is_file()
    }


def seconds(value):
    """A time in the unit that suits it."""
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size or unit == "µs":
            return f"{value / size:.3g} {unit}"


def times(ratio):
    """A ratio with its spread."""
    median, least, largest = (f"{ratio[key]:.3g}" for key in ("median", "least", "largest"))
    return f"{median} ({least} to {largest})"


def mebibytes(peak):
    return "" if peak is None else f"{peak / 2**20:.0f} MiB"


def subject(script, found):
    """The section of one comparison: its table, what it aims at, and its picture."""
    rows = []
    for name, of in found["seconds"].items():
        size = max(of, key=int)
        ratio = "" if name == found["ours"] else times(found["ratios"][name][size])
        said = {found["ours"]: f"**{name}**", found["limit"]: f"{name} (the limit)"}.get(name, name)
        if int(size) != found["sizes"][-1]:
            said += f", at {int(size):,}"
        growth = found["exponents"][name]
        cells = [
            said,
            seconds(statistics.median(of[size])),
            ratio,
            mebibytes(found["peak_memory"].get(name)),
            "" if growth is None else f"{growth:.2f}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    heads = ["contestant", "time", "× ours (least to largest)", "peak memory", "growth"]
    parts = [
        f"### {found['title']}",
        f"{found['unit'].capitalize()}: {found['sizes'][-1]:,}.",
        "\n".join([f"| {' | '.join(heads)} |", "|:---|---:|---:|---:|---:|", *rows]),
        *aims(found),
    ]
    if len(found["sizes"]) > 1:
        parts.append(
            f"```{{image}} _generated/figures/{picture_name(script, found)}\n"
            f":alt: {curve_in_words(found)}\n:class: speed\n```"
        )
    return "\n\n".join(parts)


def aims(found):
    """What was aimed at, and whether it was reached."""
    ours = found["seconds"][found["ours"]][str(found["sizes"][-1])]
    lines = []
    for name, goal in found["goals"].items():
        size = max(found["ratios"][name], key=int)
        reached = found["ratios"][name][size]["median"]
        if goal == 1:
            text = f"at least as fast as {name}: {reached:.3g} times"
        elif goal < 1:
            text = f"at most {1 / goal:.3g} times as long as {name}: {1 / reached:.3g}"
        else:
            text = f"at least {goal:.3g} times as fast as {name}: {reached:.3g}"
        lines.append(f"- {text}, {'reached' if reached >= goal else '**missed**'}.")
    if found["within"] is not None:
        took = statistics.median(ours)
        verdict = "reached" if took <= found["within"] else "**missed**"
        lines.append(f"- within {seconds(found['within'])}: {seconds(took)}, {verdict}.")
    return ["The aim:\n\n" + "\n".join(lines)] if lines else []


def curve_in_words(found):
    """What the picture of a comparison shows."""
    grown = ", ".join(
        f"{name} with the power {exponent:.2f}"
        for name, exponent in found["exponents"].items()
        if exponent is not None
    )
    low, high = found["sizes"][0], found["sizes"][-1]
    return f"Time over {found['unit']} from {low:,} to {high:,}, both logarithmic: {grown}."


def curve(found):
    """Time over size of every contestant, as a PNG picture."""
    figure, axis = figures.axes(size=(6.4, 3.4))
    for number, (name, of) in enumerate(found["seconds"].items()):
        axis.plot(
            [int(size) for size in of],
            [statistics.median(all_seconds) for all_seconds in of.values()],
            marker=figures.MARKERS[number % len(figures.MARKERS)],
            markersize=4,
            linewidth=2.4 if name == found["ours"] else 1.2,
            label=name,
        )
    axis.set(xscale="log", yscale="log", xlabel=found["unit"], ylabel="seconds")
    figure.legend(fontsize=8, loc="outside right center")
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def picture_name(script, found):
    return f"speed-{script}-{found['name']}.png"


def made_with(facts):
    """Machine and versions."""
    machine = facts["machine"]
    versions = ", ".join(
        f"{name} {version}"
        for name, version in facts["versions"].items()
        if version != "not installed"
    )
    return (
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gib']} GiB, "
        f"{machine['system']}; {versions}."
    )


def together(facts):
    """Where the time of the recipes and of the suite goes."""
    parts = ["## Everything together"]
    names = list(dict.fromkeys(key for row in facts["recipes"] for key in row))[2:]
    lines = [
        "| recipe | all | " + " | ".join(names) + " |",
        "|:---|---:|" + "---:|" * len(names),
    ]
    for row in [*facts["recipes"], total(facts["recipes"])]:
        cells = [f"{row.get(name, 0):.1f}" for name in ("seconds", *names)]
        lines.append(f"| {row['recipe']} | {' | '.join(cells)} |")
    parts += ["The default run of every recipe, in seconds:", "\n".join(lines)]
    if "suite" in facts:
        suite = facts["suite"]
        tests = sum(of["tests"] for of in suite["files"].values())
        lines = ["| file | tests | seconds |", "|:---|---:|---:|"]
        files = list(suite["files"].items())
        rest = files[LONGEST_FILES:]
        lines += [
            f"| `{name}` | {of['tests']} | {of['seconds']:.1f} |"
            for name, of in files[:LONGEST_FILES]
        ]
        left = sum(of["tests"] for _, of in rest), sum(of["seconds"] for _, of in rest)
        lines.append(f"| {len(rest)} other files | {left[0]} | {left[1]:.1f} |")
        parts += [
            f"The suite of {tests:,} tests took {suite['seconds'] / 60:.1f} minutes in two "
            "processes; the seconds of a file are those of its tests, added up:",
            "\n".join(lines),
        ]
    return "\n\n".join([*parts, made_with(facts)])


def total(rows):
    """The sum of all recipes."""
    names = dict.fromkeys(key for row in rows for key in row if key != "recipe")
    return {"recipe": "**all**"} | {name: sum(row.get(name, 0) for row in rows) for name in names}


def texts(benchmarks):
    """The fragment of the page, by path; and every picture."""
    parts = []
    for name in ORDER:
        if name in benchmarks:
            facts = benchmarks[name]
            parts.append(f"## {facts['about'].rstrip('.')}")
            parts += [subject(name, found) for found in facts["subjects"]]
            parts.append(f"*{made_with(facts)}*")
    if "together" in benchmarks:
        parts.append(together(benchmarks["together"]))
    found = {"_generated/speed.md": "\n\n".join(parts).encode()}
    for name in ORDER:
        for of in benchmarks.get(name, {"subjects": ()})["subjects"]:
            if len(of["sizes"]) > 1:
                found[f"_generated/figures/{picture_name(name, of)}"] = curve(of)
    return found
