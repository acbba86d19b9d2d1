"""The context of CPT: training examples in front of the text, of which the questions may move and the answers not."""

from collections.abc import Sequence
from itertools import cycle

import torch
from torch import nn

from peft_core.data import Item

NOT_PREDICTED = -100


class Context(nn.Module):
    """(n, width) -> (n, width): the examples' embeddings, moved by what is trained wherever no answer stands.

    `answers`: (n) the token to be predicted at each place, NOT_PREDICTED where none is. `ages`: (n) 0 for the last
    example, 1 for the one before it. None of it is trained or saved: the moved embeddings are.
    """

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.embedded: torch.Tensor
        self.answers: torch.Tensor
        self.ages: torch.Tensor
        self.register_buffer("embedded", torch.zeros(length, width), persistent=False)
        self.register_buffer("answers", torch.full((length,), NOT_PREDICTED), persistent=False)
        self.register_buffer("ages", torch.zeros(length, dtype=torch.long), persistent=False)

    def forward(self, moved: torch.Tensor) -> torch.Tensor:
        return self.embedded + moved * (self.answers == NOT_PREDICTED)[:, None]

    def fill(self, items: Sequence[Item], table: nn.Module) -> None:
        """Put in as many of the first items, again and again if need be, as there is room for; the first is cut."""
        length, device = len(self.answers), self.answers.device
        chosen: list[Item] = []
        for item in cycle(items):
            if sum(len(known.tokens) for known in chosen) >= length:
                break
            chosen.append(item)
        places = [
            (token, token if place >= item.target.start else NOT_PREDICTED, age)
            for age, item in zip(reversed(range(len(chosen))), chosen, strict=True)
            for place, token in enumerate(item.tokens)
        ][-length:]
        tokens, self.answers, self.ages = torch.tensor(places, device=device).unbind(dim=1)
        self.embedded = table(tokens).detach().float().clone()

    def loss(self, logits: torch.Tensor, decay: float) -> torch.Tensor:
        """Mean loss over the context's answers, that of an example weighted by `decay` to the power of its age.

        `logits`: (n, vocabulary), what the base answers to the context alone.
        """
        losses = nn.functional.cross_entropy(
            logits[:-1].float(), self.answers[1:], reduction="none", ignore_index=NOT_PREDICTED
        )
        asked = (self.answers[1:] != NOT_PREDICTED).sum().clamp(min=1)
        weighted: torch.Tensor = (losses * decay ** self.ages[1:]).sum() / asked
        return weighted
