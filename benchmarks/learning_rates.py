"""Where the centres of the learning-rate grids for small bases come from: validation accuracy over two decades.

    python benchmarks/learning_rates.py lora dora --seeds 1 --output rates.jsonl

Every method gets the same five rates (or other `--factors`), a factor of sqrt(10) apart around the centre in its own
file, on MiniLM and the task tweets: 400 training items, 150 steps of 8, one thread. The test split is never read. A row
whose best rate is at an edge says so; move the centre and run it again.
"""

import argparse
import json
import tempfile
from pathlib import Path

from peft_core import assets
from peft_core.data import inspect_dataset
from peft_core.method import method_class, methods
from peft_core.run import run
from peft_core.spec import Budget, Event, RunSpec, TaskSpec
from peft_core.task import task_kind

STEPS, BATCH_SIZE, MAX_LENGTH = 150, 8, 64
FACTORS = (0.1, 0.316, 1.0, 3.16, 10.0)


def tweets() -> TaskSpec:
    """The registered task, as a study reads it."""
    asset = assets.tasks()["tweets"]
    kind = task_kind(asset.kind)
    found = inspect_dataset(asset.dataset, kind=kind, columns=asset.columns, splits=asset.splits)
    return TaskSpec(
        name=asset.name,
        kind=asset.kind,
        dataset=asset.dataset,
        dataset_sha256=found.sha256,
        **asset.columns.model_dump(),
        labels=found.labels,
        splits=found.splits,
    )


def validation_accuracy(task: TaskSpec, method: str, learning_rate: float, seed: int) -> float | None:
    """Of one training run; None where it broke down."""
    from peft_core.errors import RunFailed

    with tempfile.TemporaryDirectory() as folder:
        spec = RunSpec(
            run_id=0,
            purpose="tune",
            base_model=assets.base_models()["minilm"].folder,
            base_model_sha256="",
            task=task,
            method=method,
            learning_rate=learning_rate,
            seed=seed,
            budget=Budget(steps=STEPS, batch_size=BATCH_SIZE, max_length=MAX_LENGTH),
            precision="bf16",
            metrics=(),
            folder=Path(folder),
        )
        try:
            return run(spec, _ignore).validation_score
        except RunFailed:
            return None


def _ignore(_event: Event) -> None:
    """What happens on the way is of no interest here."""


def main() -> None:
    """Print one line for each method: its rates with their scores, best and flag."""
    import torch

    parser = argparse.ArgumentParser(description="Validation accuracy over learning rates, MiniLM on tweets.")
    parser.add_argument("methods", nargs="*", default=[name for name, kind in methods().items() if kind.learning_rate])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--factors", type=float, nargs="*", default=FACTORS, help="of the centre in the method's file")
    parser.add_argument("--output", type=Path, help="append the scores here as JSON lines")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    task = tweets()
    for name in asked.methods:
        rate = method_class(name).learning_rate
        assert rate is not None, f"{name} tunes no learning rate"
        scores = {
            float(f"{rate.small * factor:.3g}"): [
                validation_accuracy(task, name, rate.small * factor, seed) for seed in range(asked.seeds)
            ]
            for factor in asked.factors
        }
        means = {at: sum(score or 0.0 for score in found) / len(found) for at, found in scores.items()}
        best = max(means, key=lambda at: means[at])
        edge = "  best at an edge" if best in (min(means), max(means)) else ""
        print(f"{name:20s} " + "  ".join(f"{at:g}: {mean:.3f}" for at, mean in means.items()) + edge, flush=True)
        if asked.output:
            with asked.output.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"method": name, "scores": scores}) + "\n")


if __name__ == "__main__":
    main()
