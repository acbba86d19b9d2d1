"""docs/examples/study.ipynb: every cell, in order, on the product as a person starts it."""

import ast
import asyncio
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from tests.dependencies import ROOT
from tests.flow.conftest import Start

NOTEBOOK = json.loads((ROOT / "docs" / "examples" / "study.ipynb").read_text(encoding="utf-8"))
CELLS = {cell["id"]: "".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"}


async def execute(cells: dict[str, str]) -> dict[str, Any]:
    """What the cells leave defined; they may await, as in a notebook."""
    names: dict[str, Any] = {}
    for name, source in cells.items():
        code = compile(source, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        awaited = eval(code, names)  # noqa: S307  (it is how a notebook runs what the project's own file says)
        if inspect.isawaitable(awaited):
            await awaited
    return names


def test_it_carries_no_output_of_some_other_day() -> None:
    assert [cell["outputs"] for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code" and cell["outputs"]] == []


@pytest.mark.slow
def test_every_cell_runs(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas", reason="The notebook makes data frames: pip install 'peft-atlas[notebook]'.")
    with start(tmp_path) as url:
        monkeypatch.setenv("PEFT_ATLAS_URL", url)
        monkeypatch.delenv("PEFT_ATLAS_TOKEN", raising=False)
        names = asyncio.run(execute(CELLS))
    assert names["study"].status == "succeeded"
    quality = names["table"]["task_performance"]
    assert len(quality) == 3
    assert quality.between(0, 1).all()
    cells = names["cells"]
    assert set(cells[cells["metric"] == "task_performance"]["n"]) <= {1, 2}
    assert list(names["curve"]["step"]) == sorted(names["curve"]["step"])
    assert json.loads(names["archive"])["name"] == "From a notebook"
