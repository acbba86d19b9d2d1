"""Timing how fast a language model writes: one prompt of the test split at a time, decoded greedily as answers are."""

import time
from typing import TYPE_CHECKING

from peft_core.data import Item
from peft_core.device import synchronize
from peft_core.latency import repeated
from peft_core.tasks.generation import answering
from peft_core.training import autocast

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress

FURTHER_TOKENS = 16
"""What is written after the first token, where the budget's length leaves room for as many."""


def first_token_seconds(run: "RunInProgress") -> list[float]:
    """Seconds from a prompt to its first token, of each timed call of the deployed model."""
    items = run.test_items
    with answering(run.deployed_model):
        return repeated(lambda call: _seconds(run, items[call % len(items)], 1))


def further_token_seconds(run: "RunInProgress") -> list[float]:
    """Seconds of each further token: those of a whole text less those of its first token, shared out; of each timed
    call. Empty where no prompt leaves room for a second token."""
    items = [item for item in run.test_items if item.target.room > 1]

    def seconds_of(call: int) -> float:
        item = items[call % len(items)]
        further = min(FURTHER_TOKENS, int(item.target.room) - 1)
        return (_seconds(run, item, 1 + further) - _seconds(run, item, 1)) / further

    with answering(run.deployed_model):
        return repeated(seconds_of) if items else []


def _seconds(run: "RunInProgress", item: Item, tokens: int) -> float:
    """Seconds to write exactly so many tokens: nothing ends a text sooner."""
    import torch
    from transformers import GenerationConfig

    loop, model = run.loop, run.deployed_model
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False, num_beams=1, max_new_tokens=tokens, pad_token_id=loop.pad_token_id
    )
    prompt = torch.tensor([item.tokens[: item.target.start]], device=loop.device)
    started = time.perf_counter()
    with autocast(loop.device, loop.precision):
        model.generate(  # type: ignore[operator]
            input_ids=prompt, attention_mask=torch.ones_like(prompt), generation_config=config
        )
    synchronize(loop.device)
    return time.perf_counter() - started
