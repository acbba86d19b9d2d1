"""QLoRA: LoRA beside a base whose linear layers are held in 4 bits (NF4, with their scales quantised once more)."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.errors import NotOffered
from peft_core.four_bit import four_bit_options, has_four_bit_layers
from peft_core.method import Capabilities, Family, LearningRate, Paper
from peft_core.methods._lora import LoraMethod, lora_layers
from peft_core.methods._peft import ADAPTER, unwrap_head
from peft_core.methods._targets import Targets, targets_field
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn


class QLora(LoraMethod):
    title: ClassVar[str] = "QLoRA"
    family: ClassVar[Family] = "lora"
    summary: ClassVar[str] = "LoRA beside a base in 4 bits"
    trains: ClassVar[str] = "LoRA's matrices A and B in full precision; the base's linear layers are held in 4 bits."
    paper: ClassVar[Paper | None] = Paper(
        title="QLoRA: Efficient Finetuning of Quantized LLMs",
        authors="Dettmers et al.",
        year=2023,
        url="https://arxiv.org/abs/2305.14314",
    )
    learning_rate: ClassVar[LearningRate | None] = LearningRate(
        small=7e-4,
        encoder=4e-4,
        llm=2e-4,
        source=(
            "small: chosen on validation, MiniLM on tweets, 150 steps (benchmarks/learning_rates.py);"
            " others: the protocol's starting points"
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        merges=True, quantised_base=True, gradient_checkpointing=True, hot_switch=True
    )
    place: ClassVar[int] = 14
    fuses: ClassVar[bool] = False
    linear_bytes: ClassVar[float] = 0.5 + 1 / 64 + 4 / (64 * 256)  # 4 bits, their scale's 8, and 32 for 256 scales.

    target_modules: Targets = targets_field("all_linear")

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        super().check(shape, task_kind=task_kind, max_length=max_length)
        # A web process has no torch and cannot tell what its workers have; they ask again.
        if find_spec("torch") is not None and not has_four_bit_layers():
            raise NotOffered(
                "QLoRA needs bitsandbytes, which is not installed here. Install it with"
                " `pip install 'peft-atlas[worker]'`, or choose LoRA."
            )

    def load_options(self) -> dict[str, Any]:
        return four_bit_options()

    def attach(self, model: "nn.Module", *, task_kind: str, total_steps: int) -> "nn.Module":
        _keep_differentiable(model)
        return super().attach(model, task_kind=task_kind, total_steps=total_steps)

    def load(self, model: "nn.Module", folder: Path, *, task_kind: str) -> "nn.Module":
        _keep_differentiable(model)
        return super().load(model, folder, task_kind=task_kind)

    def merge(self, model: "nn.Module") -> "nn.Module | None":
        """The base in full precision with the updates added: brought back to 4 bits, they would be rounded away.

        peft's own merge does bring them back.
        """
        for layer in lora_layers(model).values():
            linear = _in_full_precision(layer.base_layer)
            linear.weight.data += layer.get_delta_weight(ADAPTER)
            layer.base_layer = linear
        unwrap_head(model, trained=True)
        merged: nn.Module = model.unload()  # type: ignore[operator]
        for path, module in [(path, module) for path, module in merged.named_modules() if _in_4_bits(module)]:
            parent, _, name = path.rpartition(".")
            setattr(merged.get_submodule(parent), name, _in_full_precision(module))
        return _as_never_quantised(merged)


def _keep_differentiable(model: "nn.Module") -> None:
    """On CPUs that multiply bf16 by themselves, bitsandbytes packs a layer's weights anew at its first forward pass
    outside training, and from then on no gradient passes through it. Not packed, the layer answers a little slower."""
    for module in model.modules():
        if _in_4_bits(module):
            module.support_avx512bf16_for_cpu = False  # type: ignore[assignment]  # a plain attribute of the layer


def _in_4_bits(module: "nn.Module") -> bool:
    return type(module).__name__ == "Linear4bit"


def _in_full_precision(module: Any) -> "nn.Module":
    """A 4-bit layer as the plain one with the same weights; any other module as it is."""
    import torch
    from peft.utils.integrations import dequantize_bnb_weight

    if not _in_4_bits(module):
        return module  # type: ignore[no-any-return]
    weight = dequantize_bnb_weight(module.weight, module.weight.quant_state).float()
    linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=module.bias is not None, device="meta")
    linear.weight = torch.nn.Parameter(weight)
    if module.bias is not None:
        linear.bias = torch.nn.Parameter(module.bias.detach().float())
    return linear


def _as_never_quantised(model: Any) -> "nn.Module":
    """Without the marks by which transformers would refuse to save or move the model."""
    for mark in ("is_quantized", "is_loaded_in_4bit"):
        if getattr(model, mark, False):
            setattr(model, mark, False)
    for owner, name in ((model, "hf_quantizer"), (model, "quantization_method"), (model.config, "quantization_config")):
        if hasattr(owner, name):
            delattr(owner, name)
    return model  # type: ignore[no-any-return]
