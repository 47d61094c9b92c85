"""A few of the kills of `tests/survival.py`, which makes as many as wanted."""

import pytest

import survival


@pytest.mark.slow
@pytest.mark.parametrize("what", ["training", "saving", "run"])
def test_nothing_is_lost_by_kills(what, capsys):
    assert survival.SUBCOMMANDS[what](2, 0) == 0, capsys.readouterr().out
