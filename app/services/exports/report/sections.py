"""The parts of a report in words: what was compared, with what, and how its numbers were made."""

from collections.abc import Iterable, Mapping
from typing import cast

from app.language import filled, mark, spaced, tr
from app.matrix import QUALITY
from app.schemas import StudyStatus, StudyView
from app.services.exports.markdown import STATUS_WORDS
from app.services.exports.report.content import Content
from app.services.exports.report.markup import Child, Markup, element
from app.services.exports.report.tables import table
from peft_core.metric import LinearAnchors, Metric, RatioAnchors, metrics


def section(title: str, *children: Child) -> Markup:
    return element("section", element("h2", title), *children)


def note(*children: Child) -> Markup:
    return element("p", *children, class_="note")


def facts(values: Mapping[str, str | None]) -> Markup:
    """Names and values; what is not known is left out."""
    return element(
        "dl",
        [
            element("div", element("dt", name), element("dd", value))
            for name, value in values.items()
            if value is not None
        ],
        class_="facts",
    )


def compared(content: Content) -> Markup:
    """What was compared, all of it chosen before the first run, and what the runs say they ran on."""
    view, task, seen = content.view, content.conditions.task, content.conditions.seen()
    seeds = view.document.seeds
    listed = list(range(seeds)) if isinstance(seeds, int) else seeds
    return facts(
        {
            tr("Base model"): view.document.base_model,
            tr("Task"): tr(
                "{task} ({kind}), scored by {score}",
                task=task["name"],
                kind=view.task_kind.replace("_", " "),
                score=view.metric,
            ),
            tr("Items"): _items(view),
            tr("Budget"): _budget(view),
            tr("Seeds"): f"{len(listed)}: {', '.join(map(str, listed))}",
            tr("Precision"): view.precision,
            tr("Device"): ", ".join(seen.get("device_name", ())) or None,
            tr("Runs"): _runs(view),
        }
    )


def _runs(view: StudyView) -> str:
    counts = {name: count for name, count in view.counts.model_dump().items() if count}
    return tr(", ").join(f"{count} {tr(STATUS_WORDS[cast(StudyStatus, name)])}" for name, count in counts.items())


def _items(view: StudyView) -> str | None:
    splits = view.splits
    if splits is None:
        known = view.origin.test_items if view.origin else None
        return tr("{count} test", count=known) if known else None
    return tr("{train} train, {validation} validation, {test} test; seed {seed}", **splits.model_dump())


def _budget(view: StudyView) -> str:
    budget = view.document.budget
    length = (
        tr("{epochs} epochs of batch {batch}", epochs=budget.epochs, batch=budget.batch_size)
        if budget.epochs is not None
        else tr("{steps:,} steps of batch {batch}", steps=budget.steps, batch=budget.batch_size)
    )
    parts = [length, tr("length ≤ {tokens}", tokens=budget.max_length)]
    parts += [tr("{count} parts a batch", count=budget.accumulation)] if budget.accumulation > 1 else []
    parts += [tr("gradient checkpointing")] if budget.gradient_checkpointing else []
    parts += [tr("to convergence, patience {patience}", patience=budget.patience)] if budget.patience else []
    return tr(", ").join(parts)


def reviewed(view: StudyView) -> Markup | None:
    """The team's tags, and whether it signed these results off."""
    approval = view.approval
    words = [f"Tags: {', '.join(view.tags)}."] if view.tags else []
    if approval is not None and approval.state == "approved":
        when = approval.created_at.strftime("%Y-%m-%d %H:%M UTC")
        since = "; results changed since" if approval.changed_since else ""
        words.append(f"Approved by {approval.user}, {when}{since}.")
        words += [approval.note] if approval.note else []
    return note(" ".join(words)) if words else None


def imported(content: Content) -> Markup | None:
    """That somebody else measured this, where it is so."""
    origin = content.conditions.origin
    if origin is None:
        return None
    known = {name: origin[name] for name in ("study", "exported_at", "created_by") if name in origin}
    told = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in known.items()) or str(
        origin.get("label", "")
    )
    words = tr("Imported results: they were not measured by this installation ({origin}).", origin=told)
    return element("p", words, class_="flag")


def flags(content: Content) -> Markup | None:
    """What a reader must know before comparing."""
    notes = [*content.matrix.comparison.flags, *content.view.warnings]
    if not notes:
        return None
    return section(tr("To know before comparing"), element("ul", [element("li", words) for words in notes]))


def environment(content: Content) -> Markup:
    """Software, devices and data, by everything that the runs wrote down."""
    conditions = content.conditions
    seen = {name.replace("_", " "): ", ".join(values) for name, values in conditions.seen().items()}
    made_of = {
        tr("base model's sha256"): conditions.base_model_sha256 or tr("not known"),
        tr("base model from"): conditions.base_model_source,
        tr("dataset"): conditions.dataset,
        tr("dataset's sha256"): conditions.task.get("dataset_sha256"),
        tr("dataset from"): conditions.dataset_source,
    }
    several = note(tr("Several values: the runs differed, and each value occurred.")) if _differ(content) else None
    return section(tr("Environment"), facts(made_of | seen), several)


def _differ(content: Content) -> bool:
    return any(len(values) > 1 for values in content.conditions.seen().values())


# -- how numbers were made --------------------------------------------------------------------------------------------

CELL = mark(
    "A cell is the mean over the seeds whose runs ended well, with a 95 % t-interval over those seeds. Failed runs are"
    " counted, never dropped in silence, and a missing value is no zero."
)
TUNING = mark(
    "Learning rates were chosen on the validation split, each method with its own grid and one seed that reports"
    " nothing. The test split was read once, at the end, and chose nothing."
)
DIFFERENCE = mark(
    "A difference is paired by seed and test item: SE² = var(per-seed means) / k + var(per-item means) / n, with"
    " degrees of freedom by Welch and Satterthwaite, corrected over all methods by Holm's procedure. A tie is"
    " a difference that was not shown, not equality."
)
COSTS = mark(
    "Speed, latency and memory come from one probe of each method, alone on its device; everything else from the"
    " reporting runs."
)
TAKEN_OVER = mark(
    "These results were imported: seeds, learning rates, splits and how costs were measured are those of who made them."
)


def _rules(content: Content) -> Iterable[str]:
    """How the product measures says nothing of what others have measured; an exported study is its own."""
    origin = content.conditions.origin
    taken_over = origin is not None and origin["kind"] != "study"
    return (CELL, TAKEN_OVER, DIFFERENCE) if taken_over else (CELL, TUNING, DIFFERENCE, COSTS)


def how(content: Content) -> Markup:
    """The rules, the anchors of every score, and what each metric is."""
    version = content.matrix.comparison.anchors_version
    scores = tr(
        "Colours are scores from 0 to 1 on fixed anchors, version {version}: no method's score changes because another"
        " joins or leaves. With r = reference / value for costs and value / reference for throughputs,"
        " u = clip(ln(r / lo) / ln(hi / lo), 0, 1). Quality: u = clip((a − untuned) / (full − untuned), 0, 1.1) / 1.1,"
        " undefined where that gain is not clear of noise.",
        version=version,
    )
    cards = content.matrix.comparison.metrics
    rows = [[content.matrix.title(card), _anchors(card.key), spaced([card.meaning, card.how])] for card in cards]
    head = (tr("Metric"), tr("Anchors"), tr("What it is"))
    rules = element("ul", [element("li", words) for words in (*map(tr, _rules(content)), scores)])
    listed = table(tr("Metrics"), head, rows, class_="wrap small")
    return section(tr("How these numbers were made"), rules, listed)


def _anchors(key: str) -> str:
    if key == QUALITY:
        return tr("untuned, full fine-tuning")
    known: type[Metric] | None = metrics().get(key)
    anchors = known.anchors if known is not None else None
    if isinstance(anchors, RatioAnchors):
        return tr("lo {lo:g}, hi {hi:g}", lo=anchors.lo, hi=anchors.hi)
    if isinstance(anchors, LinearAnchors):
        return tr("{worst:g} to {best:g}", worst=anchors.worst, best=anchors.best)
    return tr("no score")


def again(content: Content) -> Markup:
    """The document that makes the study again."""
    command = element("code", "peft-atlas study run FILE")
    words = note(filled("Saved as a file, this makes the same study again: {command}", command=command))
    return section(tr("To run it again"), words, element("pre", element("code", content.yaml), tabindex="0"))
