"""Hugging Face's Trainer with peft: dynamic padding, batches grouped by length, one process for each run.

    python benchmarks/contenders/hugging_face.py WORKLOAD TEXTS

Started by benchmarks/training.py; prints one line.
"""

import sys
import tempfile
import time
from typing import Any

import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.utils import logging

from contenders.peft_model import adamw, attach
from contenders.workload import CLIP_NORM, EVALUATION_BATCH, Measured, Texts, Workload, read_workload, tell
from peft_core.device import peak_bytes, reset_peak, resident_bytes

CPU = torch.device("cpu")


class Clock(TrainerCallback):
    """Asks for the evaluations, and takes the time of training without them."""

    def __init__(self, evaluate_after: tuple[int, ...]) -> None:
        self.evaluate_after = evaluate_after
        self.started = self.training = self.evaluating = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.started = time.perf_counter()

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_evaluate = state.global_step in self.evaluate_after

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.training = time.perf_counter() - self.started - self.evaluating


class TimedTrainer(Trainer):
    """Trainer whose evaluations are not counted as training."""

    clock: Clock

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        started = time.perf_counter()
        found: dict[str, float] = super().evaluate(*args, **kwargs)
        self.clock.evaluating += time.perf_counter() - started
        return found


def accuracy(prediction: Any) -> dict[str, float]:
    """Against the labels that come with the predictions: grouping by length reorders what is predicted too."""
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


def settings(workload: Workload, folder: str) -> TrainingArguments:
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=workload.epochs,
        per_device_train_batch_size=workload.batch_size,
        per_device_eval_batch_size=EVALUATION_BATCH,
        train_sampling_strategy="group_by_length",
        warmup_steps=workload.warm_up,
        lr_scheduler_type="linear",
        max_grad_norm=CLIP_NORM,
        weight_decay=0.0,
        bf16=True,
        use_cpu=True,
        seed=workload.seed,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        logging_strategy="no",
        dataloader_pin_memory=False,
    )


def train(workload: Workload, texts: Texts, folder: str) -> Measured:
    tokenizer = AutoTokenizer.from_pretrained(workload.folder)
    data = {
        name: [
            {**tokenizer(text, truncation=True, max_length=workload.max_length), "labels": label}
            for text, label in split
        ]
        for name, split in texts.items()
    }
    reset_peak(CPU)
    before = resident_bytes() or 0
    set_seed(workload.seed)
    labels = 1 + max(label for _, label in texts["train"])
    base = AutoModelForSequenceClassification.from_pretrained(workload.folder, num_labels=labels, dtype=torch.float32)
    model = attach(base, workload.method)
    clock = Clock(workload.evaluate_after)
    trainer = TimedTrainer(
        model=model,
        args=settings(workload, folder),
        data_collator=DataCollatorWithPadding(tokenizer),
        train_dataset=data["train"],
        eval_dataset=data["validation"],
        processing_class=tokenizer,
        compute_metrics=accuracy,
        callbacks=[clock],
        optimizers=(adamw(model, workload.rate, workload.head_rate), None),
    )
    trainer.clock = clock
    trainer.train()
    peak = (peak_bytes(CPU) or 0) - before
    trainer.save_model(folder)
    scores = [entry["eval_accuracy"] for entry in trainer.state.log_history if "eval_accuracy" in entry]
    return Measured(
        training_seconds=clock.training,
        peak_bytes=peak,
        validation=scores[-1],
        test=trainer.predict(data["test"]).metrics["test_accuracy"],
    )


if __name__ == "__main__":
    logging.set_verbosity_error()
    asked, given = read_workload(sys.argv[1:])
    torch.set_num_threads(asked.threads)
    with tempfile.TemporaryDirectory() as output:
        tell(train(asked, given, output))
