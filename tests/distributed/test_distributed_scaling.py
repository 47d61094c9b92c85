"""The model on paper of `benchmarks/scaling.py`, and the table that is made from it."""

import importlib.util
import json

from dlnotes import paths
import numpy as np
import pytest

if not paths.in_checkout():
    pytest.skip("benchmarks and docs are in the checkout", allow_module_level=True)

ROOT = paths.recipes_folder().parent
_specification = importlib.util.spec_from_file_location("scaling", ROOT / "benchmarks/scaling.py")
scaling = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(scaling)

FREE = {
    "batch": 64,
    "fixed_seconds": 0.0,
    "seconds_per_row": 0.01,
    "gradient_bytes": 1000,
    "output_bytes_per_row": 4,
    "latency_seconds": 0.0,
    "bytes_per_second": np.inf,
}


@pytest.mark.parametrize("grows", (False, True))
@pytest.mark.parametrize("workers", scaling.WORKERS)
def test_free_communication_would_scale_perfectly(workers, grows):
    assert scaling.speedup(FREE, workers, grows=grows) == pytest.approx(workers)


def test_what_a_step_costs_in_any_case_bounds_the_speed():
    numbers = FREE | {"fixed_seconds": 0.16}
    assert scaling.speedup(numbers, 256, grows=False) < (0.16 + 0.64) / 0.16


def test_a_ring_passes_every_byte_twice():
    """Simulated: each process sends one part a message, until all have the sum of each part."""
    workers, size = 4, 4000
    numbers = FREE | {"latency_seconds": 0.5, "bytes_per_second": 1000.0}
    held = [[{(rank, part)} for part in range(workers)] for rank in range(workers)]
    seconds = 0.0
    for step in range(2 * (workers - 1)):
        sent = [held[rank][(rank - step) % workers] for rank in range(workers)]
        for rank in range(workers):
            held[(rank + 1) % workers][(rank - step) % workers] |= sent[rank]
        seconds += 0.5 + size / workers / 1000.0
    assert all(len(part) == workers for ranks in held for part in ranks)
    assert scaling.reduction_seconds(numbers, workers, size) == pytest.approx(seconds)


def test_a_line_is_found_again():
    x = np.array(scaling.ROWS)
    assert scaling.fit_line(x, 0.003 + 0.0002 * x) == pytest.approx([0.003, 0.0002])
    assert min(scaling.fit_line(x, 0.0002 * x - 0.001)) >= 0


def test_the_table_of_the_page_is_that_of_the_recorded_numbers():
    table = scaling.table(json.loads(scaling.RESULTS.read_text()))
    page = scaling.PAGE.read_text()
    assert scaling.renew(page, table) == page
    assert len(table.splitlines()) >= len(scaling.WORKERS) + 2
