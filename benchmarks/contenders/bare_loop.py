"""A bare training loop with peft's models and our batches: what is left when Trainer is taken away.

    python benchmarks/contenders/bare_loop.py WORKLOAD TEXTS

Started by benchmarks/training.py; prints one line.
"""

import sys
import tempfile
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

from contenders.peft_model import adamw, attach
from contenders.workload import CLIP_NORM, EVALUATION_BATCH, Measured, Texts, Workload, read_workload, tell
from peft_core.data import Item, evaluation_batches, training_batches
from peft_core.device import peak_bytes, reset_peak, resident_bytes
from peft_core.spec import Budget
from peft_core.tasks.classification import Classification

CPU = torch.device("cpu")
Logits = Callable[[list[Item]], torch.Tensor]


def accuracy(logits: Logits, model: nn.Module, items: list[Item]) -> float:
    model.eval()
    with torch.no_grad():
        right = sum(
            int((logits(batch).argmax(-1) == torch.tensor([item.target for item in batch])).sum())
            for batch in evaluation_batches(items, EVALUATION_BATCH)
        )
    model.train()
    return right / len(items)


def train(workload: Workload, texts: Texts) -> Measured:
    tokenizer = AutoTokenizer.from_pretrained(workload.folder)
    data = {
        name: [
            Item(index, tuple(tokenizer(text, truncation=True, max_length=workload.max_length)["input_ids"]), label)
            for index, (text, label) in enumerate(split)
        ]
        for name, split in texts.items()
    }
    reset_peak(CPU)
    before = resident_bytes() or 0
    torch.manual_seed(workload.seed)
    labels = 1 + max(label for _, label in texts["train"])
    base = AutoModelForSequenceClassification.from_pretrained(
        workload.folder, num_labels=labels, dtype=torch.float32, attn_implementation="eager"
    )
    model = attach(base, workload.method)

    def logits(items: list[Item]) -> torch.Tensor:
        batch = Classification.collate(items, tokenizer.pad_token_id)
        with torch.autocast("cpu", torch.bfloat16):
            return model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits.float()

    optimizer = adamw(model, workload.rate, workload.head_rate)
    warm_up, total = workload.warm_up, workload.steps
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda done: min((done + 1) / warm_up, max(0.0, (total - done) / max(1, total - warm_up)))
    )
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    seconds, validation = 0.0, 0.0
    model.train()
    for step, items in enumerate(
        training_batches(data["train"], Budget(epochs=workload.epochs), workload.seed), start=1
    ):
        started = time.perf_counter()
        loss = functional.cross_entropy(logits(items), torch.tensor([item.target for item in items]))
        loss.backward()
        nn.utils.clip_grad_norm_(trained, CLIP_NORM)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        seconds += time.perf_counter() - started
        if step in workload.evaluate_after:
            validation = accuracy(logits, model, data["validation"])
    peak = (peak_bytes(CPU) or 0) - before
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
    return Measured(
        training_seconds=seconds,
        peak_bytes=peak,
        validation=validation,
        test=accuracy(logits, model, data["test"]),
    )


if __name__ == "__main__":
    logging.set_verbosity_error()
    asked, given = read_workload(sys.argv[1:])
    torch.set_num_threads(asked.threads)
    tell(train(asked, given))
