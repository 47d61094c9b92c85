"""How long it takes until something happens: the command line and the imports.

    python benchmarks/start.py

Every contestant is a process of its own, so there is no growth and no memory to show.
"""

from pathlib import Path
import subprocess
import sys

from side_by_side import Subject, main

COMMAND = str(Path(sys.executable).with_name("dlnotes"))
NOTHING = "an empty Python process"


def process(*command):
    """A contestant that runs a command to its end and returns its exit code."""

    def run(_):
        return subprocess.run(command, check=True, capture_output=True).returncode

    return run


def python(statement):
    """A contestant that runs one statement in a new Python."""
    return process(sys.executable, "-c", statement)


def both_succeed(_, ours, other):
    """Processes are compared by their exit codes."""
    return abs(ours - other)


def subject(name, title, ours, contestants, **goals):
    """One comparison of processes."""
    return Subject(
        name=name,
        title=title,
        unit="processes",
        sizes=(1,),
        tiny=(1,),
        prepare=lambda size: None,
        contestants=contestants | {NOTHING: python("pass")},
        ours=ours,
        limit=NOTHING,
        difference=both_succeed,
        tolerance=0,
        in_this_process=False,
        **goals,
    )


TUNER = "import keras_tuner"
SUBJECTS = [
    subject(
        "list",
        "The list of recipes",
        "dlnotes list",
        {"dlnotes list": process(COMMAND, "list"), TUNER: python(TUNER)},
        goals={TUNER: 8},
        within=0.25,
    ),
    subject(
        "help",
        "The help of the command line",
        "dlnotes --help",
        {"dlnotes --help": process(COMMAND, "--help"), TUNER: python(TUNER)},
        goals={TUNER: 8},
        within=0.25,
    ),
    subject(
        "package",
        "The package alone, interpreter included",
        "import dlnotes",
        {"import dlnotes": python("import dlnotes"), "import numpy": python("import numpy")},
        within=0.03,
    ),
    subject(
        "builder",
        "A builder, with Keras behind it",
        "from dlnotes.builders import mlp",
        {
            "from dlnotes.builders import mlp": python("from dlnotes.builders import mlp"),
            "import keras": python("import keras"),
        },
        goals={"import keras": 1 / 1.05},
    ),
]

if __name__ == "__main__":
    main(__doc__, SUBJECTS)
