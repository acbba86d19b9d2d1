"""Forgetting: how much worse a model predicts neutral text, as it was pretrained to, after it was adapted."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from peft_core.metric import LinearAnchors, Metric
from peft_core.metrics._masked_language import masked_language_head, masked_token_loss
from peft_core.neutral_text import SENTENCES
from peft_core.spec import Measurement

if TYPE_CHECKING:
    from torch import nn

    from peft_core.run_state import RunInProgress

SENTENCES_PER_BATCH = 8


class Forgetting(Metric):
    key = "forgetting"
    title = "Forgetting"
    quantity = "nats"
    unit = "nats"
    better = "lower"
    meaning = "What the base model could do before and no longer does: the rise of its loss on text of no task."
    how = (
        "Mean loss per token on neutral sentences of our own, adapted model minus base model. A language model predicts"
        " each next token; an encoder each token once, masked, through the masked-language head of its base folder."
    )
    purposes = frozenset({"report"})
    position = 8
    anchors = LinearAnchors(worst=0.25, best=0)
    in_heatmap = False

    def measure(self, run: "RunInProgress") -> Measurement:
        if run.loop.task.language_model:
            return self._rise(run, lambda model: mean_token_loss(model, run))
        head = masked_language_head(run)
        if head is None:
            return self.missing("the base model's folder holds no masked-language head to ask")
        return self._rise(run, lambda model: masked_token_loss(model, head, run))

    def _rise(self, run: "RunInProgress", loss: "Callable[[nn.Module], float]") -> Measurement:
        before, after = loss(run.fresh_base()), loss(run.model)
        detail = {"base_loss": before, "adapted_loss": after, "sentences": len(SENTENCES)}
        return Measurement(metric=self.key, value=after - before, detail=dict(detail))


def mean_token_loss(model: "nn.Module", run: "RunInProgress") -> float:
    """Nats per predicted token of the neutral sentences, total over total."""
    import torch
    from transformers import AutoTokenizer

    from peft_core.training import autocast

    tokenizer = AutoTokenizer.from_pretrained(str(run.spec.base_model), local_files_only=True, trust_remote_code=False)
    nats, tokens = 0.0, 0
    model.eval()
    for sentences in _chunks():
        encoded = [tokenizer(sentence)["input_ids"][: run.spec.budget.max_length] for sentence in sentences]
        width = max(len(ids) for ids in encoded)
        ids = torch.full((len(encoded), width), run.loop.pad_token_id)
        mask = torch.zeros_like(ids)
        for row, found in enumerate(encoded):
            ids[row, : len(found)] = torch.tensor(found)
            mask[row, : len(found)] = 1
        ids, mask = ids.to(run.loop.device), mask.to(run.loop.device)
        with torch.no_grad(), autocast(run.loop.device, run.loop.precision):
            # A method's virtual tokens stand in front of the text's own positions.
            logits = model(input_ids=ids, attention_mask=mask).logits[:, -width:]
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].float().transpose(1, 2), ids[:, 1:], reduction="none")
        nats += float((loss * mask[:, 1:]).sum())
        tokens += int(mask[:, 1:].sum())
    return nats / tokens


def _chunks() -> Iterator[tuple[str, ...]]:
    for start in range(0, len(SENTENCES), SENTENCES_PER_BATCH):
        yield SENTENCES[start : start + SENTENCES_PER_BATCH]
