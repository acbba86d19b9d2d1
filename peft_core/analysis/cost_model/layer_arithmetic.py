"""The arithmetic of one adapted layer, by hand: d the width, r a rank, b a bottleneck, n a prefix, L the layers.

A matrix of d x d takes 2 d^2 floating-point operations for each token: a multiplication and its addition are two.
"""

FULL_PASSES, FROZEN_PASSES = 6, 4
"""Operations of a training step for each parameter and token: forward 2, the gradient of what a layer reads 2, and the
gradient of its weight 2, which a frozen one does without."""


def matrix_parameters(width: int) -> int:
    """d^2."""
    return width**2


def lora_parameters(width: int, rank: int) -> int:
    """2 d r, of the two thin matrices beside one of d x d."""
    return 2 * width * rank


def lora_reduction(width: int, rank: int) -> float:
    """d^2 / 2 d r: how many times fewer numbers LoRA trains than the matrix has."""
    return matrix_parameters(width) / lora_parameters(width, rank)


def lora_added_share(width: int, rank: int) -> float:
    """2 d r / d^2: what an unmerged LoRA adds to the forward pass of the matrix, as a share of it."""
    return lora_parameters(width, rank) / matrix_parameters(width)


def lora_fastest() -> float:
    """6 P / 4 P: how many times faster than full fine-tuning a step can be where all but nothing trains."""
    return FULL_PASSES / FROZEN_PASSES


def adapter_parameters(width: int, bottleneck: int) -> int:
    """2 d b + b + d: both projections with their biases."""
    return 2 * width * bottleneck + bottleneck + width


def adapter_flops(width: int, bottleneck: int) -> int:
    """4 d b for each token: down and up again."""
    return 4 * width * bottleneck


def prefix_parameters(layers: int, length: int, key_value_width: int) -> int:
    """2 L n d_kv: a key and a value for each virtual token and layer."""
    return 2 * layers * length * key_value_width


def prefix_flops(layers: int, length: int, width: int) -> int:
    """4 L n d for each token: its queries meet n more keys, its weights n more values."""
    return 4 * layers * length * width
