"""The figures of the New study page, computed again from the cost model and from the files, apart from the services."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.db.tables import Dataset
from app.services.callers import LOCAL
from app.services.estimates import device_speed
from peft_core import assets
from peft_core.analysis.cost_model.estimate import estimate
from peft_core.analysis.cost_model.setting import Setting
from peft_core.data import inspect_dataset
from peft_core.dataset_files import read_records
from peft_core.dataset_look import look
from peft_core.method import build_method
from peft_core.model_config import read_config_of
from peft_core.model_shape import read_model_shape
from peft_core.spec import Budget
from peft_core.task import task_kind

Given = Mapping[str, str]


def _run_estimate(given: Given, engine: Engine) -> float:
    """One figure of one run, by the cost model on what the formula names."""
    own = {name.removeprefix("own."): _value(value) for name, value in given.items() if name.startswith("own.")}
    shape, anatomy = read_config_of(assets.base_models()[given["base_model"]].folder)
    steps = None if given["steps"] == "None" else int(given["steps"])
    budget = Budget(
        steps=steps or 1,
        batch_size=int(given["batch_size"]),
        max_length=int(given["max_length"]),
        accumulation=int(given["accumulation"]),
        gradient_checkpointing=given["gradient_checkpointing"] == "True",
    )
    setting = Setting(
        base=shape,
        anatomy=anatomy,
        method=build_method(given["method"], own),
        task_kind=given["task_kind"],
        labels=2 if given["labels"] == "None" else int(given["labels"]),
        budget=budget,
        precision="bf16" if given["precision"] == "bf16" else "fp32",
        device="cuda" if given["device"] == "cuda" else "cpu",
    )
    speed = device_speed(engine, LOCAL, setting.device)
    return float(getattr(estimate(setting, total_steps=steps, calibration=speed), given["figure"]))


def _value(text: str) -> Any:
    if text in ("True", "False", "None"):
        return {"True": True, "False": False}.get(text)
    try:
        return int(text) if text.lstrip("-").isdigit() else float(text)
    except ValueError:
        return text


def _seconds(given: Given) -> float:
    terms = [term.split("x") for term in given["seconds"].split("+")]
    return sum(float(seconds) * float(times) for seconds, times in terms)


def _fitting(given: Given) -> float:
    return float(sum(int(peak) <= int(given["memory"]) for peak in given["peaks"].split("+")))


def _task_items(given: Given) -> float:
    asset = assets.tasks()[given["task"]]
    kind = task_kind(asset.kind)
    found = inspect_dataset(asset.dataset, kind=kind, columns=asset.columns, splits=asset.splits)
    return float(getattr(found.splits, given["split"]))


def _model_shape(given: Given) -> float:
    return float(getattr(read_model_shape(assets.base_models()[given["base_model"]].folder), given["figure"]))


def _mapping(session: Session, given: Given, home: Path) -> float:
    """A figure of the dataset as texts and classes, counted by hand; its splits are 60, 20 and 20 %."""
    row = session.get_one(Dataset, int(given["dataset"]))
    columns = given["columns"].split("|")
    rows = {tuple(cells.values()) for _, cells in read_records(home / "datasets" / row.file, columns)}
    classes = sorted(Counter(cells[-1] for cells in rows).values(), reverse=True)
    items = len(rows)
    test = round(0.2 * items)
    figures = {"items": items, "duplicates": row.rows - items, "validation": test, "test": test}
    figures["train"] = items - 2 * test
    name, _, place = given["figure"].partition(" ")
    return float(classes[int(place)] if name == "class" else figures[name])


def _dataset(session: Session, given: Given, figure: str, home: Path) -> float:
    """Read again from the uploaded file itself."""
    row = session.get_one(Dataset, int(given["dataset"]))
    file = home / "datasets" / row.file
    seen = look(file, most_rows=10**6)
    if figure == "column":
        column = seen.columns[int(given["column"])]
        _, median, longest = column.length or (0, 0, 0)
        figures = {"filled": column.filled, "distinct": column.distinct, "median": median, "longest": longest}
        return float(figures[given["figure"]] or 0)
    return float({"rows": seen.rows, "columns": len(seen.columns), "bytes": file.stat().st_size}[figure])


ESTIMATE_FORMULAS: dict[str, Callable[[Session, Given, Engine, Path], float]] = {
    "run_estimate": lambda _, given, engine, __: _run_estimate(given, engine),
    "tuning_trainings": lambda _, given, *__: sum(float(row) for row in given["rows"].split("+")),
    "study_seconds": lambda _, given, *__: _seconds(given),
    "study_bytes": lambda _, given, *__: float(given["adapters"]) + float(given["checkpoint"]),
    "study_cost": lambda _, given, *__: float(given["seconds"]) / 3600 * float(given["price_per_hour"]),
    "study_rows": lambda _, given, *__: float(given["rows"]),
    "fitting_rows": lambda _, given, *__: _fitting(given),
    "ratio": lambda _, given, *__: float(given["numerator"]) / float(given["denominator"]),
    "task_items": lambda _, given, *__: _task_items(given),
    "model_shape": lambda _, given, *__: _model_shape(given),
    "dataset_rows": lambda session, given, _, home: _dataset(session, given, "rows", home),
    "dataset_columns": lambda session, given, _, home: _dataset(session, given, "columns", home),
    "dataset_bytes": lambda session, given, _, home: _dataset(session, given, "bytes", home),
    "dataset_column": lambda session, given, _, home: _dataset(session, given, "column", home),
    "dataset_mapping": lambda session, given, _, home: _mapping(session, given, home),
}
"""The named formulas, each computed again; `home` holds the uploaded datasets."""
