import builtins
import csv
import json
import re
import statistics
import sys
import types

from dlnotes import cli, figures
from dlnotes import report as reports
from dlnotes.report import Report
from matplotlib.figure import Figure
import pytest


@pytest.fixture
def report():
    report = Report("topic", metric="error", better="lower")
    report.add("naive", baseline=True, error=4.0)
    for seed, error in enumerate([1.0, 2.0, 6.0]):
        report.add("network", seed=seed, error=error, hits=seed)
    return report


def test_summary_is_mean_and_sample_deviation_over_seeds(report):
    naive, network = report.summary()
    assert naive["metrics"]["error"] == {"mean": 4.0, "sd": None}
    assert network["n"] == 3
    assert network["metrics"]["error"]["mean"] == pytest.approx(3.0)
    assert network["metrics"]["error"]["sd"] == pytest.approx(statistics.stdev([1, 2, 6]))
    assert network["difference"] == pytest.approx(-1.0)
    assert naive["difference"] is None


def test_the_baseline_comes_first_in_each_task():
    report = Report("t", metric={"a": "error", "b": "hits"}, better={"a": "lower", "b": "higher"})
    report.add("ours", task="a", error=1)
    report.add("base", task="a", error=2, baseline=True)
    report.add("base", task="b", hits=3, baseline=True)
    report.add("ours", task="b", hits=7)
    lines = [(line["task"], line["variant"], line["difference"]) for line in report.summary()]
    expected = [("a", "base", None), ("a", "ours", -1.0), ("b", "base", None), ("b", "ours", 4.0)]
    assert lines == expected
    assert "hits minus baseline (higher is better)" in str(report)


def test_the_direction_must_be_known():
    with pytest.raises(ValueError, match="'up', expected 'lower' or 'higher'"):
        Report("t", metric="error", better="up")


def test_saved_files_hold_what_was_added(report, tmp_path):
    figure = Figure()
    figure.subplots().plot([1, 2])
    report.figure("line", figure, "A rising line.")
    report.trap("a trap", plain="wrong | silently", ours="refused")
    report.history.append({"task": None, "variant": "network", "seed": 0, "epoch": 1, "loss": 0.5})
    report.history.append({"task": None, "variant": "network", "seed": 0, "epoch": 2, "lr": 0.1})
    folder = tmp_path / "run"
    files = report.save(folder, {"arguments": {"epochs": 3}, "versions": {"keras": "3"}})
    names = [str(path.relative_to(folder)) for path in files]
    assert names == ["figures/line.png", "history.csv", "report.json", "report.md"]
    assert list(tmp_path.iterdir()) == [folder]

    values = json.loads((folder / "report.json").read_text())
    assert values["arguments"] == {"epochs": 3}
    assert values["rows"][1]["metrics"] == {"error": 1.0, "hits": 0.0}
    assert values["figures"] == {"line": "A rising line."}
    text = (folder / "report.md").read_text()
    assert "![A rising line.](figures/line.png)" in text
    assert r"wrong \| silently" in text
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["loss"] == "0.5" and rows[1]["lr"] == "0.1" and rows[1]["loss"] == ""


def test_numbers_that_json_cannot_hold_become_null(tmp_path):
    report = Report("t", metric="error", better="lower")
    report.add("diverged", baseline=True, error=float("nan"))
    report.save(tmp_path / "run")
    values = json.loads((tmp_path / "run" / "report.json").read_text())
    assert values["rows"][0]["metrics"]["error"] is None


def test_text_and_markdown_tables_hold_the_same_cells(report):
    ((task, header, rows),) = reports.tables(report.summary())
    assert task is None
    for cell in [*header, *(cell for row in rows for cell in row)]:
        assert cell in str(report) and cell in report.to_markdown()


def test_shows_itself_in_a_notebook(report, monkeypatch):
    shown = []
    notebook = types.ModuleType("IPython.display")
    notebook.display, notebook.HTML = shown.append, str
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", notebook)
    monkeypatch.setattr(builtins, "__IPYTHON__", True, raising=False)
    report.trap("A trap", plain="wrong", ours="right")
    figure, _ = figures.axes(1, 1)
    report.figure("curve", figure, 'A "curve".')
    cli.main(lambda: report)
    assert shown[0] is report
    assert "**Traps shown**" in report._repr_markdown_()
    assert "| A trap | wrong | right |" in report._repr_markdown_()
    assert re.fullmatch(
        r'<figure><img src="data:image/png;base64,[\w+/=]+" alt="A &quot;curve&quot;\."></figure>',
        shown[1],
    )
