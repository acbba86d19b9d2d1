"""The sentences of peft_core's catalogues: it knows no language, whoever shows them says them with `tr`."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import peft_core.metrics
from peft_core import assets
from peft_core.analysis.diagnosis import ADVICE
from peft_core.compare.selection_guide import LEAVES, QUESTIONS
from peft_core.compare.significance import COVERS, RULE
from peft_core.method import Method, methods
from peft_core.metric import metrics
from peft_core.preset import presets
from peft_core.scenario import scenarios
from peft_core.task import tasks

WHY_MISSING = re.compile(r'(?:self\.missing\(|return )"([^"]+ [^"]+)"')
"""Why a run has no value of a metric, as the metric's file says it and the run writes it down."""


def card_sentences() -> set[str]:
    """What the cards of methods, metrics, tasks, scenarios, presets and the selection guide say."""
    return {
        words
        for found in (_methods(), _metrics(), _tasks(), _choices(), _guide(), _advice())
        for words in found
        if words
    }


def _methods() -> Iterator[str]:
    for kind in methods().values():
        yield from (kind.title, kind.summary, kind.trains)
        yield from [kind.learning_rate.source] if kind.learning_rate else []
        yield from _fields(kind)


def _fields(kind: type[Method]) -> Iterator[str]:
    for field in kind.model_fields.values():
        yield field.title or ""
        yield str(field.json_schema_extra.get("effect", "")) if isinstance(field.json_schema_extra, dict) else ""


def _metrics() -> Iterator[str]:
    for kind in metrics().values():
        yield from (kind.title, kind.unit, kind.meaning, kind.how)
    yield from (RULE, *COVERS, *COVERS.values())
    for file in sorted(Path(peft_core.metrics.__file__ or "").parent.glob("*.py")):
        yield from WHY_MISSING.findall(file.read_text(encoding="utf-8"))


def _tasks() -> Iterator[str]:
    for kind in tasks().values():
        yield from (kind.title, kind.headline, kind.score_meaning)
        for column in kind.columns:
            yield from (column.title, column.meaning)
    for source in assets.sources():
        yield from (task.title for task in source.tasks())
        yield from (model.title for model in source.base_models())


def _choices() -> Iterator[str]:
    for scenario in scenarios().values():
        yield from (scenario.title, scenario.summary, scenario.textbook_pick)
    for preset in presets().values():
        yield from (preset.title, preset.summary)


def _guide() -> Iterable[str]:
    return [*(question.text for question in QUESTIONS.values()), *(leaf.textbook.title for leaf in LEAVES.values())]


def _advice() -> Iterator[str]:
    for advice in ADVICE:
        yield from (*advice.causes, *advice.fixes, *advice.prevention)
