"""Sequence classification: one label of a fixed set for each text."""

from typing import TYPE_CHECKING, ClassVar

from peft_core.task import Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from peft_core.data import Item
    from peft_core.spec import TaskSpec


class Classification(Task):
    title: ClassVar[str] = "Sequence classification"
    headline: ClassVar[str] = "accuracy"
    score_meaning: ClassVar[str] = "Share of test items whose label is predicted."

    @staticmethod
    def load_model(spec: "TaskSpec", folder: str) -> "nn.Module":
        import torch
        from transformers import AutoModelForSequenceClassification

        # Eager attention beats sdpa at the short lengths of classification on a CPU (273 against 223 samples/s).
        model: nn.Module = AutoModelForSequenceClassification.from_pretrained(
            folder,
            num_labels=len(spec.labels),
            id2label=dict(enumerate(spec.labels)),
            label2id={label: i for i, label in enumerate(spec.labels)},
            attn_implementation="eager",
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
        )
        return model

    @staticmethod
    def collate(items: "list[Item]", pad_token_id: int) -> "dict[str, Tensor]":
        import torch

        longest = max(len(item.tokens) for item in items)
        tokens = torch.full((len(items), longest), pad_token_id)
        mask = torch.zeros((len(items), longest), dtype=torch.long)
        for row, item in enumerate(items):
            tokens[row, : len(item.tokens)] = torch.tensor(item.tokens)
            mask[row, : len(item.tokens)] = 1
        return {"input_ids": tokens, "attention_mask": mask, "labels": torch.tensor([item.label for item in items])}

    @staticmethod
    def loss(model: "nn.Module", batch: "dict[str, Tensor]") -> "Tensor":
        import torch

        # The head's logits in float32: a bf16 softmax loses the small differences that the last steps train on.
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits.float()
        return torch.nn.functional.cross_entropy(logits, batch["labels"])

    @staticmethod
    def predict(model: "nn.Module", batch: "dict[str, Tensor]") -> list[int]:
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        predicted: list[int] = logits.float().argmax(dim=-1).tolist()
        return predicted

    @staticmethod
    def untuned_prediction(train: "list[Item]") -> int:
        labels = sorted(item.label for item in train)
        return max(labels, key=labels.count)
