import json
from pathlib import Path
import re
import signal
import subprocess
import sys

from dlnotes import catalogue, cli, paths, shelf
import pytest

RECIPE = '''# %% [markdown]
"""
# Counting

Adds numbers.

**Question.** How many?

**Use it** always.

**Do not use it** never.

Data: none
Uses: nothing
Notes: 001:1
Paper: none
Covers: counting
"""

# %%
import time
from typing import Literal

from dlnotes import errors
from dlnotes.report import Report


# %%
def run(epochs: int = 2, samples: int = 5, seed: int = 0, mode: Literal["a", "stop", "wait"] = "a",
        double: bool = False) -> Report:
    """Counts.

    Args:
        epochs: Rounds.
        samples: How many.
        seed: Where to start.
        mode: What to do.
    """
    errors.check_at_least(1, epochs=epochs)
    report = Report("counting", metric="error", better="lower")
    report.add("naive", baseline=True, error=samples)
    if mode == "stop":
        raise KeyboardInterrupt
    if mode == "wait":
        print("waiting", flush=True)
        time.sleep(60)
    report.add("counted", seed=seed, error=seed + epochs * (2 if double else 1))
    return report
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "recipes"
    (folder / "numbers").mkdir(parents=True)
    (folder / "numbers" / "counting.py").write_text(RECIPE)
    monkeypatch.setattr(paths, "recipes_folder", lambda: folder)
    monkeypatch.chdir(tmp_path)
    return folder


def only_run(folder):
    (run,) = (folder.parent / "runs" / "counting").iterdir()
    return run


def test_list_as_json_says_what_each_recipe_covers(folder, capsys):
    assert cli.execute(["list", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry["name"] == "counting" and entry["family"] == "numbers"
    assert entry["title"] == "Counting" and entry["covers"] == ["counting"]


def test_list_knows_its_families(folder, capsys):
    assert cli.execute(["list", "--family", "numbers"]) == 0
    assert "counting  Counting" in capsys.readouterr().out
    assert cli.execute(["list", "--family", "letters"]) == 2
    assert "no family 'letters'. The families: numbers" in capsys.readouterr().err


def test_show_prints_header_and_options(folder, capsys):
    assert cli.execute(["show", "counting"]) == 0
    text = capsys.readouterr().out
    assert "How many?" in text and "--epochs   int    Rounds. (default 2)" in text


def test_run_prints_the_table_and_writes_the_run(folder, capsys):
    arguments = ["run", "counting", "--epochs", "3", "--seed", "4", "--double"]
    assert cli.execute(arguments) == 0
    text = capsys.readouterr().out
    assert "naive (baseline)" in text and "+5" in text
    assert str(only_run(folder).relative_to(folder.parent)) in text
    values = json.loads((only_run(folder) / "report.json").read_text())
    assert values["arguments"] == {
        "epochs": 3,
        "samples": 5,
        "seed": 4,
        "mode": "a",
        "double": True,
    }
    assert values["command"] == (
        "dlnotes run counting --epochs 3 --samples 5 --seed 4 --mode a --double"
    )
    assert values["interrupted"] is False
    assert {"python", "keras", "tensorflow", "numpy"} <= set(values["versions"])


def test_run_as_json_prints_nothing_else(folder, capsys):
    assert cli.execute(["run", "counting", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["rows"][1]["metrics"] == {"error": 2.0}


def test_a_script_runs_as_the_command_does(folder, capsys, monkeypatch):
    module = catalogue.find("counting").load()
    monkeypatch.setattr(sys, "argv", ["counting.py", "--epochs", "7"])
    with pytest.raises(SystemExit) as end:
        cli.main(module.run)
    assert end.value.code == 0
    assert json.loads((only_run(folder) / "report.json").read_text())["arguments"]["epochs"] == 7


def test_the_help_of_a_recipe_shows_its_own_options(folder, capsys):
    assert cli.execute(["run", "counting", "--help"]) == 0
    text = capsys.readouterr().out
    assert "dlnotes run counting" in text
    for words in ("Rounds.", "One of a, stop, wait.", "--double", "--tensorboard", "[default: 5]"):
        assert words in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "countin"], "no recipe called 'countin'. Did you mean counting?"),
        (["run", "counting", "--epochs", "many"], "integer; it was given 'many'."),
        (["run", "counting", "--epochs", "0"], "`epochs` is 0, but must be at least 1."),
        (["run", "counting", "--epoch", "3"], "No such option: --epoch"),
        (["run", "counting", "--mode", "c"], "'c' is not one of 'a', 'stop', 'wait'"),
        (["run", "counting", "--epochs"], "--epochs' requires an argument"),
        (["run"], "Missing argument 'recipe'."),
        (
            ["record", "counting", "--seeds", "0"],
            "greater than or equal to 1; it was given '0'.",
        ),
        (["dance"], "No such command 'dance'"),
        (["new", "Numbers/counting"], "is no place for a recipe"),
        (["new", "numbers"], "Give a family and a topic in lower case"),
        (["new", "numbers/counting"], "There is a recipe 'counting' already"),
        (["new", "letters/counting"], "There is a recipe 'counting' already"),
    ],
)
def test_what_a_person_can_mend_is_one_sentence_and_exit_code_2(folder, capsys, arguments, message):
    assert cli.execute(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.startswith("dlnotes: ")
    assert captured.err.count("\n") == 1 and "Traceback" not in captured.err
    assert not list(folder.parent.glob("runs/*"))


def test_an_output_that_is_a_file_is_refused_before_anything_runs(folder, capsys):
    Path("taken").write_text("")
    assert cli.execute(["run", "counting", "--mode", "wait", "--output", "taken"]) == 2
    assert "Choose another one with --output" in capsys.readouterr().err


def test_interrupted_runs_keep_what_exists(folder, capsys):
    assert cli.execute(["run", "counting", "--mode", "stop"]) == 130
    assert "Stopped. This is what exists so far." in capsys.readouterr().out
    values = json.loads((only_run(folder) / "report.json").read_text())
    assert values["interrupted"] is True
    assert [row["variant"] for row in values["rows"]] == ["naive"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends the signal of Ctrl-C")
def test_ctrl_c_stops_cleanly(folder):
    command = [sys.executable, "-m", "dlnotes", "run", str(folder / "numbers" / "counting.py")]
    process = subprocess.Popen(
        [*command, "--mode", "wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "what exists so far" in output and "Traceback" not in errors
    assert (only_run(folder) / "report.json").is_file()


def test_two_runs_in_one_second_get_two_folders(folder, monkeypatch):
    import datetime

    from dlnotes import runs

    moment = datetime.datetime(2026, 1, 2, 3, 4, 5)
    names = [runs._new_folder(folder, moment) for _ in range(2)]
    assert [final.name for final, _ in names] == ["2026-01-02T03-04-05", "2026-01-02T03-04-05-2"]


def test_record_writes_mean_and_spread(folder, capsys):
    assert cli.execute(["record", "counting", "--seeds", "3"]) == 0
    values = json.loads((folder / "numbers" / "results" / "counting.json").read_text())
    naive, counted = values["summary"]
    assert naive["n"] == 1 and counted["n"] == 3
    assert counted["metrics"]["error"] == {"mean": 3.0, "sd": 1.0}
    assert values["seeds"] == [0, 1, 2]
    assert values["machine"]["cores"] >= 1 and values["peak_memory_mib"] > 0
    assert len(values["fingerprint"]) == 16
    assert cli.execute(["list", "--stale"]) == 0
    assert "counting" not in capsys.readouterr().out.split("renews the tables")[1]


def test_results_are_stale_after_the_code_but_not_after_a_comment_changed(folder, capsys):
    path = folder / "numbers" / "counting.py"
    cli.execute(["record", "counting", "--seeds", "1"])
    path.write_text(RECIPE.replace("# %%\ndef run", "# %% a comment\ndef run"))
    capsys.readouterr()
    cli.execute(["list", "--stale"])
    assert capsys.readouterr().out == ""
    path.write_text(RECIPE.replace("error=samples", "error=samples + 1"))
    cli.execute(["list", "--stale"])
    assert "counting" in capsys.readouterr().out


def test_new_writes_a_recipe_and_a_family_page(folder, monkeypatch):
    monkeypatch.setattr(paths, "in_checkout", lambda: False)
    assert cli.execute(["new", "letters/vowels"]) == 0
    recipe = catalogue.read_recipe(folder / "letters" / "vowels.py")
    assert recipe.title == "Vowels" and recipe.covers == ["vowels"]
    assert (folder / "letters" / "README.md").read_text().startswith("# Letters")


@pytest.mark.slow
def test_help_and_list_need_no_keras():
    code = (
        "import sys; from dlnotes import cli\n"
        "assert cli.execute(['--help']) == 0 and cli.execute(['list']) == 0\n"
        "assert not {'keras', 'tensorflow', 'numpy', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_progress_says_where_the_run_is_on_a_narrow_screen():
    import io

    from dlnotes.progress import Progress
    import rich.console

    screen = io.StringIO()
    console = rich.console.Console(file=screen, force_terminal=True, width=80)
    with Progress("stateful_lstm", console) as progress:
        progress.begin("forecast · stateful · seed 3", 8)
        progress.advance()
        progress.bar.refresh()
    shown = re.sub(r"\x1b\[[0-9;?]*\w", "", screen.getvalue())
    line = r"stateful_lstm · forecast · stateful · seed 3 +\S+ +epoch 1/8 +[-\d]+:[-\d]+"
    assert re.search(line, shown), shown


def test_a_closed_pipe_is_no_error(tmp_path):
    command = f"{sys.executable} -m dlnotes list | head -n 0"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_new_in_a_checkout_renews_the_tables(tmp_path, monkeypatch, capsys):
    begin, end = shelf.MARKS
    (tmp_path / "recipes").mkdir()
    (tmp_path / "README.md").write_text(f"# Top\n\n{begin}\n{end}\n")
    monkeypatch.setattr(paths, "recipes_folder", lambda: tmp_path / "recipes")
    assert cli.execute(["new", "letters/vowels"]) == 0
    assert "[vowels](recipes/letters/vowels.py)" in (tmp_path / "README.md").read_text()
    assert "not recorded yet" in (tmp_path / "recipes" / "letters" / "README.md").read_text()
    capsys.readouterr()
    assert cli.execute(["index"]) == 0
    assert capsys.readouterr().out == "every table is up to date\n"


def test_a_page_without_a_place_for_its_table_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "README.md").write_text("# Top\n")
    monkeypatch.setattr(paths, "recipes_folder", lambda: tmp_path / "recipes")
    assert cli.execute(["index"]) == 2
    assert "README.md has no place for its table" in capsys.readouterr().err


def test_a_full_disk_is_one_sentence_and_leaves_nothing(folder, capsys, monkeypatch):
    import errno

    from dlnotes.report import Report

    def save(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Report, "save", save)
    assert cli.execute(["run", "counting"]) == 2
    assert "No space left on device. Free some space or choose" in capsys.readouterr().err
    assert not list(folder.parent.glob("runs/counting/*"))
    assert not list(folder.parent.glob("runs/counting/.*"))
