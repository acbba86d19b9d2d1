"""What a method adds to a training step of its base model: the part of the cost model that only the method knows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AddedCost:
    """Counts beside the base model's own work, summed over all layers; the cost model knows what they take.

    Numbers are *kept* from the forward pass until the backward pass has used them, or *passing*: let go at once.
    """

    flops_per_token: float = 0.0
    """Of a forward pass; a multiplication and its addition are two."""
    flops: float = 0.0
    """Of a forward pass, whatever the batch is."""
    kept_per_token: float = 0.0
    passing_per_token: float = 0.0
    dropped_per_token: float = 0.0
    """Numbers that pass a dropout, which keeps a mask of them; what comes out of it counts as kept or passing."""
    kept_per_item: float = 0.0
    kept: float = 0.0
    """Whatever the batch is: update matrices that are made for a pass."""
    inputs_kept: frozenset[str] = frozenset()
    """Paths of the base's layers whose input is kept: it is multiplied with something that trains."""
    frozen_parameters: int = 0
    """Numbers that the method holds beside the base and does not train (VeRA's random matrices)."""
    input_tokens: int = 0
    """Virtual tokens in front of the text: every layer works on them too."""
    key_value_tokens: int = 0
    """Virtual keys and values in front of every layer's own: attention reads them, no layer works on them."""
    untouched_layers: float = 0.0
    """The first layers, in which nothing trains yet: no gradient comes back to them and they keep nothing."""
    through_base: bool = True
    """False: no gradient passes through the base, which then keeps nothing for it."""
