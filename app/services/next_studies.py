"""What to run next where a study cannot answer: its own document, with what was wanting."""

from app.language import tr
from app.schemas import MethodEntry, StudyDocument
from app.services.evidence import StudyEvidence
from peft_core.compare.recommend import Answer
from peft_core.preset import presets
from peft_core.spec import Budget
from peft_core.task import tasks

REFERENCES = ("untuned", "full")
"""The rows that quality's scale runs between."""
SEEDS = 5
LONGEST_NAME = 160


def next_study(evidence: StudyEvidence, found: Answer) -> StudyDocument | None:
    """A study that would give what `found` lacks; None where it lacks nothing, its own runs have not ended, or its task
    is one that only others can train.

    references: with both reference rows. gain: with twice the budget. candidates: with the textbook's methods that it
    does not have yet. weights: with every metric. And an answer that rests on single seeds: with five.
    """
    waiting = any(run.status in ("queued", "running") for run in evidence.all_runs)
    if waiting or evidence.study.task["kind"] not in tasks():
        return None
    document = StudyDocument.model_validate(evidence.study.document)
    if found.cause == "references":
        wanted = list(dict.fromkeys([*document.references, *REFERENCES]))
        return _changed(document, tr("with reference rows"), references=wanted)
    if found.cause == "gain":
        return _changed(document, tr("with a larger budget"), budget=_doubled(document.budget))
    if found.cause == "candidates":
        return _with_more_methods(document)
    if found.cause == "weights":
        return _changed(document, tr("with every metric"), metrics=None)
    return _changed(document, tr("with more seeds"), seeds=SEEDS) if found.single_seed else None


def _changed(document: StudyDocument, how: str, **fields: object) -> StudyDocument:
    named = {"name": f"{document.name[:LONGEST_NAME]}, {how}"}
    return document.model_copy(update=named | fields)


def _doubled(budget: Budget) -> Budget:
    longer = {"steps": 2 * budget.steps} if budget.steps is not None else {"epochs": 2 * (budget.epochs or 1)}
    return budget.model_copy(update=longer)


def _with_more_methods(document: StudyDocument) -> StudyDocument | None:
    have = {entry.method for entry in document.methods} | set(document.references)
    offered = next(iter(presets().values())).rows()
    more = [MethodEntry(method=row.method, hyperparameters=row.hyperparameters) for row in offered]
    wanting = [entry for entry in more if entry.method not in have]
    return _changed(document, tr("with more methods"), methods=[*document.methods, *wanting]) if wanting else None
