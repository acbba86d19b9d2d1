"""The studies behind docs/results: run them, and write each as a page with its intervals.

    python benchmarks/documented_runs.py lora_variants prompt_family rank_sweep language_model
    python benchmarks/documented_runs.py --full-size

A home folder of their own (var/documented) holds the database, so that what is written can be opened in the product:
`PEFT_ATLAS_HOME=var/documented peft-atlas up --no-quickstart`. A study that is there already is not run again.
"""

import argparse
import os
import platform
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from app.db.migrate import migrate
from app.db.session import make_engine
from app.schemas import Cell, Comparison, ConfigurationView, MethodEntry, StudyDocument, StudyView, TaskEntry
from app.services import results, studies
from app.services.callers import LOCAL
from app.settings import Settings
from peft_core import assets
from peft_core.preset import preset
from peft_core.spec import Budget, Splits

HOME = Path("var/documented")
PAGES = Path("docs/results")
POLL_SECONDS = 2.0


@dataclass(frozen=True)
class Documented:
    """A study and the page that it becomes. `note`: what its numbers do and do not show."""

    name: str
    title: str
    document: StudyDocument
    note: str


def registered(task: str, splits: Splits) -> TaskEntry:
    """A registered task with splits of another size."""
    asset = assets.tasks()[task]
    columns = asset.columns.model_dump()
    return TaskEntry(dataset=str(asset.dataset), kind=asset.kind, splits=splits, **columns)


def of_preset(key: str, note: str, *, full_size: bool) -> Documented:
    """A preset on MiniLM and 600 movie snippets; full size: all of the registered task's items, 5 rates, 5 seeds."""
    kind = preset(key)
    document = StudyDocument(
        name=f"{kind.title}: MiniLM on movie snippets",
        task="movies" if full_size else registered("movies", Splits(train=300, validation=100, test=200)),
        budget=Budget(steps=1_000 if full_size else 150, batch_size=8, max_length=64),
        seeds=5 if full_size else 3,
        grid_points=5 if full_size else 3,
        methods=[MethodEntry(**row.model_dump()) for row in kind.rows()],
    )
    return Documented(key, kind.title, document, note)


def language_model(*, full_size: bool) -> Documented:
    """LoRA and full fine-tuning of SmolLM2 on English dialogues."""
    document = StudyDocument(
        name="LoRA and full fine-tuning: SmolLM2-135M on dialogues",
        base_model="smollm2",
        task="dialogues",
        budget=Budget(steps=500 if full_size else 60, batch_size=8, max_length=64),
        seeds=5 if full_size else 3,
        grid_points=5 if full_size else 3,
        methods=[MethodEntry(method="lora"), MethodEntry(method="full")],
        references=["untuned"],
    )
    note = (
        "Token loss in nats, lower is better. 300 short dialogues are too few to say how either method writes; they"
        " show that both train a decoder, and at what cost."
    )
    return Documented("language_model", "LoRA and full fine-tuning of a language model", document, note)


def documented(*, full_size: bool) -> dict[str, Documented]:
    """Every study by the name of its page."""
    few = (
        "200 test items: the same model scored on another draw of as many would move by about 5 points either way, so"
        " only gaps wider than that stand out, and a tie says that no difference is shown, not that there is none."
    )
    notes = {
        "lora_variants": few + " QLoRA's purpose is memory on large bases; on one of 23M parameters it has none.",
        "prompt_family": few + " Soft prompts often need more steps than others: at equal steps they are behind.",
        "rank_sweep": few + " Every rank has its own learning-rate grid, alpha stays at twice the rank.",
    }
    found = [of_preset(key, note, full_size=full_size) for key, note in notes.items()]
    return {entry.name: entry for entry in [*found, language_model(full_size=full_size)]}


def main() -> None:
    """Run what was asked for, one study after the other, and write its page."""
    parser = argparse.ArgumentParser(description="Run the documented studies and write docs/results.")
    parser.add_argument("names", nargs="*", help="pages to write; all where none is named")
    parser.add_argument("--full-size", action="store_true", help="all data, 5 rates, 5 seeds: hours")
    asked = parser.parse_args()
    folders = {str(asset.dataset.parent) for asset in assets.tasks().values()}
    os.environ |= {"PEFT_ATLAS_HOME": str(HOME.resolve()), "PEFT_ATLAS_DATASET_ROOTS": os.pathsep.join(folders)}
    settings = Settings()
    migrate(settings.database)
    engine = make_engine(settings.database)
    known = documented(full_size=asked.full_size)
    worker = subprocess.Popen([sys.executable, "-m", "app.worker", "--device", "cpu"])
    try:
        for name in asked.names or known:
            entry = known[name]
            view, seconds = finished(engine, settings, entry.document)
            page = PAGES / f"{name}{'-full-size' if asked.full_size else ''}.md"
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(written(entry, view, results.comparison(engine, LOCAL, view.id), seconds), encoding="utf-8")
            print(f"{page}: {view.status}, {seconds / 60:.1f} min", flush=True)
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait()


def finished(engine: Engine, settings: Settings, document: StudyDocument) -> tuple[StudyView, float]:
    """The study of this name, run now if it has not been; and the seconds from its launch to its last run's end."""
    page = results.list_studies(engine, LOCAL, query=document.name, cursor=None, limit=1)
    number = page.items[0].id if page.items else studies.create_study(engine, settings, LOCAL, document)
    while (view := results.study_view(engine, LOCAL, number)).status in ("queued", "running"):
        time.sleep(POLL_SECONDS)
    return view, (view.updated_at - view.created_at).total_seconds()


def written(entry: Documented, view: StudyView, comparison: Comparison, seconds: float) -> str:
    """The page: protocol, table, what it shows."""
    budget, splits = view.document.budget, view.splits
    tuned = [len(row.tuning) for row in comparison.configurations if row.tuning]
    opening = [
        f"# {entry.title}",
        "",
        f"{view.document.name}: {splits.train} training, {splits.validation} validation and {splits.test} test items,"
        f" {budget.steps} steps of {budget.batch_size}, at most {budget.max_length} tokens, {view.precision}."
        f" {max(tuned, default=0)} learning rates for each tuned method, chosen on validation with a seed of their own;"
        f" {len(listed(view.document.seeds))} fresh seeds report. {view.counts.succeeded} runs in"
        f" {seconds / 60:.1f} minutes on {device()}; {view.counts.failed} failed.",
        "",
        f"Intervals are 95 % over seeds (t). Costs are one probe each. {view.metric.capitalize()} on the test split;"
        " *against full* follows the one rule for differences (seeds and test items, Holm).",
        "",
    ]
    return "\n".join([*opening, *table(comparison), "", *flags(comparison), entry.note, ""])


def listed(seeds: int | list[int]) -> list[int]:
    return seeds if isinstance(seeds, list) else list(range(seeds))


def device() -> str:
    return f"{os.cpu_count()} cores ({platform.machine()}), no GPU"


COLUMNS = {
    "task_performance": "quality",
    "trainable_parameters": "trainable",
    "storage_bytes": "stored, kB",
    "training_speed": "tokens/s",
    "inference_latency": "latency, ms",
    "peak_memory": "peak, MiB",
}
SCALES = {"storage_bytes": 1e-3, "inference_latency": 1e3, "peak_memory": 2**-20}
"""From SI units to the table's."""


def table(comparison: Comparison) -> list[str]:
    """One line for each configuration."""
    verdicts = {found.configuration: found for found in comparison.differences}
    cells = {(cell.configuration, cell.metric): cell for cell in comparison.cells}
    heads = ["row", *COLUMNS.values(), "learning rate", "against full"]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for row in comparison.configurations:
        values = [shown(cells.get((row.id, key)), SCALES.get(key, 1.0)) for key in COLUMNS]
        found = verdicts.get(row.id)
        against = f"{found.verdict} ({found.value:+.3g})" if found else ""
        lines.append("| " + " | ".join([row.label, *values, rate(row), against]) + " |")
    return lines


def shown(cell: Cell | None, scale: float) -> str:
    if cell is None or cell.mean is None:
        return "–"
    mean = f"{cell.mean * scale:.3f}" if cell.metric == "task_performance" else f"{cell.mean * scale:,.0f}"
    if cell.metric == "task_performance" and cell.interval is not None:
        return f"{mean} ({cell.interval[0]:.3f} to {cell.interval[1]:.3f})"
    return mean


def rate(row: ConfigurationView) -> str:
    if row.learning_rate is None:
        return "–"
    return f"{row.learning_rate:g}" + (" (edge)" if row.grid_edge else "")


def flags(comparison: Comparison) -> list[str]:
    return [*(f"- {flag}" for flag in comparison.flags), ""] if comparison.flags else []


if __name__ == "__main__":
    main()
