"""Holding the linear layers of a base model in 4 bits: NF4, with their scales quantised once more (QLoRA, 2023)."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from peft_core.head import HEAD_NAMES

if TYPE_CHECKING:
    from torch import dtype

OUTPUT_LAYERS = ("lm_head", "embed_out")
"""Of language models: kept whole, as the task head is."""


def has_four_bit_layers() -> bool:
    """Whether this machine has the library of the 4-bit layers."""
    return find_spec("bitsandbytes") is not None


def four_bit_options() -> dict[str, Any]:
    """What `from_pretrained` loads such a base with."""
    from transformers import BitsAndBytesConfig

    return {
        "quantization_config": BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=_compute_dtype(),
            llm_int8_skip_modules=sorted({*HEAD_NAMES, *OUTPUT_LAYERS}),
        )
    }


def _compute_dtype() -> "dtype":
    """What 4-bit weights are multiplied in: bf16 where the accelerator has it, as in the paper; a CPU gains nothing."""
    import torch

    return torch.bfloat16 if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else torch.float32
