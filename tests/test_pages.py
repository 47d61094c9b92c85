"""Pages that people read: their tables, their commands, their examples."""

import re
import subprocess

from dlnotes import paths, shelf
import pytest

ROOT = paths.recipes_folder().parent


def test_generated_tables_are_up_to_date():
    for path, text in shelf.pages(ROOT).items():
        assert path.read_text() == text, f"{path} is out of date: run `dlnotes index`"


def test_links_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("recipes/*/*.md"), *ROOT.glob("data/*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page} links to {target}"


def test_the_examples_of_the_readme_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert len(blocks) >= 2
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


def test_the_two_commands_are_what_ci_runs():
    commands = re.findall(r"^python3 -m venv .*$", (ROOT / "README.md").read_text(), re.M)
    assert len(commands) == 2
    assert "dlnotes run" in commands[0] and "pytest" in commands[1]
    script = (ROOT / ".ci" / "run").read_text()
    assert "grep '^python3 -m venv' README.md" in script
    for number in range(2):
        assert f'bash -euo pipefail -c "${{commands[{number}]}}"' in script


def test_nothing_speaks_of_the_machine_it_was_made_on():
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    if not names:
        pytest.skip("not in a git checkout")
    for name in names:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".cfg", ".toml", ".json"} and path.is_file():
            assert not re.search(r"(?<![\w.])/(work|root|home)/", path.read_text()), name
