"""The package as a user gets it: quiet, lazy, and whole in a wheel."""

import importlib.util
import os
from pathlib import Path
import runpy
import subprocess
import sys
import venv

from dlnotes import _keras, paths
import pytest

pytestmark = pytest.mark.slow
MODULES = (
    "attention builders callbacks checks claims crf datasets decoding entmax generation gradients "
    "inspection intervals layers masks migrate ngrams optimizers outputs recurrent reuse scans "
    "series tables tuning uncertainty vectors"
)


def python(code, executable=sys.executable, **arguments):
    return subprocess.run([executable, "-c", code], capture_output=True, text=True, **arguments)


def test_importing_the_package_does_no_work():
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import dlnotes\n"
        "assert set(sys.modules) - before == {'dlnotes'}, set(sys.modules) - before\n"
    )
    done = python(code, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_importing_everything_prints_nothing_opens_no_socket_and_loads_saved_models(tmp_path):
    from dlnotes.layers import TimeFold
    import keras

    path = str(tmp_path / "model.keras")
    inputs = keras.Input((None, 4))
    keras.Model(inputs, TimeFold(keras.layers.Dense(2))(inputs)).save(path)
    imports = "; ".join(f"import dlnotes.{name}" for name in MODULES.split())
    code = (
        "import sys\n"
        "def refuse(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.bind', 'socket.getaddrinfo'):\n"
        "        raise RuntimeError(event)\n"
        "sys.addaudithook(refuse)\n"
        f"{imports}\n"
        "import tensorflow_hub, keras_tuner\n"
        "from dlnotes.saving import load_model\n"
        f"print(type(load_model({path!r})).__name__)\n"
    )
    done = python(code, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Functional\n", "")


def test_lines_that_are_not_known_as_harmless_are_passed_on(capfd):
    with _keras._only_warnings_that_matter():
        os.write(2, b"I0000 port.cc] oneDNN custom operations are on. You may see\n")
        os.write(2, b"E0000 the disk is on fire\n")
    assert capfd.readouterr().err == "E0000 the disk is on fire\n"


def test_a_missing_model_is_named(tmp_path):
    from dlnotes.errors import InputError
    from dlnotes.saving import load_model

    with pytest.raises(InputError, match=r"`path`: cannot read '.*none\.keras' \(No such file"):
        load_model(tmp_path / "none.keras")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel in an environment of its own, with the dependencies of this one."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder)]
    subprocess.run([*command, str(paths.PACKAGE.parent)], check=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv")
    executable = folder / "venv" / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(executable), "install", "-q"]
    subprocess.run([*command, "--no-deps", str(wheel)], check=True)
    where = "import site; print(site.getsitepackages()[0])"
    site = Path(python(where, executable=executable).stdout.strip())
    dependencies = Path(importlib.util.find_spec("keras").origin).parents[1]
    (site / "dependencies.pth").write_text(f"{dependencies}\n")
    return folder, executable, site


def test_the_wheel_adds_one_package(installed):
    _, _, site = installed
    names = {path.name for path in site.iterdir()}
    assert "dlnotes" in names
    assert not names & {"recipes", "data", "tests", "benchmarks"}


def test_recipes_and_data_travel_with_the_wheel(installed):
    folder, executable, site = installed
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["PYTHONSAFEPATH"] = "1"

    def run(*arguments):
        return subprocess.run(
            [executable, "-m", "dlnotes", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )

    listed = run("list").stdout
    assert "stateful_lstm" in listed and "mc_dropout" in listed
    done = run("run", "conv_lstm", "--epochs", "1", "--samples", "200")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert str(site) in run("show", "conv_lstm").stdout
    assert list((folder / "runs" / "conv_lstm").glob("*/report.json"))
    assert "index` renews the pages of a checkout" in run("index").stderr
    checked = run("check", "bidirectional", "--exact")
    assert checked.returncode == 0, checked.stderr
    assert "bidi-concat-default" in checked.stdout and checked.stderr == ""


def test_a_recipe_runs_as_a_script_from_any_folder(tmp_path, monkeypatch, capsys):
    path = paths.recipes_folder() / "recurrent" / "conv_lstm.py"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path), "--epochs", "1", "--samples", "200"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(path), run_name="__main__")
    out, err = capsys.readouterr()
    assert (ended.value.code, err) == (0, "")
    assert "(baseline)" in out and list(tmp_path.glob("runs/conv_lstm/*/report.md"))
