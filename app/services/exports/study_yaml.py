"""YAML: the study document with every choice filled in, so that launching it makes the same rows again."""

import io
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from sqlalchemy import Engine

from app.db.tables import Configuration
from app.schemas import MOST_ROWS, MethodEntry, StudyDocument, StudyView
from app.services.callers import Caller
from app.services.exports.conditions import Conditions, read_conditions
from app.services.results import study_view

VERSIONS = ("peft-atlas", "torch", "transformers", "peft", "python", "device_name", "precision")
"""What the comments tell of the runs' environment."""


def as_yaml(engine: Engine, caller: Caller, study_id: int) -> str:
    """The document, with hyper-parameters and learning rates of every row, below what the study ran with."""
    return yaml_text(study_view(engine, caller, study_id), read_conditions(engine, caller, study_id))


def yaml_text(view: StudyView, conditions: Conditions) -> str:
    """The same of a study that was read already."""
    fields = CommentedMap(filled_document(view.document, conditions.configurations))
    fields.yaml_set_start_comment("\n".join(_comments(view, conditions)))
    yaml = YAML()
    yaml.width = 120
    yaml.allow_unicode = True
    text = io.StringIO()
    yaml.dump(fields, text)
    return text.getvalue()


def filled_document(document: StudyDocument, rows: Sequence[Configuration]) -> dict[str, Any]:
    """The document as plain data that names every row with all its values. Rows that are more than a document may
    name keep their references by name alone."""
    fields = document.model_dump(mode="json", exclude_none=True, exclude={"results"})
    if len(rows) > MOST_ROWS:
        rows = [row for row in rows if not row.reference]
    else:
        fields["references"] = []
    return fields | {"methods": [_entry(row) for row in rows]}


def _entry(row: Configuration) -> dict[str, Any]:
    entry = MethodEntry(
        method=row.method, hyperparameters=row.hyperparameters, learning_rates=row.learning_rates or None
    )
    return entry.model_dump(mode="json", exclude_none=True)


def _comments(view: StudyView, conditions: Conditions) -> Iterable[str]:
    """One line each; what people or other installations wrote stays on its line."""
    seen = conditions.seen()
    yield f"Study {view.id}, written by PEFT Atlas {version('peft-atlas')}. To run it again:"
    yield "  peft-atlas study run FILE"
    if conditions.origin is not None:
        yield "Its results were imported: they were not measured by the installation that wrote this file."
    yield f"Base model: {_one_line(view.document.base_model)}, sha256 {conditions.base_model_sha256 or 'not known'}"
    if conditions.base_model_source is not None:
        yield f"  from {_one_line(conditions.base_model_source)}"
    if conditions.dataset is not None:
        yield f"Dataset: {_one_line(conditions.dataset)}, sha256 {_one_line(conditions.task['dataset_sha256'])}"
    for name in VERSIONS:
        if name in seen:
            yield f"Its runs had {name}: {', '.join(seen[name])}"
    for row in conditions.configurations:
        if row.learning_rate is not None and len(row.learning_rates) > 1:
            yield f"Chosen for {_one_line(row.label)}: learning rate {row.learning_rate!r}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
