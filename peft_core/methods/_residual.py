"""LoRA variants that begin from a part of the weight matrix: W = residual + (alpha / r) B0 A0, the residual frozen."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from peft_core.methods._lora import LoraMethod, alpha_field, lora_layers
from peft_core.methods._peft import ADAPTER
from peft_core.methods._tensors import WEIGHTS
from peft_core.methods._update import dropout_field
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import Tensor, nn

FACTORS = {"lora_A.weight": 0, "lora_B.weight": 1}
"""The ending of a factor's saved name -> the dimension along which its ranks lie."""


class ResidualLora(LoraMethod):
    """The base's targeted weights are replaced by residuals while the adapter is in place.

    They are kept in main memory, once more the size of the targeted layers, and `unload` puts them back: adding the
    first factors to a residual again would be off by rounding.

    Saved is a plain LoRA of rank 2 r for the base as it was, (alpha / r) (B A - B0 A0), which peft loads by itself (to
    rounding). `load` here takes it apart and computes the same residuals as `attach`, so that outputs are the same to
    the last bit.
    """

    rewrites_base: ClassVar[bool] = True
    fuses: ClassVar[bool] = False
    equals_base_at_start: ClassVar[bool] = False  # It does to rounding: residual and factors are added up apart.

    alpha: float = alpha_field(
        16.0, effect="Scales B A by alpha / r, at the start too, where the residual makes up for it."
    )
    dropout: float = dropout_field(0.0)

    def stored_parameters(self, shape: ModelShape) -> int:
        """2 r (d_in + d_out) for each layer: the factors and what they were at the start."""
        return 2 * self.trainable_parameters(shape)

    def attach(self, model: "nn.Module", *, task_kind: str, total_steps: int) -> "nn.Module":
        original = {path: _copy_of_weight(model.get_submodule(path)) for path in self.loaded_layers(model)}
        attached = super().attach(model, task_kind=task_kind, total_steps=total_steps)
        for path, layer in lora_layers(attached).items():
            first = tuple(matrix[ADAPTER].weight.detach().clone() for matrix in (layer.lora_A, layer.lora_B))
            _leave_residual(layer, original[path], first)
        return attached

    def save(self, model: "nn.Module", folder: Path) -> None:
        import torch
        from peft import get_peft_model_state_dict
        from safetensors.torch import save_file

        saved: dict[str, Tensor] = get_peft_model_state_dict(model)
        for path, layer in lora_layers(model).items():
            down, up = layer.first_factors
            of_layer = f"base_model.model.{path}"
            trained_down, trained_up = saved[f"{of_layer}.lora_A.weight"], saved[f"{of_layer}.lora_B.weight"]
            saved[f"{of_layer}.lora_A.weight"] = torch.cat([trained_down, down])
            saved[f"{of_layer}.lora_B.weight"] = torch.cat([trained_up, -up], dim=1)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous().cpu() for name, tensor in saved.items()}, folder / WEIGHTS)
        config = _with_rank(model.peft_config[ADAPTER], factor=2.0)  # type: ignore[index]
        config.save_pretrained(str(folder))

    def load(self, model: "nn.Module", folder: Path, *, task_kind: str) -> "nn.Module":
        from peft import PeftConfig, get_peft_model, set_peft_model_state_dict
        from safetensors.torch import load_file

        config = _with_rank(PeftConfig.from_pretrained(str(folder)), factor=0.5)
        config.init_lora_weights = False  # They are in the file.
        loaded: nn.Module = get_peft_model(model, config)
        saved = load_file(folder / WEIGHTS)
        trained, first = _split(saved, config.r)
        set_peft_model_state_dict(loaded, trained)
        for path, layer in lora_layers(loaded).items():
            weight = layer.get_base_layer().weight
            factors = tuple(first[f"base_model.model.{path}.{name}"].to(weight.device) for name in FACTORS)
            _leave_residual(layer, _copy_of_weight(layer.get_base_layer()), factors)
        return loaded.eval()

    def unload(self, model: "nn.Module") -> "nn.Module | None":
        original = {path: layer.original_weight for path, layer in lora_layers(model).items()}
        base = super().unload(model)
        assert base is not None
        for path, weight in original.items():
            base.get_submodule(path).weight.data.copy_(weight)  # type: ignore[operator]
        return base


def _copy_of_weight(linear: Any) -> "Tensor":
    copy: Tensor = linear.weight.detach().to("cpu", copy=True)
    return copy


def _leave_residual(layer: Any, original: "Tensor", first: "tuple[Tensor, ...]") -> None:
    """Replace the base layer's weight by what the first factors (A0, B0) leave of it; both are kept beside it."""
    weight = layer.get_base_layer().weight
    down, up = first
    residual = original.to(weight.device).float() - layer.scaling[ADAPTER] * up.float() @ down.float()
    weight.data = residual.to(weight.dtype)
    layer.original_weight, layer.first_factors = original, first


def _with_rank(config: Any, factor: float) -> Any:
    """The configuration of a LoRA of `factor` times the rank of `config`, at the same scale, started as usual."""
    import copy

    other = copy.copy(config)
    other.r, other.lora_alpha = int(factor * config.r), factor * config.lora_alpha
    other.init_lora_weights, other.inference_mode = True, True
    return other


def _split(saved: "dict[str, Tensor]", rank: int) -> "tuple[dict[str, Tensor], dict[str, Tensor]]":
    """A saved adapter of rank 2 r as the trained one of rank r (with the head), and the factors it began from."""
    trained, first = dict(saved), {}
    for name, tensor in saved.items():
        for ending, dim in FACTORS.items():
            if name.endswith(ending):
                trained[name], before = (part.contiguous() for part in tensor.split(rank, dim))  # type: ignore[no-untyped-call]
                first[name] = before if ending == "lora_A.weight" else -before
    return trained, first
