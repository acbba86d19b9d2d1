"""The parts of a report in words: what was compared, with what, and how its numbers were made."""

from collections.abc import Iterable, Mapping

from app.matrix import QUALITY
from app.schemas import StudyView
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
            "Base model": view.document.base_model,
            "Task": f"{task['name']} ({view.task_kind.replace('_', ' ')}), scored by {view.metric}",
            "Items": _items(view),
            "Budget": _budget(view),
            "Seeds": f"{len(listed)}: {', '.join(map(str, listed))}",
            "Precision": view.precision,
            "Device": ", ".join(seen.get("device_name", ())) or None,
            "Runs": _runs(view),
        }
    )


def _runs(view: StudyView) -> str:
    counts = {name: count for name, count in view.counts.model_dump().items() if count}
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _items(view: StudyView) -> str | None:
    splits = view.splits
    if splits is None:
        return f"{view.origin.test_items} test" if view.origin and view.origin.test_items else None
    return f"{splits.train} train, {splits.validation} validation, {splits.test} test; seed {splits.seed}"


def _budget(view: StudyView) -> str:
    budget = view.document.budget
    length = f"{budget.epochs} epochs" if budget.epochs is not None else f"{budget.steps:,} steps"
    parts = [f"{length} of batch {budget.batch_size}", f"length ≤ {budget.max_length}"]
    parts += [f"{budget.accumulation} parts a batch"] if budget.accumulation > 1 else []
    parts += ["gradient checkpointing"] if budget.gradient_checkpointing else []
    parts += [f"to convergence, patience {budget.patience}"] if budget.patience is not None else []
    return ", ".join(parts)


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
    return element("p", f"Imported results: they were not measured by this installation ({told}).", class_="flag")


def flags(content: Content) -> Markup | None:
    """What a reader must know before comparing."""
    notes = [*content.matrix.comparison.flags, *content.view.warnings]
    if not notes:
        return None
    return section("To know before comparing", element("ul", [element("li", words) for words in notes]))


def environment(content: Content) -> Markup:
    """Software, devices and data, by everything that the runs wrote down."""
    conditions = content.conditions
    seen = {name.replace("_", " "): ", ".join(values) for name, values in conditions.seen().items()}
    made_of = {
        "base model's sha256": conditions.base_model_sha256 or "not known",
        "base model from": conditions.base_model_source,
        "dataset": conditions.dataset,
        "dataset's sha256": conditions.task.get("dataset_sha256"),
        "dataset from": conditions.dataset_source,
    }
    several = note("Several values: the runs differed, and each value occurred.") if _differ(content) else None
    return section("Environment", facts(made_of | seen), several)


def _differ(content: Content) -> bool:
    return any(len(values) > 1 for values in content.conditions.seen().values())


# -- how numbers were made --------------------------------------------------------------------------------------------

CELL = (
    "A cell is the mean over the seeds whose runs ended well, with a 95 % t-interval over those seeds. Failed runs are"
    " counted, never dropped in silence, and a missing value is no zero."
)
TUNING = (
    "Learning rates were chosen on the validation split, each method with its own grid and one seed that reports"
    " nothing. The test split was read once, at the end, and chose nothing."
)
DIFFERENCE = (
    "A difference is paired by seed and test item: SE² = var(per-seed means) / k + var(per-item means) / n, with"
    " degrees of freedom by Welch and Satterthwaite, corrected over all methods by Holm's procedure. A tie is"
    " a difference that was not shown, not equality."
)
COSTS = (
    "Speed, latency and memory come from one probe of each method, alone on its device; everything else from the"
    " reporting runs."
)
TAKEN_OVER = (
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
    scores = (
        f"Colours are scores from 0 to 1 on fixed anchors, version {version}: no method's score changes because another"
        " joins or leaves. With r = reference / value for costs and value / reference for throughputs,"
        " u = clip(ln(r / lo) / ln(hi / lo), 0, 1). Quality: u = clip((a − untuned) / (full − untuned), 0, 1.1) / 1.1,"
        " undefined where that gain is not clear of noise."
    )
    cards = content.matrix.comparison.metrics
    rows = [[content.matrix.title(card), _anchors(card.key), f"{card.meaning} {card.how}"] for card in cards]
    head = ("Metric", "Anchors", "What it is")
    rules = element("ul", [element("li", words) for words in (*_rules(content), scores)])
    return section("How these numbers were made", rules, table("Metrics", head, rows, class_="wrap small"))


def _anchors(key: str) -> str:
    if key == QUALITY:
        return "untuned, full fine-tuning"
    known: type[Metric] | None = metrics().get(key)
    anchors = known.anchors if known is not None else None
    if isinstance(anchors, RatioAnchors):
        return f"lo {anchors.lo:g}, hi {anchors.hi:g}"
    if isinstance(anchors, LinearAnchors):
        return f"{anchors.worst:g} to {anchors.best:g}"
    return "no score"


def again(content: Content) -> Markup:
    """The document that makes the study again."""
    words = note("Saved as a file, this makes the same study again: ", element("code", "peft-atlas study run FILE"))
    return section("To run it again", words, element("pre", element("code", content.yaml), tabindex="0"))
