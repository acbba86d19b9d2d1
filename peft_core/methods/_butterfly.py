"""What peft's BOFT compiles a CUDA extension for, in plain torch: the same on every device and without a compiler."""

import torch


class BlockDiagonal:
    """Blocks on the diagonal of larger matrices, and the gradient back; in the form that peft calls its extension."""

    @staticmethod
    def forward(blocks: torch.Tensor) -> list[torch.Tensor]:
        """(factors, count, b, b) -> (factors, count b, count b)."""
        factors, count, size, _ = blocks.shape
        matrices = blocks.new_zeros(factors, count, size, count, size)
        place = torch.arange(count, device=blocks.device)
        matrices[:, place, :, place] = blocks.transpose(0, 1)
        return [matrices.view(factors, count * size, count * size)]

    @staticmethod
    def backward(gradient: torch.Tensor, blocks: torch.Tensor) -> list[torch.Tensor]:
        """(factors, count b, count b) -> (factors, count, b, b)."""
        factors, count, size, _ = blocks.shape
        place = torch.arange(count, device=gradient.device)
        return [gradient.view(factors, count, size, count, size)[:, place, :, place].transpose(0, 1).contiguous()]


def use_plain_torch() -> None:
    """Give peft this instead of its extension, which it would compile, or else allow one factor only."""
    from peft.tuners.boft import layer

    layer._FBD_CUDA = BlockDiagonal()  # type: ignore[assignment]  # None until its extension is compiled
