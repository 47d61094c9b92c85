import builtins
import importlib
import re
import warnings

from dlnotes import idioms
from dlnotes.idioms import IDIOMS, Name
import pytest


def run(code, namespace):
    exec(compile(code, "<row>", "exec"), namespace)


def after(idiom, code):
    namespace = {"__name__": "row"}
    run(idiom.setup, namespace)
    run(code, namespace)
    return namespace


def exceptions_of(name):
    return getattr(builtins, name)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("idiom", IDIOMS, ids=lambda idiom: idiom.id)
def test_the_old_lines_do_what_the_row_says(idiom):
    namespace = {"__name__": "row"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(idiom.setup, namespace)
        if idiom.effect == idioms.FAILS:
            name, message = idiom.error
            with pytest.raises(exceptions_of(name), match=re.escape(message)) as raised:
                run(idiom.old, namespace)
            assert type(raised.value).__name__ == name
        else:
            run(idiom.old, namespace)
            assert eval(idiom.symptom, namespace) is True


@pytest.mark.parametrize("idiom", IDIOMS, ids=lambda idiom: idiom.id)
def test_the_new_lines_run_without_a_warning(idiom):
    namespace = {"__name__": "row"}
    with warnings.catch_warnings():
        run(idiom.setup, namespace)
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "__array__ implementation doesn't accept a copy")
        run(idiom.new, namespace)
        if idiom.symptom:
            assert eval(idiom.symptom, namespace) is idiom.leave_out
