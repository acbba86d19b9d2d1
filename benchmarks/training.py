"""What a run and a study cost, beside Hugging Face's Trainer with peft: figures for docs/benchmarks/training.md.

    python benchmarks/training.py                     every part, about 70 minutes on two quiet cores
    python benchmarks/training.py --part throughput   single runs, side by side: about 15 minutes
    python benchmarks/training.py --part study        a study of 48 runs: about 10 minutes, --whole 20
    python benchmarks/training.py --part memory       what one more run of a group takes: about 5 minutes
    python benchmarks/training.py --part scaling      methods, seeds, rows, model size: about 25 minutes
    python benchmarks/training.py --quick             each part once and small: about 8 minutes

Contenders take turns, each run in a fresh process. What a part measures replaces what it measured before in
docs/benchmarks/training.json, from which the page is written; a part that reaches its limit stops and says so.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from contenders import solo
from contenders.machine import watched
from contenders.study import Product, document
from contenders.workload import METHODS, Measured, Texts, Workload, told
from training_page import FIGURES, write_page

from app.schemas import StudyDocument
from peft_core import assets

HERE = Path(__file__).parent
LIMIT_SECONDS = {"throughput": 1_500, "study": 2_400, "memory": 600, "scaling": 2_400}
"""A part begins nothing more after so long."""
TUNING, SEEDS = 3, 5

Row = dict[str, Any]


def process(script: str, *arguments: str) -> tuple[str, float]:
    """What a contender's process has printed, and how long it took from start to end."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)]), "HF_HUB_OFFLINE": "1"}
    started = time.perf_counter()
    command = [sys.executable, str(HERE / "contenders" / f"{script}.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        sys.exit(f"{script} has failed:\n{done.stderr}")
    return done.stdout, time.perf_counter() - started


def trained_by(script: str, asked: Workload, texts: Path) -> Measured:
    output, seconds = process(script, json.dumps(asdict(asked)), str(texts))
    return replace(told(output), process_seconds=seconds)


@contextmanager
def texts_file(texts: Texts) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.json"
        path.write_text(json.dumps(texts), encoding="utf-8")
        yield path


def real_tokens(texts: Texts, asked: Workload) -> int:
    """Of the training split, neither padding nor virtual tokens."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(asked.folder)
    rows = tokenizer([text for text, _ in texts["train"]], truncation=True, max_length=asked.max_length)
    return sum(map(len, rows["input_ids"]))


def throughput(rounds: int, seeds: int, epochs: int, threads: int, deadline: float) -> dict[str, Any]:
    """Every method with every contender, which take turns; each round has its seed. What is beyond `rounds`, up to
    `seeds`, only adds to the intervals of the accuracy, and leaves the bare loop out."""
    task, runs = solo.task_of(), solo.executor()
    texts = solo.texts_of(task)
    tokens = real_tokens(texts, solo.workload("lora")) * epochs
    found: dict[str, Any] = {"samples": len(texts["train"]) * epochs, "real_tokens": tokens, "peaks": [], "runs": []}
    with texts_file(texts) as path:
        contenders: dict[str, Callable[[Workload], Measured]] = {
            "hugging_face": lambda asked: trained_by("hugging_face", asked, path),
            "bare_loop": lambda asked: trained_by("bare_loop", asked, path),
            "solo": lambda asked: solo.train(runs, asked, task),
        }
        for seed in range(max(rounds, seeds)):
            found["peaks"].append(float(process("matmul_peak", str(threads))[0]))
            for method in METHODS:
                asked = replace(solo.workload(method, seed=seed, epochs=epochs), threads=threads)
                names = [name for name in contenders if seed < rounds or name != "bare_loop"]
                for name in names[seed % len(names) :] + names[: seed % len(names)]:
                    if time.monotonic() > deadline:
                        print("the limit is reached: what is left is left out", flush=True)
                        return found
                    found["runs"].append(row_of(name, asked, contenders[name]))
    return found


def row_of(contender: str, asked: Workload, train: Callable[[Workload], Measured]) -> Row:
    with watched() as beside:
        measured = train(asked)
    row = {"contender": contender, "method": asked.method, "seed": asked.seed} | asdict(measured) | asdict(beside)
    print(
        f"{contender:13s} {asked.method:14s} seed {asked.seed}: training {measured.training_seconds:6.2f} s, process"
        f" {measured.process_seconds:6.2f} s, {measured.peak_bytes / 2**20:4.0f} MiB, test {measured.test:.3f}"
        f"   (others {beside.others_cpu:.2f} cores, load {beside.load_average:.1f})",
        flush=True,
    )
    return row


def study(epochs: int, whole: bool, deadline: float) -> dict[str, Any]:
    """The study of six methods through the product; the fusable ones and all; and with `whole` the 48 processes of
    Trainer one after the other. Without, eight times its median process stands for them."""
    found: dict[str, Any] = {"ours": [], "hugging_face": []}
    with tempfile.TemporaryDirectory() as home:
        product = Product(Path(home))
        try:
            for methods in (METHODS[1:], METHODS):
                if time.monotonic() < deadline:
                    asked = document(methods, seeds=SEEDS, epochs=epochs)
                    found["ours"].append(study_row(product, asked))
        finally:
            product.close()
    if whole:
        with texts_file(solo.texts_of(solo.task_of())) as path:
            for method in METHODS:
                for seed in range(TUNING + SEEDS):
                    if time.monotonic() < deadline:
                        asked = solo.workload(method, seed=seed, epochs=epochs)
                        found["hugging_face"].append(
                            row_of("hugging_face", asked, lambda asked: trained_by("hugging_face", asked, path))
                        )
    return found


def study_row(product: Product, asked: StudyDocument) -> Row:
    with watched() as beside:
        measured = product.measure(asked)
    print(
        f"study of {asked.name}: {measured.runs} runs in {measured.wall_seconds:.0f} s, of which probes"
        f" {measured.probe_seconds:.0f} s, {measured.failed} failed, {measured.precision}"
        f"   (others {beside.others_cpu:.2f} cores, load {beside.load_average:.1f})",
        flush=True,
    )
    return (
        {"methods": len(asked.methods), "quality_seconds": measured.quality_seconds} | asdict(measured) | asdict(beside)
    )


GROUPS = (2, 16)
"""Runs that train together: between these, each further run adds the same."""


def memory(deadline: float) -> dict[str, Any]:
    """The peak of a small group's process and of a large one's, for every method that shares passes."""
    found = []
    for method in METHODS[1:]:
        for runs in GROUPS:
            if time.monotonic() > deadline:
                print(f"left out: {runs} runs of {method}", flush=True)
                continue
            row = json.loads(process("group_memory", method, str(runs))[0].strip().splitlines()[-1])
            print(f"{runs:2d} runs of {method}: {row['peak_bytes'] / 2**20:.0f} MiB", flush=True)
            found.append(row)
    return {"groups": found}


BASE = {"methods": 2, "seeds": 3, "rows": 200, "base_model": "minilm"}
SCALES: dict[str, tuple[Any, ...]] = {
    "methods": (1, 2, 3, 5),
    "seeds": (1, 3, 6, 10),
    "rows": (100, 200, 400, 800),
    "base_model": ("minilm", "smollm2"),
}
"""What is varied, each around the values of BASE."""


def scaling(deadline: float) -> dict[str, Any]:
    """Wall time of small studies, one epoch each and one learning rate for each method: what more of anything costs."""
    found: list[Row] = []
    measured: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as home:
        product = Product(Path(home))
        try:
            for what, values in SCALES.items():
                for value in values:
                    size = BASE | {what: value}
                    if size["base_model"] not in assets.base_models() or time.monotonic() > deadline:
                        print(f"left out: {what} {value}", flush=True)
                        continue
                    # What all of them are varied around is one study.
                    key = json.dumps(size)
                    measured[key] = measured.get(key) or study_row(product, small(**size))
                    found.append(measured[key] | {"varied": what, "value": value})
        finally:
            product.close()
    return {"studies": found}


def small(*, methods: int, seeds: int, rows: int, base_model: str) -> StudyDocument:
    chosen = METHODS[1 : 1 + methods]
    rates = {name: solo.workload(name, base_model=base_model).rate for name in chosen}
    return document(chosen, seeds=seeds, epochs=1, train_items=rows, base_model=base_model, rates=rates)


def machine() -> dict[str, Any]:
    from importlib.metadata import version

    libraries = {name: version(name) for name in ("torch", "transformers", "peft")}
    return {"cores": os.cpu_count(), "platform": platform.machine()} | libraries


def main() -> None:
    """Measure what was asked for, and write the page of all that was measured."""
    parser = argparse.ArgumentParser(description="Training beside Hugging Face's Trainer with peft.")
    parser.add_argument("--part", choices=tuple(LIMIT_SECONDS), help="all where none is named")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of the accuracy's intervals")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of single runs")
    parser.add_argument("--whole", action="store_true", help="all 48 processes of Trainer, not eight times the median")
    parser.add_argument("--quick", action="store_true", help="one round of one epoch; the page is not written")
    asked = parser.parse_args()
    epochs = 1 if asked.quick else 3
    parts: dict[str, Callable[[float], dict[str, Any]]] = {
        "throughput": lambda deadline: throughput(
            1 if asked.quick else asked.rounds, 1 if asked.quick else asked.seeds, epochs, asked.threads, deadline
        ),
        "study": lambda deadline: study(epochs, asked.whole, deadline),
        "memory": memory,
        "scaling": scaling,
    }
    for name in [asked.part] if asked.part else parts:
        print(f"{name}: at most {LIMIT_SECONDS[name] / 60:.0f} minutes", flush=True)
        measured = parts[name](time.monotonic() + LIMIT_SECONDS[name])
        if asked.quick:
            print(json.dumps(measured, indent=1))
            continue
        known = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
        FIGURES.parent.mkdir(parents=True, exist_ok=True)
        FIGURES.write_text(json.dumps(known | {name: measured, "machine": machine()}, indent=1), encoding="utf-8")
        write_page()


if __name__ == "__main__":
    main()
