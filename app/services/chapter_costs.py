"""What the chapter's methods cost on a base model, every figure by a named formula."""

from collections.abc import Mapping
from functools import cached_property

from pydantic import JsonValue
from sqlalchemy import Engine

from app.language import tr
from app.schemas import CostsRequest, CostsView, MethodCosts, Number, NumberQuantity, PublishedModelCard, RankFigures
from app.services.callers import Caller
from app.services.chapter_case import STEPS, ChapterCase, by_formula, read_base, size_of
from app.services.claim import claims
from app.services.estimates import device_speed
from app.settings import Settings
from peft_core.analysis.cost_model.flops import flops_per_token, forward_flops, training_flops
from peft_core.analysis.cost_model.memory import Memory, working_bytes
from peft_core.analysis.cost_model.parameters import storage_bytes, trainable_parameters
from peft_core.analysis.cost_model.seconds import Calibration
from peft_core.errors import PeftCoreError
from peft_core.method import build_method
from peft_core.model_config import read_config
from peft_core.model_config.published import PUBLISHED_MODELS
from peft_core.task import check_length, task_kind

STATE_BYTES = 16
"""Of each parameter under full fine-tuning with Adam: weight, gradient and two averages in float32."""
RANKS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def published_models() -> list[PublishedModelCard]:
    """The models whose configuration a paper prints, from the smallest."""
    return [_published_card(key, size_of(read_config(model.config)[0])) for key, model in PUBLISHED_MODELS.items()]


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
    base, anatomy, title, name = read_base(settings, request)
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
