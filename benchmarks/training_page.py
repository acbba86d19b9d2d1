"""docs/benchmarks/training.md and its figures, out of what benchmarks/training.py has measured."""

import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from contenders.workload import METHODS
from training_figures import bars, lines

from peft_core.compare.statistics import t_interval

FOLDER = Path(__file__).parent.parent / "docs" / "benchmarks"
FIGURES = FOLDER / "training.json"
RUNS_OF_A_METHOD = 8
"""Three learning rates and five seeds."""
CONTENDERS = {"hugging_face": "HF Trainer", "bare_loop": "bare loop", "solo": "ours, solo"}
LAYER_WEIGHTS = 6 * (4 * 384 * 384 + 2 * 384 * 1536)
"""Of MiniLM's linear layers."""
PASSES = dict.fromkeys(METHODS, 4) | {"full": 6, "head_only": 2}
"""Operations for each of those weights and real token: 2 forward, 2 for gradients of inputs, 2 for those of weights."""

Row = dict[str, Any]


def write_page() -> None:
    """Of the parts that are there."""
    known = json.loads(FIGURES.read_text(encoding="utf-8"))
    parts = [opening(known["machine"])]
    if "throughput" in known:
        parts += [throughput(known["throughput"]), quality(known["throughput"]["runs"], known.get("study"))]
    if "study" in known and "throughput" in known:
        parts.append(study(known["study"], known["throughput"]["runs"]))
    if "memory" in known:
        parts.append(memory(known["memory"]["groups"]))
    if "scaling" in known:
        parts.append(scaling(known["scaling"]["studies"]))
    (FOLDER / "training.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def opening(machine: Row) -> str:
    return f"""# Training, measured beside Hugging Face

The same fine-tuning by different hands, in turns on the same machine: MiniLM on 400 short tweets, 3 epochs of batches
of 8, bf16 arithmetic, AdamW without weight decay, linear warm-up and decay, gradients clipped at 1, four validations
and one test, the same learning rates and seeds. {machine["cores"]} cores ({machine["platform"]}), no GPU; torch
{machine["torch"]}, transformers {machine["transformers"]}, peft {machine["peft"]}.

- **HF Trainer**: Hugging Face's `Trainer` with peft, dynamic padding and batches grouped by length; a fresh process for
  each run, its imports included.
- **bare loop**: a plain torch loop with peft's models and our batches.
- **ours, solo**: one run, in a process forked as a worker forks it.
- **ours, study**: a study posted into a home folder of its own, done by one worker through the product.

`python benchmarks/training.py` measures all of it again and writes this page. Beside every measurement stands how many
cores other processes kept busy meanwhile; figures taken beside much of it say little."""


def of(runs: Iterable[Row], contender: str, method: str) -> list[Row]:
    return [row for row in runs if (row["contender"], row["method"]) == (contender, method)]


def median(runs: Sequence[Row], value: Callable[[Row], float]) -> float:
    return statistics.median(map(value, runs))


def ratio(runs: Sequence[Row], method: str, value: Callable[[Row], float]) -> str:
    """HF Trainer's figure over ours, of the same seed's runs: the median and its range."""
    ours = {row["seed"]: value(row) for row in of(runs, "solo", method)}
    found = [value(row) / ours[row["seed"]] for row in of(runs, "hugging_face", method) if row["seed"] in ours]
    return f"**{statistics.median(found):.2f}** ({min(found):.2f} to {max(found):.2f})" if found else "–"


def throughput(part: Row) -> str:
    runs, peak = part["runs"], statistics.median(part["peaks"])
    heads = ["method", "contender", "samples/s", "tokens/s", "of peak", "process, s", "peak memory, MiB", "others' CPU"]
    lines_ = []
    for method in METHODS:
        for contender, title in CONTENDERS.items():
            if found := of(runs, contender, method):
                seconds = median(found, lambda row: row["training_seconds"])
                share = PASSES[method] * LAYER_WEIGHTS * part["real_tokens"] / seconds / peak
                lines_.append(
                    [
                        method,
                        title,
                        f"{part['samples'] / seconds:.0f}",
                        f"{part['real_tokens'] / seconds:,.0f}",
                        f"{share:.0%}",
                        f"{median(found, lambda row: row['process_seconds']):.1f}",
                        f"{median(found, lambda row: row['peak_bytes']) / 2**20:.0f}",
                        f"{median(found, lambda row: row['others_cpu']):.2f}",
                    ]
                )
    ratios = [
        [method, ratio(runs, method, lambda row: row["training_seconds"]), ratio(runs, method, whole_process)]
        for method in METHODS
        if of(runs, "solo", method)
    ]
    rates = {
        title: [
            part["samples"] / median(found, lambda row: row["training_seconds"])
            if (found := of(runs, contender, method))
            else 0.0
            for method in METHODS
        ]
        for contender, title in CONTENDERS.items()
    }
    (FOLDER / "training-throughput.svg").write_text(bars(rates, METHODS, "training samples a second"), encoding="utf-8")
    return "\n".join(
        [
            "## Single runs",
            "",
            f"Medians over rounds. Training is steps alone, evaluations left out; the machine multiplies bf16 matrices"
            f" at {peak / 1e9:.0f} GFLOP/s at best, and the share of it counts the linear layers' products with real"
            " tokens only. Peak memory is the process's, less what it held before it loaded the base model.",
            "",
            *table(heads, lines_),
            "",
            "HF Trainer's time over ours (median and range over rounds of the same seed):",
            "",
            *table(["method", "training", "whole process"], ratios),
            "",
            "![Training samples a second](training-throughput.svg)",
        ]
    )


def whole_process(row: Row) -> float:
    return float(row["process_seconds"])


def quality(runs: Sequence[Row], study_part: Row | None) -> str:
    of_study = study_part["ours"][-1]["test"] if study_part and study_part["ours"] else {}
    rows = []
    for method in METHODS:
        scores = [[row["test"] for row in of(runs, contender, method)] for contender in ("hugging_face", "solo")]
        rows.append([method, *map(interval, [*scores, of_study.get(method, [])])])
    return "\n".join(
        [
            "## Equal quality",
            "",
            "Accuracy on the test split, mean over seeds with its 95 % interval (t). The study's learning rates are"
            " those that it chose itself.",
            "",
            *table(["method", "HF Trainer", "ours, solo", "ours, study"], rows),
        ]
    )


def interval(scores: Sequence[float]) -> str:
    if not scores:
        return "–"
    found = t_interval(scores)
    around = "one seed" if found is None else f"{found[0]:.3f} to {found[1]:.3f}"
    return f"{statistics.mean(scores):.3f} ({around})"


def study(part: Row, runs: Sequence[Row]) -> str:
    rows = []
    for ours in part["ours"]:
        chosen = METHODS if ours["methods"] == len(METHODS) else METHODS[1:]
        beside = {method: trainer_seconds(part, runs, method) for method in chosen}
        trainer = sum(beside.values())
        rows.append(
            [
                "all six" if len(chosen) == len(METHODS) else "the five that share passes",
                str(RUNS_OF_A_METHOD * len(chosen)),
                f"{trainer:.0f}",
                f"{ours['quality_seconds']:.0f}",
                f"**{trainer / ours['quality_seconds']:.2f}**",
                f"{ours['probe_seconds']:.0f}",
                f"{ours['failed']}",
                f"{ours['others_cpu']:.2f}",
            ]
        )
    heads = ["methods", "runs", "HF Trainer, s", "ours, s", "ratio", "our cost probes, s", "failed", "others' CPU"]
    how = "All its processes were run." if part["hugging_face"] else "Eight times its median process stands for them."
    return "\n".join(
        [
            "## A whole study",
            "",
            "Three learning rates on validation data and five seeds on the test split for each method, evaluations"
            f" included. HF Trainer: one process after the other. {how} Cost probes, which run alone on the machine"
            " and which Trainer has no counterpart of, stand apart.",
            "",
            *table(heads, rows),
        ]
    )


def trainer_seconds(part: Row, runs: Sequence[Row], method: str) -> float:
    """Of the eight runs of a method, one process each."""
    whole = of(part["hugging_face"], "hugging_face", method)
    if len(whole) == RUNS_OF_A_METHOD:
        return sum(map(whole_process, whole))
    return RUNS_OF_A_METHOD * median(of(runs, "hugging_face", method), whole_process)


ROOM = 1.2
"""What one more run may take, in units of what it keeps and trains."""
SMALL_BYTES = 2**20
"""Of a method that keeps less there is no ratio worth a number."""


def memory(groups: Sequence[Row]) -> str:
    rows = []
    for method in METHODS:
        found = sorted((row for row in groups if row["method"] == method), key=lambda row: row["runs"])
        if len(found) > 1:
            small, large = found[0], found[-1]
            apart = large["runs"] - small["runs"]
            held, resident = ((large[key] - small[key]) / apart for key in ("held_bytes", "peak_bytes"))
            own = large["saved_bytes"] + large["trained_bytes"]
            holds = held + large["trained_bytes"]
            figures = [small["peak_bytes"], large["peak_bytes"], own, holds, resident]
            ratios = [f"**{figure / own:.2f}**" if own > SMALL_BYTES else "–" for figure in (holds, resident)]
            rows.append([method, *(f"{figure / 2**20:.1f}" for figure in figures), *ratios])
    sizes = sorted({row["runs"] for row in groups})
    peaks = [f"resident peak of {runs} runs, MiB" for runs in (sizes[0], sizes[-1])]
    heads = ["method", *peaks, "a run alone", "one more holds", "one more resident", "held ratio", "resident ratio"]
    return "\n".join(
        [
            "## What one more run of a group takes",
            "",
            "Runs that train together in one pass of 8 texts each. A run alone: what autograd holds of the longest"
            " batch that any of them has, and 16 bytes for each number it trains (itself, its gradient, AdamW's two"
            " averages). One more holds: the same of each further run, counted at autograd. One more resident: by the"
            " process's peak of resident memory, in which also stands what is only passed on, and what the allocator"
            " does not give back."
            f" The ratios are to a run alone; promised are at most {ROOM}.",
            "",
            *table(heads, rows),
        ]
    )


NAMES = {"methods": "methods", "seeds": "seeds", "rows": "training rows", "base_model": "base model"}


def scaling(studies: Sequence[Row]) -> str:
    rows = [
        [
            NAMES[row["varied"]],
            str(row["value"]),
            str(row["runs"]),
            f"{row['quality_seconds']:.1f}",
            f"{row['probe_seconds']:.1f}",
            f"{row['others_cpu']:.2f}",
        ]
        for row in studies
    ]
    panels = {
        NAMES[what]: [(float(row["value"]), row["quality_seconds"]) for row in studies if row["varied"] == what]
        for what in ("methods", "seeds", "rows")
    }
    (FOLDER / "training-scaling.svg").write_text(lines(panels, "seconds of a study"), encoding="utf-8")
    heads = ["what grows", "to", "runs", "wall, s", "probes, s", "others' CPU"]
    return "\n".join(
        [
            "## What more of anything costs",
            "",
            "Studies of one epoch with one learning rate for each method, through the product: 2 methods, 3 seeds, 200"
            " training rows and MiniLM, but for what is varied.",
            "",
            *table(heads, rows),
            "",
            "![Seconds of a study](training-scaling.svg)",
        ]
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(heads) + " |",
        "|" + " --- |" * len(heads),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
