"""What is wrong finds its field, and the form stands in its address."""

from typing import Any

import httpx
import pytest

from app.schemas import FieldProblem, StudyEstimate
from app.services.base_models import list_base_models
from app.services.tasks import list_kinds, list_tasks
from app.settings import Settings
from app.ui.launch.baseline import baseline_table
from app.ui.launch.draft import component_of, step_of
from app.ui.launch.estimate import device_lines
from app.ui.launch.figures import Line, total_bytes, total_cost, total_seconds
from app.ui.launch.filling import fill
from app.ui.launch.link import draft_fields
from app.ui.launch.opening import Catalogues
from app.ui.launch.problems import placed, unnamed_dataset
from tests.app.ui.components import sources, text_of

pytestmark = pytest.mark.anyio

DOCUMENT: dict[str, Any] = {
    "name": "A study",
    "base_model": "minilm",
    "task": "tweets",
    "budget": {"steps": 30, "batch_size": 8, "max_length": 64, "accumulation": 1, "gradient_checkpointing": False},
    "seeds": 3,
    "grid_points": 3,
    "tuning": "grid",
    "methods": [{"method": "lora", "hyperparameters": {"rank": 8, "alpha": 32.0}}],
    "references": ["untuned", "full"],
    "device": None,
}


@pytest.mark.parametrize(
    ("field", "message", "component", "step"),
    [
        ("name", "", "study-name", 1),
        ("task", "", "study-task", 1),
        ("task.dataset", "", "study-dataset", 1),
        ("task.label", "", "study-label-column", 1),
        ("task.splits.train", "", "study-dataset", 1),
        ("methods", "", None, 2),
        ("methods.0.method", "", None, 2),
        ("references.1", "", "study-references", 2),
        ("methods.0.hyperparameters.rank", "", "lora rank", 3),
        ("grid_points", "", "study-grid", 3),
        ("tuning", "", "study-tuning", 3),
        ("base_model", "", "study-base-model", 4),
        ("budget.max_length", "", "study-max-length", 5),
        ("budget", "patience is 9: it must be smaller", "study-patience", 5),
        ("budget", "give the budget in either epochs or steps", "study-length", 5),
        ("seeds", "", "study-seeds", 5),
        ("metrics.0", "", None, 7),
    ],
)
def test_a_refusal_finds_its_field_and_step(field: str, message: str, component: str | None, step: int) -> None:
    found = component_of(field, DOCUMENT, message)
    assert (found, step_of(field, found)) == (component, step)


def test_steps_count_what_is_wrong_in_them() -> None:
    wrong = ("budget.steps", "seeds", "methods.0.hyperparameters.rank")
    told = placed([FieldProblem(field=field, message=f"{field} is wrong") for field in wrong], DOCUMENT)
    assert told["steps"] == {"5": 2, "3": 1}
    assert told["fields"]["lora rank"] == "methods.0.hyperparameters.rank is wrong"


def test_a_dataset_that_is_not_named_is_said_once() -> None:
    unnamed = DOCUMENT | {"task": {"dataset": "", "kind": "classification", "text": "text"}}
    found = [*unnamed_dataset(unnamed), FieldProblem(field="task.dataset", message="There is no dataset '-'.")]
    told = placed(found, unnamed)
    assert told["fields"] == {"study-dataset": "Upload a dataset, or name one."}
    assert told["steps"] == {"1": 1}
    assert unnamed_dataset(DOCUMENT) == []


def test_the_address_holds_the_form_and_gives_it_back(settings: Settings) -> None:
    there = Catalogues(list_tasks(), list_kinds(), list_base_models(settings))
    kept = draft_fields(DOCUMENT) | {"step": "3", "line": "cuda:8589934592"}
    assert kept["methods"] == "lora(rank:8)"
    form = fill(kept, there)
    assert (form.draft, form.step, form.line, form.notes) == (True, 3, "cuda:8589934592", [])
    assert (form.budget.steps, form.seeds, form.grid) == (30, 3, "3")
    assert form.values == {"lora": {"rank": 8}}
    nothing = draft_fields(DOCUMENT | {"methods": [], "seeds": "", "name": ""}) | {"step": "2", "line": "gpu:-1"}
    form = fill(nothing, there)
    assert (form.rows, form.seeds, form.line) == ([], 5, "")


async def test_every_figure_of_the_estimate_says_its_formula(api: httpx.AsyncClient) -> None:
    asked = {"study": DOCUMENT, "device_memory_bytes": 10**6}
    told = StudyEstimate(**(await api.post("/api/v1/estimates/study", json=asked)).json())
    table = baseline_table(told, DOCUMENT, Line("cpu:1000000"))
    said = [one["data-source"] for one in sources(table)]
    assert all(source.startswith("formula:run_estimate(") for source in said if "ratio" not in source)
    assert any("own.rank 8, own.alpha 32.0" in source for source in said)
    assert "× less" in text_of(table)
    assert "What would fit" in text_of(table) or "Nothing would" in text_of(table)
    assert total_seconds(told) == "–"
    assert total_cost(told, 2.5) == "–"
    assert "study_bytes(adapters" in sources(total_bytes(told))[0]["data-source"]


def test_a_device_that_is_not_told_is_one_of_common_sizes() -> None:
    lines = [line["value"] for line in device_lines([])]
    assert lines[0] == f"cpu:{8 * 2**30}"
    assert f"cuda:{80 * 2**30}" in lines
