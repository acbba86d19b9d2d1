"""What the chapter's methods cost on a base model, every figure by a named formula."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Engine

from app.errors import Invalid
from app.language import tr
from app.schemas import CostsRequest, CostsView, MethodCosts, Number, NumberQuantity, PublishedModelCard, RankFigures
from app.services.base_models import find_base_model
from app.services.callers import Caller
from app.services.claim import claims
from app.services.estimates import device_speed
from app.settings import Settings
from peft_core.analysis.cost_model import layer_arithmetic as arithmetic
from peft_core.analysis.cost_model.flops import flops_per_token, forward_flops, training_flops
from peft_core.analysis.cost_model.memory import Memory, working_bytes
from peft_core.analysis.cost_model.parameters import storage_bytes, trainable_parameters
from peft_core.analysis.cost_model.seconds import Calibration
from peft_core.analysis.cost_model.setting import Setting
from peft_core.errors import InvalidBaseModel, PeftCoreError
from peft_core.method import Method, build_method
from peft_core.model_config import Anatomy, InvalidConfig, read_config, read_config_of
from peft_core.model_config.published import PUBLISHED_MODELS
from peft_core.model_shape import ModelShape
from peft_core.spec import Budget
from peft_core.task import check_length, task_kind

STEPS = 1_000
"""What a time is told for."""
STATE_BYTES = 16
"""Of each parameter under full fine-tuning with Adam: weight, gradient and two averages in float32."""
RANKS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
VOCABULARY, POSITIONS = 50_272, 131_072


def published_models() -> list[PublishedModelCard]:
    """The models whose configuration a paper prints, from the smallest."""
    return [_published_card(key, _size(read_config(model.config)[0])) for key, model in PUBLISHED_MODELS.items()]


def _published_card(key: str, parameters: int) -> PublishedModelCard:
    model = PUBLISHED_MODELS[key]
    state = by_formula(
        STATE_BYTES * parameters, "bytes", f"training_state(published {key})", exact=False, metric="peak_memory"
    )
    return PublishedModelCard(
        key=key,
        title=model.title,
        parameters=by_formula(parameters, "count", f"parameters_of(published {key})"),
        training_state=state,
        source=model.source,
        url=model.url,
    )


def costs(engine: Engine, settings: Settings, caller: Caller, request: CostsRequest) -> CostsView:
    """The chapter's methods on a base. Raises Invalid naming the field that no model can have."""
    base, anatomy, title, name = _base(settings, request)
    case = ChapterCase(base, anatomy, request, name)
    speed = device_speed(engine, caller, request.device)
    rows = [_Row(case, key, hyperparameters, speed) for key, hyperparameters in _rows(request).items()]
    return CostsView(
        title=title,
        figures=case.figures,
        methods=[row.document() for row in rows],
        ranks=[RankFigures(rank=rank, numbers=case.rank_figures(rank)) for rank in RANKS if 2 * rank <= case.width],
        formulas={key: said for key, claim in claims().items() if (said := claim.formula(case.figures)) is not None},
    )


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


def _rows(request: CostsRequest) -> dict[str, dict[str, JsonValue]]:
    rank: dict[str, JsonValue] = {"rank": request.rank, "alpha": 2.0 * request.rank}
    prefix: dict[str, JsonValue] = {"num_virtual_tokens": request.prefix_length}
    return {
        "full": {},
        "lora": rank,
        "qlora": rank,
        "adapter": {"bottleneck_size": request.bottleneck_size},
        "prefix_tuning": prefix,
        "p_tuning_v2": prefix,
    }


def _size(base: ModelShape) -> int:
    return base.parameters + base.language_head_parameters


def _base(settings: Settings, request: CostsRequest) -> tuple[ModelShape, Anatomy, str, str]:
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
        raise Invalid(f"There is no published model {key[:80]!r}. Choose one of: {known}.", field="published")
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
            "parameters": by_formula(_size(self.base), "count", f"parameters_of({self.name})"),
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


class _Row:
    """One method in the case."""

    def __init__(
        self, case: ChapterCase, key: str, hyperparameters: Mapping[str, JsonValue], speed: Calibration | None
    ) -> None:
        self._case, self._key, self._speed = case, key, speed
        self._method = build_method(key, dict(hyperparameters))
        self._setting = case.setting(self._method)

    def document(self) -> MethodCosts:
        why = self._why_not()
        told = {} if why else self._counts() | self._memory() | self._work()
        return MethodCosts(
            method=self._key,
            title=tr(self._method.title),
            label=tr(self._method.label()),
            family=self._method.family,
            numbers=told,
            missing={} if why or self._speed else {"train_seconds": _no_speed()},
            not_offered=why,
        )

    def _why_not(self) -> str | None:
        case = self._case
        try:
            task_kind(case.kind).check(case.base)
            check_length(case.base, case.request.length)
            self._method.check(case.base, task_kind=case.kind, max_length=case.request.length)
        except PeftCoreError as error:
            return str(error)
        return None

    def _counts(self) -> dict[str, Number]:
        trained, stored = trainable_parameters(self._setting), storage_bytes(self._setting)
        whole = storage_bytes(self._case.full)
        tasks = self._case.request.tasks
        # A method that stores no whole model needs the base once, whatever the number of tasks.
        base = 0 if self._method.stores_whole_model else whole
        return {
            "trainable_parameters": self._number("trainable_parameters", trained, "count", exact=True),
            "trainable_share": self._number(
                "trainable_share", trained / trainable_parameters(self._case.full), "fraction", exact=True
            ),
            "storage_bytes": self._number("storage_bytes", stored, "bytes"),
            "storage_of_tasks": self._number("storage_of_tasks", base + tasks * stored, "bytes"),
        }

    def _memory(self) -> dict[str, Number]:
        memory = Memory(self._setting)
        parts = {
            "weights": memory.weights,
            "gradients": memory.gradients,
            "optimizer": memory.optimizer,
            "activations": memory.activations.kept + memory.logits + working_bytes(self._setting),
            "peak": memory.peak,
        }
        found = {name: self._number(name, value, "bytes", metric="peak_memory") for name, value in parts.items()}
        return found | {"memory_share": self._number("memory_share", memory.peak / self._full_peak, "fraction")}

    @cached_property
    def _full_peak(self) -> float:
        return Memory(self._case.full).peak

    def _work(self) -> dict[str, Number]:
        setting = self._setting
        texts = setting.budget.batch_size * setting.task.texts(setting.labels)
        found = {
            "forward_flops": self._number(
                "forward_flops", forward_flops(setting) / (texts * setting.text_length), "count"
            ),
            "training_flops": self._number("training_flops", flops_per_token(setting), "count"),
        }
        if self._speed is not None:
            found["train_seconds"] = self._time(self._speed)
        return found

    def _time(self, speed: Calibration) -> Number:
        work = training_flops(self._setting)
        formula = (
            f"train_seconds_of(steps {STEPS}, start {speed.step_seconds!r}, flops {work!r},"
            f" speed {speed.flops_per_second!r})"
        )
        step = speed.step_seconds + work / speed.flops_per_second
        return by_formula(STEPS * step, "seconds", formula, exact=False)

    def _number(
        self, figure: str, value: float, quantity: NumberQuantity, *, exact: bool = False, metric: str = ""
    ) -> Number:
        asked = self._case.request
        case = (
            f"figure {figure}, method {self._key}, {self._case.name}, rank {asked.rank},"
            f" bottleneck {asked.bottleneck_size}, prefix {asked.prefix_length}, batch {asked.batch_size},"
            f" length {asked.length}, tasks {asked.tasks}, device {asked.device}"
        )
        return by_formula(value, quantity, f"chapter_cost({case})", exact=exact, metric=metric)


def _no_speed() -> str:
    return tr("No speed of such a device has been measured here. The first cost probe that ends well measures it.")
