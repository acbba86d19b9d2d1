"""What the methods share that train virtual tokens in front of the embedded text.

Ours, because peft hands the base embeddings in place of tokens: a decoder's classifier then cannot see where a text
ends and answers from its padding, an encoder's answers from the first virtual token and not from [CLS], and multiple
choice reads no prompt at all. Here the base itself puts the prompt in and takes its positions off again, so that every
head and output layer sees the text alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.added_cost import AddedCost
from peft_core.errors import InvalidHyperparameter
from peft_core.graft import Graft
from peft_core.head import head_parameters, is_head
from peft_core.method import Capabilities, Family, Method
from peft_core.methods._embedding import embedding_width
from peft_core.methods._tensors import freeze_all_but, load_trained, save_tensors, trained_tensors
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn

    from peft_core.methods._virtual_tokens import VirtualTokens


class InputPromptMethod(Method):
    """Hyper-parameter `num_virtual_tokens` is declared by the methods, with their own recommendations."""

    family: ClassVar[Family] = "soft_prompt"
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=False, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    equals_base_at_start: ClassVar[bool] = False
    fuses: ClassVar[bool] = True
    first_rung: ClassVar[float] = 0.5

    num_virtual_tokens: int

    def virtual_tokens(self, model: Any) -> "VirtualTokens":
        """Fresh virtual tokens for a loaded base model."""
        raise NotImplementedError

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        check_positions(self.num_virtual_tokens, shape, max_length)

    def stored_parameters(self, shape: ModelShape) -> int:
        """n d: the virtual tokens, as wide as the base's token embeddings."""
        return self.num_virtual_tokens * embedding_width(shape)

    def added_cost(self, shape: ModelShape) -> AddedCost:
        """Every layer works on the virtual tokens too; they themselves are multiplied with nothing."""
        return AddedCost(input_tokens=self.num_virtual_tokens)

    def attach(self, model: "nn.Module", *, task_kind: str, total_steps: int) -> "nn.Module":
        return self._insert(model, self.virtual_tokens(model))

    def _insert(self, model: "nn.Module", tokens: "VirtualTokens") -> "nn.Module":
        tokens.to(model.device).stand_before(model.base_model)  # type: ignore[arg-type]
        freeze_all_but(model, [*tokens.parameters(), *head_parameters(model)])
        return model

    def fuse(self, models: "Sequence[nn.Module]") -> Graft:
        import torch

        tokens: list[VirtualTokens] = [model.base_model.virtual_tokens for model in models]  # type: ignore[union-attr, misc]
        return Graft(
            prompt_length=self.num_virtual_tokens,
            prompts=lambda: torch.stack([of_run.prompt for of_run in tokens]),
        )

    def save(self, model: "nn.Module", folder: Path) -> None:
        """The vectors that the base reads: an encoder that makes them has done its work."""
        base: Any = model.base_model
        head = {path: tensor for path, tensor in trained_tensors(model).items() if is_head(path)}
        rows = f"{model.base_model_prefix}.virtual_tokens.rows"
        # A method's key is the name of its file.
        key = type(self).__module__.rpartition(".")[2]
        save_tensors(self, key, head | {rows: base.virtual_tokens.prompt}, folder)

    def load(self, model: "nn.Module", folder: Path, *, task_kind: str) -> "nn.Module":
        import torch

        from peft_core.methods._virtual_tokens import VirtualTokens

        width = model.get_input_embeddings().embedding_dim  # type: ignore[operator]
        return load_trained(self._insert(model, VirtualTokens(torch.zeros(self.num_virtual_tokens, width))), folder)

    def unload(self, model: "nn.Module") -> "nn.Module | None":
        from peft_core.methods._virtual_tokens import take_away

        take_away(model.base_model)
        return model

    def merge(self, model: "nn.Module") -> "nn.Module | None":
        """Virtual tokens lengthen the text; no weight of the base can hold them."""
        return None


def check_positions(num_virtual_tokens: int, shape: ModelShape, max_length: int) -> None:
    """Raises InvalidHyperparameter where virtual tokens and the longest text need more positions than the base has."""
    room = max(0, shape.max_positions - max_length)
    if num_virtual_tokens > room:
        raise InvalidHyperparameter(
            "num_virtual_tokens",
            f"num_virtual_tokens is {num_virtual_tokens}: at most {room}, for the base model has"
            f" {shape.max_positions} positions and items take up to {max_length} of them.",
        )
