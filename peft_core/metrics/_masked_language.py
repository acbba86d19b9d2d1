"""Asking an encoder what it was pretrained for: words of neutral sentences that are masked.

The head that answers is the base folder's own and stays as it is; two models differ in what their encoders hand to it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from peft_core.neutral_text import SENTENCES
from peft_core.tasks._loading import load_options
from peft_core.training import autocast

if TYPE_CHECKING:
    from torch import Tensor, nn

    from peft_core.run_state import RunInProgress

SENTENCES_PER_BATCH = 8
MASKED_AT_ONCE = 7
"""One token in seven is masked at a time, about as in pretraining (15 %), and each token once."""


def masked_language_head(run: "RunInProgress") -> "nn.Module | None":
    """The base folder's encoder with its masked-language head, None where the folder holds no such head."""
    from transformers import AutoModelForMaskedLM

    try:
        loaded: Any = AutoModelForMaskedLM.from_pretrained(
            str(run.spec.base_model), output_loading_info=True, trust_remote_code=False, **load_options()
        )
    except ValueError:  # An architecture that has none.
        return None
    model, info = loaded
    head: nn.Module = model.to(run.loop.device).eval()
    return None if info["missing_keys"] else head


def masked_token_loss(model: "nn.Module", head: "nn.Module", run: "RunInProgress") -> float:
    """Nats per masked token of the neutral sentences, total over total, where `head` reads `model`'s encoder."""
    import torch

    nats, tokens = 0.0, 0
    model.eval()
    for ids, mask, asked, masked in _batches(run):
        with torch.no_grad(), autocast(run.loop.device, run.loop.precision):
            logits = _read(head, masked, mask, _encoded(model, masked, mask, run))
        nats += float(torch.nn.functional.cross_entropy(logits[asked].float(), ids[asked], reduction="sum"))
        tokens += int(asked.sum())
    return nats / tokens


def _batches(run: "RunInProgress") -> "Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]":
    """Token ids, attention mask, which tokens are asked, and the ids with those masked; each (sentences, longest)."""
    import torch
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(run.spec.base_model), local_files_only=True, trust_remote_code=False)
    for start in range(0, len(SENTENCES), SENTENCES_PER_BATCH):
        encoded = tokenizer(
            list(SENTENCES[start : start + SENTENCES_PER_BATCH]),
            truncation=True,
            max_length=run.spec.budget.max_length,
            padding=True,
            return_special_tokens_mask=True,
            return_tensors="pt",
        ).to(run.loop.device)
        ids, words = encoded["input_ids"], encoded["special_tokens_mask"] == 0
        places = torch.arange(ids.shape[1], device=ids.device)
        for turn in range(MASKED_AT_ONCE):
            asked = words & (places % MASKED_AT_ONCE == turn)
            yield ids, encoded["attention_mask"], asked, ids.masked_fill(asked, tokenizer.mask_token_id)


def _encoded(model: "nn.Module", ids: "Tensor", mask: "Tensor", run: "RunInProgress") -> "Tensor":
    """What the encoder of a task's model makes of a batch: (sentences, longest, width)."""
    if run.probe_batch["input_ids"].dim() == 3:  # The task asks several texts for each item: here it is one.
        ids, mask = ids.unsqueeze(1), mask.unsqueeze(1)
    answered = model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    found: Tensor = answered.hidden_states[-1][:, -ids.shape[-1] :]  # Virtual tokens stand in front.
    return found


def _read(head: "nn.Module", ids: "Tensor", mask: "Tensor", encoded: "Tensor") -> "Tensor":
    """The head's logits (sentences, longest, vocabulary) when its own encoder's output is replaced by `encoded`."""

    def replace(_encoder: "nn.Module", _inputs: Any, output: Any) -> Any:
        output.last_hidden_state = encoded
        return output

    hook = head.base_model.register_forward_hook(replace)  # type: ignore[union-attr]
    try:
        logits: Tensor = head(input_ids=ids, attention_mask=mask).logits
    finally:
        hook.remove()
    return logits
