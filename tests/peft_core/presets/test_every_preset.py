"""Every preset names methods that exist, with hyper-parameters that are allowed."""

import pytest

from peft_core.method import build_method
from peft_core.preset import presets


@pytest.mark.parametrize("key", list(presets()))
def test_its_rows_can_be_built_and_differ(key: str) -> None:
    rows = presets()[key].rows()
    built = [build_method(row.method, row.hyperparameters) for row in rows]
    assert len({(type(method), method) for method in built}) == len(rows) >= 4
    assert len({method.label() for method in built}) == len(rows), "labels tell the rows apart"


def test_the_sweeps_are_the_chapter_s() -> None:
    swept = {
        "rank_sweep": ("rank", [1, 2, 4, 8, 16, 32, 64]),
        "bottleneck_sweep": ("bottleneck_size", [8, 16, 32, 64, 128]),
        "prefix_length_sweep": ("num_virtual_tokens", [10, 20, 50, 100, 200]),
    }
    for key, (field, values) in swept.items():
        assert [row.hyperparameters[field] for row in presets()[key].rows()] == values
