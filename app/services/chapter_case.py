"""The base model and the settings that the guide's costs are about, and what mathematics alone says of one layer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from pydantic import JsonValue

from app.errors import Invalid
from app.language import tr
from app.schemas import CostsRequest, Number, NumberQuantity
from app.services.base_models import find_base_model
from app.settings import Settings
from peft_core.analysis.cost_model import layer_arithmetic as arithmetic
from peft_core.analysis.cost_model.setting import Setting
from peft_core.errors import InvalidBaseModel
from peft_core.method import Method, build_method
from peft_core.model_config import Anatomy, InvalidConfig, read_config, read_config_of
from peft_core.model_config.published import PUBLISHED_MODELS
from peft_core.model_shape import ModelShape
from peft_core.spec import Budget

STEPS = 1_000
"""What a time is told for."""
VOCABULARY, POSITIONS = 50_272, 131_072


def by_formula(value: float, quantity: NumberQuantity, formula: str, *, exact: bool = True, metric: str = "") -> Number:
    """A number that a formula gives; `exact` False: it stands for something that could be measured."""
    return Number(
        value=value,
        quantity=quantity,
        statistic="formula",
        source="measured" if exact else "estimated",
        formula=formula,
        metric=metric or None,
    )


def size_of(base: ModelShape) -> int:
    """Every parameter, an output layer of its own included."""
    return base.parameters + base.language_head_parameters


def read_base(settings: Settings, request: CostsRequest) -> tuple[ModelShape, Anatomy, str, str]:
    """Shape and anatomy, a title for a person, and a name for formulas."""
    if request.base_model is not None:
        return _registered(settings, request.base_model)
    if request.published is not None:
        return _published(request.published)
    if request.sizes is not None:
        width, layers = request.sizes.width, request.sizes.layers
        title = tr("a decoder of {layers} layers, {width} wide", layers=layers, width=width)
        return *read_config(_decoder(width, layers)), title, f"width {width}, layers {layers}"
    config = request.config or {}
    try:
        return *read_config(config), tr("the configuration given"), f"config {_fingerprint(config)}"
    except InvalidConfig as error:
        raise Invalid(str(error), field=f"model_config.{error.field}") from None


def _fingerprint(config: Mapping[str, JsonValue]) -> str:
    """A name by which a formula says which configuration it was."""
    return sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]


def _registered(settings: Settings, name: str) -> tuple[ModelShape, Anatomy, str, str]:
    try:
        return *read_config_of(find_base_model(settings, name).folder), name, f"base_model {name}"
    except InvalidBaseModel as error:
        raise Invalid(str(error), field="base_model") from None


def _published(key: str) -> tuple[ModelShape, Anatomy, str, str]:
    if key not in PUBLISHED_MODELS:
        known = ", ".join(PUBLISHED_MODELS)
        refusal = tr("There is no published model “{name}”. Choose one of: {known}.", name=key[:80], known=known)
        raise Invalid(refusal, field="published")
    model = PUBLISHED_MODELS[key]
    return *read_config(model.config), model.title, f"published {key}"


def _decoder(width: int, layers: int) -> dict[str, Any]:
    """OPT's layers in any size: the plainest decoder whose queries, keys and values are layers of their own."""
    return {
        "model_type": "opt",
        "hidden_size": width,
        "word_embed_proj_dim": width,
        "ffn_dim": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": POSITIONS,
    }


@dataclass(frozen=True)
class ChapterCase:
    """The base and the settings that a person has chosen, and what mathematics alone says of one layer."""

    base: ModelShape
    anatomy: Anatomy
    request: CostsRequest
    name: str

    @property
    def width(self) -> int:
        return self.base.hidden_size

    @property
    def layers(self) -> int:
        return self.base.layers

    @property
    def kind(self) -> str:
        return "causal_lm" if self.base.causal else "classification"

    @cached_property
    def full(self) -> Setting:
        return self.setting(build_method("full", {}))

    def setting(self, method: Method) -> Setting:
        """A step of a method in this case, in mixed precision."""
        budget = Budget(steps=STEPS, batch_size=self.request.batch_size, max_length=self.request.length)
        return Setting(
            base=self.base,
            anatomy=self.anatomy,
            method=method,
            task_kind=self.kind,
            labels=2,
            budget=budget,
            precision="bf16",
            device=self.request.device,
        )

    @cached_property
    def figures(self) -> dict[str, Number]:
        """Of the base, and of one layer by hand. Claims read them by name."""
        d, layers, asked = self.width, self.layers, self.request
        r, b, n = asked.rank, asked.bottleneck_size, asked.prefix_length
        of_rank, of_prefix = f"(width {d}, rank {r})", f"(layers {layers}, length {n}, width {d})"
        keys = self.base.key_value_width
        return {
            "parameters": by_formula(size_of(self.base), "count", f"parameters_of({self.name})"),
            "width": by_formula(d, "count", f"width_of({self.name})"),
            "layers": by_formula(layers, "count", f"layers_of({self.name})"),
            "rank": by_formula(r, "count", f"chosen(value {r})"),
            "bottleneck": by_formula(b, "count", f"chosen(value {b})"),
            "prefix_length": by_formula(n, "count", f"chosen(value {n})"),
            "length": by_formula(asked.length, "count", f"chosen(value {asked.length})"),
            "steps": by_formula(STEPS, "count", f"chosen(value {STEPS})"),
            "tasks": by_formula(asked.tasks, "count", f"chosen(value {asked.tasks})"),
            "matrix": by_formula(arithmetic.matrix_parameters(d), "count", f"matrix_parameters(width {d})"),
            "lora": by_formula(arithmetic.lora_parameters(d, r), "count", f"lora_parameters{of_rank}"),
            "lora_reduction": by_formula(arithmetic.lora_reduction(d, r), "ratio", f"lora_reduction{of_rank}"),
            "lora_added": by_formula(arithmetic.lora_added_share(d, r), "fraction", f"lora_added_share{of_rank}"),
            "lora_fastest": by_formula(arithmetic.lora_fastest(), "ratio", "lora_fastest()"),
            "adapter": by_formula(
                arithmetic.adapter_parameters(d, b), "count", f"adapter_parameters(width {d}, bottleneck {b})"
            ),
            "adapter_flops": by_formula(
                arithmetic.adapter_flops(d, b), "count", f"adapter_flops(width {d}, bottleneck {b})"
            ),
            "adapter_usual": by_formula(d // 8, "count", f"eighth(width {d})"),
            "prefix": by_formula(
                arithmetic.prefix_parameters(layers, n, keys),
                "count",
                f"prefix_parameters(layers {layers}, length {n}, key_value_width {keys})",
            ),
            "prefix_flops": by_formula(arithmetic.prefix_flops(layers, n, d), "count", f"prefix_flops{of_prefix}"),
        }

    def rank_figures(self, rank: int) -> dict[str, Number]:
        """LoRA of one rank beside one matrix."""
        d, case = self.width, f"(width {self.width}, rank {rank})"
        return {
            "parameters": by_formula(arithmetic.lora_parameters(d, rank), "count", f"lora_parameters{case}"),
            "share": by_formula(arithmetic.lora_added_share(d, rank), "fraction", f"lora_added_share{case}"),
            "reduction": by_formula(arithmetic.lora_reduction(d, rank), "ratio", f"lora_reduction{case}"),
        }
