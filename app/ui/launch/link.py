"""The address of New study filled in: a study, or a case that was not measured, as a query that a person can read.

    /studies/new?base_model=minilm&task=tweets&methods=lora(rank:16),adapter&references=untuned,full&epochs=3

`methods` are names, hyper-parameters in brackets as name:value, learning rates after "@", separated by "~". What
stands in a name or value and would be taken for one of these signs is percent-encoded.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote

from pydantic import JsonValue

from app.schemas import RunNext, StudyDocument
from peft_core.errors import UnknownName
from peft_core.method import method_class

PATH = "/studies/new"
NONE = "none"
"""An empty list: an empty value would be dropped on the way."""

BUDGET_FIELDS = ("epochs", "steps", "batch_size", "max_length", "accumulation", "evaluations", "patience")
READABLE = "(),:@~/"
LinkedMethod = tuple[str, dict[str, JsonValue], list[float] | None]
"""Name, hyper-parameters and learning rates of a method that an address names."""

ENTRY = re.compile(r"([^(),@]+)(?:\(([^()]*)\))?(?:@([^,()]+))?")


def study_address(document: StudyDocument) -> str:
    """New study, filled in with a study's document."""
    return _address(_document_fields(document.model_dump(mode="json")))


def draft_fields(document: Mapping[str, Any]) -> dict[str, str]:
    """What the address keeps of a form under way, whose document need not be valid; hyper-parameters that are the
    methods' own defaults are left out."""
    entries = [_without_defaults(entry) for entry in document["methods"]]
    return _given(_document_fields({"priority": 0, "metrics": None} | dict(document) | {"methods": entries}))


def _without_defaults(entry: Mapping[str, Any]) -> dict[str, Any]:
    try:
        own = method_class(entry["method"])().model_dump()
    except UnknownName:
        own = {}
    given = entry["hyperparameters"]
    return dict(entry) | {"hyperparameters": {name: given[name] for name in given if given[name] != own.get(name)}}


def _document_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": document["name"], "base_model": document["base_model"]}
    task = document["task"]
    fields |= {"task": task} if isinstance(task, str) else _task_fields(task)
    fields |= {"methods": ",".join(_method(entry) for entry in document["methods"]) or NONE}
    fields |= {"references": _list(document["references"])} | _budget_fields(document["budget"])
    fields |= {"seeds": _seeds(document["seeds"]), "grid": document["grid_points"], "device": document["device"]}
    fields |= {"tuning": document["tuning"] if document["tuning"] != "grid" else None}
    fields |= {"metrics": None if document["metrics"] is None else _list(document["metrics"])}
    return fields | {"priority": document["priority"] or None}


def case_address(wanted: RunNext, *, task: str | None = None, size: Mapping[str, Any] | None = None) -> str:
    """New study, filled in with a looked-up case. task: the registered one that the case is about. size: what is known
    of a base model that was not named (architecture, parameters)."""
    fields: dict[str, Any] = {"base_model": wanted.base_model, **(size or {})}
    fields |= {"task": task} if task else {"kind": wanted.task_kind, "train_items": wanted.train_items}
    fields |= {"methods": _list(wanted.methods), "references": _list(wanted.references)}
    return _address(fields | _budget_fields(wanted.budget.model_dump()) | {"device": wanted.device})


def preset_address(preset: str) -> str:
    """New study with the rows of a preset."""
    return _address({"preset": preset})


def read_methods(text: str) -> list[LinkedMethod]:
    """The methods that an address names; nothing of them is checked."""
    found: list[LinkedMethod] = []
    if text == NONE:
        return found
    for match in ENTRY.finditer(text):
        name, inside, rates = match.groups()
        pairs = (pair.partition(":") for pair in (inside or "").split(",") if pair)
        values = {unquote(key.strip()): _value(unquote(value)) for key, _, value in pairs}
        found.append((unquote(name.strip()), values, _rates(rates)))
    return [entry for entry in found if entry[0]]


def read_list(text: str) -> list[str]:
    """The names of a list."""
    return [] if text == NONE else [unquote(name) for name in text.split(",") if name]


def _address(fields: Mapping[str, Any]) -> str:
    return f"{PATH}?" + "&".join(f"{name}={quote(value, safe=READABLE)}" for name, value in _given(fields).items())


def _given(fields: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in fields.items() if value is not None and value != ""}


def _task_fields(task: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: task.get(name) for name in ("dataset", "folder", "kind", "text", "label", "pair", "group")}
    return fields | {"choices": ",".join(_part(choice) for choice in task.get("choices", ()))} | _splits(task)


def _splits(task: Mapping[str, Any]) -> dict[str, Any]:
    splits = task.get("splits")
    return {"splits": "~".join(str(size) for size in splits.values())} if splits else {}


def _budget_fields(budget: Mapping[str, Any]) -> dict[str, Any]:
    return {name: budget.get(name) for name in BUDGET_FIELDS} | {
        "gradient_checkpointing": "true" if budget["gradient_checkpointing"] else None
    }


def _method(entry: Mapping[str, Any]) -> str:
    pairs = ",".join(f"{_part(name)}:{_part(_text(value))}" for name, value in entry["hyperparameters"].items())
    rates = "~".join(f"{rate:g}" for rate in entry.get("learning_rates") or [])
    return _part(entry["method"]) + (f"({pairs})" if pairs else "") + (f"@{rates}" if rates else "")


def _seeds(seeds: Any) -> str:
    """A number, or the seeds themselves where they are not the first ones."""
    if not isinstance(seeds, list) or seeds == list(range(len(seeds))):
        return str(len(seeds) if isinstance(seeds, list) else seeds)
    return "~".join(str(seed) for seed in [*seeds, ""])


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) and _value(value) == value else json.dumps(value, separators=(",", ":"))


def _value(text: str) -> JsonValue:
    """A number, true, false or null as such; anything else is a word."""
    try:
        read: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return read


def _rates(text: str | None) -> list[float] | None:
    try:
        return [float(rate) for rate in text.split("~")] if text else None
    except (ValueError, RecursionError):
        return []


def _list(names: Iterable[str]) -> str:
    return ",".join(_part(name) for name in names) or NONE


def _part(text: str) -> str:
    return quote(text, safe="")
