"""A damaged file is refused with the field and a sentence, and nothing of it is written."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from app.errors import Invalid, TooLarge
from app.services.callers import LOCAL
from app.services.imports.study_archive import import_study
from tests.app.services import exported
from tests.app.services.exported import archive, nothing_changes


@pytest.fixture
def file(engine: Engine) -> Any:
    """An exported study as plain data."""
    return json.loads(archive(engine, exported.with_retries(engine)))


def put(path: str, value: Any) -> Callable[[Any], None]:
    """Overwrite what lies at a dotted path below `results`."""

    def damage(file: Any) -> None:
        *way, last = path.split(".")
        at = file["results"]
        for part in way:
            at = at[int(part)] if part.isdigit() else at[part]
        at[int(last) if last.isdigit() else last] = value

    return damage


def add_again(path: str, place: int = 0, **changes: Any) -> Callable[[Any], None]:
    """Put a copy of one entry of a list, changed, at its end."""

    def damage(file: Any) -> None:
        at = file["results"]
        for part in path.split("."):
            at = at[int(part)] if part.isdigit() else at[part]
        entry = copy.deepcopy(at[place])
        at.append(entry | changes if isinstance(entry, dict) else entry)

    return damage


REPORT = 0
"""A place among the runs: untuned's first seed, which has predictions."""
DAMAGED: dict[str, tuple[Callable[[Any], None], str, str]] = {
    "another format": (put("format", "peft-atlas-study/2"), "results.format", "peft-atlas-study/1"),
    "a word for a number": (put("runs.0.seed", "zero"), "results.runs.0.seed", "integer"),
    "a number for a word": (put("configurations.0.label", 7), "results.configurations.0.label", "string"),
    "no list": (put("runs", {}), "results.runs", "array"),
    "nothing": (put("task", None), "results.task", "object"),
    "an unknown field": (put("runs.0.gpu", 1), "results.runs.0.gpu", "remove it"),
    "an unknown configuration": (put("runs.3.configuration", 99), "results.runs.3.configuration", "99"),
    "an unknown method": (put("configurations.3.method", "loar"), "results.configurations.3.method", "loar"),
    "a wrong hyper-parameter": (
        put("configurations.3.hyperparameters", {"rank": -1}),
        "results.configurations.3.hyperparameters.rank",
        "rank",
    ),
    "an unknown family": (put("configurations.3.family", "magic"), "results.configurations.3.family", "lora"),
    "an unknown metric": (
        put("runs.0.measurements.0.metric", "luck"),
        "results.runs.0.measurements.0.metric",
        "luck",
    ),
    "an unknown kind of task": (put("task.kind", "poetry"), "results.task.kind", "poetry"),
    "an unknown status": (put("runs.0.status", "fine"), "results.runs.0.status", "succeeded"),
    "infinity": (put("runs.0.measurements.0.value", float("inf")), "results.runs.0.measurements.0.value", "finite"),
    "not a number in a list": (
        put("runs.0.predictions.scores.5", float("nan")),
        "results.runs.0.predictions.scores.5",
        "finite",
    ),
    "not a number in free fields": (
        put("runs.0.environment", {"load": [1.0, float("nan")]}),
        "results.runs.0.environment",
        "finite",
    ),
    "a value whose square is not finite": (
        put("runs.0.measurements.0.value", 1e200),
        "results.runs.0.measurements.0.value",
        "less than",
    ),
    "items that were not counted": (
        put("runs.0.measurements.0.detail", {"counted_items": "many"}),
        "results.runs.0.measurements.0",
        "whole number",
    ),
    "a share above one": (
        put("runs.0.measurements.0", {"metric": "task_performance", "value": 1.5, "detail": {"counted_items": 9}}),
        "results.runs.0.measurements.0",
        "between 0 and 1",
    ),
    "an order that no worker was given": (put("runs.0.spec", {"budget": 3}), "results.runs.0.spec.run_id", "required"),
    "a number too long": (put("runs.0.environment", {"load": 10**30}), "results.runs.0.environment", "63 bits"),
    "a seed too large": (put("runs.0.seed", 2**40), "results.runs.0.seed", "less than"),
    "a NUL": (put("runs.0.reason", "be\0fore"), "results.runs.0.reason", "NUL"),
    "a time without a zone": (put("runs.0.created_at", "2026-03-02T09:00:00"), "results.runs.0.created_at", "timezone"),
    "a time out of range": (put("created_at", "0001-01-01T00:00:00+14:00"), "results.created_at", "1970"),
    "a folder": (put("task.dataset", "/etc/passwd"), "results.task.dataset", "folder"),
    "a configuration twice": (add_again("configurations"), "results.configurations.7.id", "twice"),
    "a run twice": (add_again("runs"), "results.runs.49.id", "twice"),
    "a seed twice": (add_again("runs", id=1_000_000), "results.runs.49.seed", "seed 0"),
    "a metric twice": (
        add_again("runs.0.measurements"),
        "results.runs.0.measurements.3.metric",
        "storage_bytes is there twice",
    ),
    "an item twice": (put("runs.0.predictions.items.5", 4), "results.runs.0.predictions.5.items", "twice"),
    "a score too few": (
        lambda file: file["results"]["runs"][REPORT]["predictions"]["scores"].pop(),
        "results.runs.0.predictions.scores",
        "600 items and 599 scores",
    ),
    "an answer too few": (
        lambda file: file["results"]["runs"][REPORT]["predictions"]["predicted"].pop(),
        "results.runs.0.predictions.predicted",
        "599 answers",
    ),
    "tried again before": (put("runs.0.retry_of", 2), "results.runs.0.retry_of", "before"),
    "tried again by itself": (put("runs.0.retry_of", 1), "results.runs.0.retry_of", "before"),
    "tried again as another": (put("runs.8.retry_of", 1), "results.runs.8.retry_of", "another"),
    "tried again twice": (put("runs.47.retry_of", 45), "results.runs.47.retry_of", "45 is there twice"),
    "seeds twice in the document": (lambda file: file.update(seeds=[1, 1]), "seeds", "once"),
    "an unknown metric in the document": (lambda file: file.update(metrics=["luck"]), "metrics.0", "luck"),
    "a name of two lines": (lambda file: file.update(name="a\nb"), "name", "line"),
    "no results": (lambda file: file.pop("results"), "results", "no results"),
    "no rows": (put("configurations", []), "results.configurations", "at least 1"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_with_field_and_sentence(engine: Engine, file: Any, name: str) -> None:
    damage, field, said = DAMAGED[name]
    damage(file)
    with nothing_changes(engine), pytest.raises(Invalid) as refused:
        import_study(engine, LOCAL, json.dumps(file).encode())
    assert refused.value.field == field
    assert said in refused.value.detail
    assert refused.value.detail.endswith(".")


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b"7", b"\xff\xfe", b"{" * 10_000, b'{"name": "x", "methods": [], "results": {}}'],
    ids=["nothing", "a list", "null", "a number", "no text", "deep", "empty"],
)
def test_what_is_no_archive_at_all_is_refused(engine: Engine, content: bytes) -> None:
    with nothing_changes(engine), pytest.raises(Invalid):
        import_study(engine, LOCAL, content)


def test_a_file_that_was_cut_off_is_refused_wherever_that_was(engine: Engine) -> None:
    content = archive(engine, exported.finished(engine)).rstrip()
    with nothing_changes(engine):
        for end in range(1, len(content), 7_919):
            with pytest.raises(Invalid, match="not JSON"):
                import_study(engine, LOCAL, content[:end])


def test_a_hundred_megabytes_are_refused(engine: Engine) -> None:
    with nothing_changes(engine), pytest.raises(TooLarge, match="at most"):
        import_study(engine, LOCAL, b" " * 100_000_000)
