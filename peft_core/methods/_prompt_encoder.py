"""The networks that make P-Tuning's virtual tokens while it trains."""

from itertools import pairwise

import torch
from torch import nn


class LstmEncoder(nn.Module):
    """A bidirectional LSTM over the virtual tokens, then Linear, ReLU, Linear: (n, width) -> (n, width)."""

    def __init__(self, width: int, hidden_size: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, hidden_size, layers, bidirectional=True)
        self.mlp = nn.Sequential(
            nn.Linear(2 * hidden_size, 2 * hidden_size), nn.ReLU(), nn.Linear(2 * hidden_size, width)
        )

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.mlp(self.lstm(rows)[0])
        return made


def mlp_encoder(width: int, hidden_size: int, layers: int) -> nn.Module:
    """`layers` times Linear and ReLU, then Linear, for each virtual token by itself: (n, width) -> (n, width)."""
    widths = [width] + [hidden_size] * layers
    hidden = [module for before, after in pairwise(widths) for module in (nn.Linear(before, after), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(hidden_size, width))


ENCODERS = {"lstm": LstmEncoder, "mlp": mlp_encoder}
