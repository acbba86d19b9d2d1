"""What a config.json alone says of a base model: every parameter's path and shape, and how a layer is put together.

Nothing is loaded and no library is asked. A config may come from anyone, so that every number is bounded and every
field is typed; what transformers would build from it is known for the families below, and anything else is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from peft_core.model_config.anatomy import Anatomy
from peft_core.model_config.decoders import DECODERS, decoder, gpt2, opt
from peft_core.model_config.encoder_decoders import t5
from peft_core.model_config.encoders import albert, bert, deberta, distilbert, electra, modernbert, mpnet
from peft_core.model_config.fields import Fields, InvalidConfig, shown
from peft_core.model_shape import ModelShape, read_config_file
from peft_core.special_tokens import read_special_tokens

__all__ = ["FAMILIES", "Anatomy", "InvalidConfig", "read_config", "read_config_of", "shape_from_config"]

FAMILIES: dict[str, Callable[[str, Fields], tuple[ModelShape, Anatomy]]] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert"), bert),
    "electra": electra,
    "mpnet": mpnet,
    "distilbert": distilbert,
    "deberta-v2": deberta,
    "albert": albert,
    "modernbert": modernbert,
    **dict.fromkeys(DECODERS, decoder),
    "gpt2": gpt2,
    "opt": opt,
    **dict.fromkeys(("t5", "mt5"), t5),
}
"""By model_type: the shape and anatomy of what transformers builds."""

SIXTEEN_BITS = ("bfloat16", "float16")


def read_config(config: Mapping[str, Any]) -> tuple[ModelShape, Anatomy]:
    """The shape that transformers would build from a config (AutoModel, no head) and how its layers work.

    Raises InvalidBaseModel: no or an unknown model_type, code of its own (auto_map), or InvalidConfig naming the field
    that is missing, of another type or out of bounds.
    """
    if "auto_map" in config:
        raise InvalidConfig(
            "auto_map", "The config asks to run code of its own (auto_map). Such models are not loaded."
        )
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise InvalidConfig(
            "model_type",
            f"The config's model_type is {shown(model_type)}, which is not known. Known are: {', '.join(FAMILIES)}.",
        )
    shape, anatomy = FAMILIES[model_type](model_type, Fields(config))
    written = config.get("dtype", config.get("torch_dtype"))
    return shape, replace(anatomy, file_bytes=2 if written in SIXTEEN_BITS else 4)


def read_config_of(folder: Path) -> tuple[ModelShape, Anatomy]:
    """The same from a folder's config.json, with the special tokens that the folder names; its weights are not read."""
    shape, anatomy = read_config(read_config_file(folder))
    return replace(shape, special_tokens=read_special_tokens(folder)), anatomy


def shape_from_config(config: Mapping[str, Any]) -> ModelShape:
    """Every parameter of the base model that a config describes, its heads left out; see `read_config`."""
    return read_config(config)[0]
