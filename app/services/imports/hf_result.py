"""One result file of Hugging Face's method comparison, read strictly.

What is no number there (bare NaN, Infinity, the size that stands for "could not be determined") is missing here, so
that what is kept is valid JSON. Fields that are not known are kept with the rest. The format, field by field: the
README of `method_comparison/` in https://github.com/huggingface/peft.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from app.language import mark, tr
from app.schemas import LARGEST_RESULT_BYTES

DEEPEST = 40
LARGEST_INTEGER = 2**63
UNDETERMINED_BYTES = 99_999_999
"""Written where the size of the saved adapter could not be determined."""

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Real = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Share = Annotated[float, Field(ge=0, le=1)]
Step = Annotated[int, Field(ge=0, le=2**31 - 1)]
Text = Annotated[str, Field(max_length=4_096)]


class RefusedResult(Exception):
    """Why a file is not imported, as the end of a sentence that begins with "It"."""


class Section(BaseModel):
    """A part of a file: the right types, null or left out where something is missing, and other fields besides."""

    model_config = ConfigDict(strict=True, extra="ignore", protected_namespaces=())


class OptimizerSettings(Section):
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class TrainConfig(Section):
    model_id: Text | None = None
    dtype: Text | None = None
    max_steps: Step | None = None
    batch_size: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    max_length: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        default=None, validation_alias=AliasChoices("max_seq_length", "max_sequence_length")
    )
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    optimizer_type: Text | None = None
    optimizer_kwargs: OptimizerSettings | None = None
    generation_kwargs: dict[str, Any] | None = None


class RunInfo(Section):
    experiment_name: Annotated[str, Field(min_length=1, max_length=200)]
    created_at: Text | None = None
    total_time: Amount | None = None
    error_msg: str | None = None
    train_config: TrainConfig | None = None
    peft_config: dict[str, Any] | None = None


class Entry(Section):
    """What was told at one validation, or at the test."""

    step: Step | None = None
    train_loss: Real | None = Field(default=None, alias="train loss")
    train_seconds: Amount | None = Field(default=None, alias="train time")
    tokens_per_second: Amount | None = Field(default=None, alias="tokens / sec")
    valid_accuracy: Share | None = Field(default=None, alias="valid accuracy")
    test_accuracy: Share | None = Field(default=None, alias="test accuracy")
    valid_similarity: Annotated[float, Field(ge=-1, le=1)] | None = Field(default=None, alias="valid dino_similarity")
    test_similarity: Annotated[float, Field(ge=-1, le=1)] | None = Field(default=None, alias="test dino_similarity")
    total_tokens: Count | None = Field(default=None, alias="train total tokens")
    forgetting: Real | None = None
    drift: Real | None = None


class TrainInfo(Section):
    status: Literal["success", "canceled", "failed"]
    train_time: Amount | None = None
    file_size: Count | None = None
    num_trainable_params: Count | None = None
    num_total_params: Count | None = None
    accelerator_memory_max: Amount | None = Field(
        default=None, validation_alias=AliasChoices("accelerator_memory_max", "cuda_memory_max")
    )
    accelerator_memory_reserved_avg: Amount | None = Field(
        default=None, validation_alias=AliasChoices("accelerator_memory_reserved_avg", "cuda_memory_reserved_avg")
    )
    accelerator_memory_reserved_99th: Amount | None = Field(
        default=None, validation_alias=AliasChoices("accelerator_memory_reserved_99th", "cuda_memory_reserved_99th")
    )
    metrics: list[Entry] | None = None


class MetaInfo(Section):
    model_info: dict[str, Any] | None = None
    dataset_info: dict[str, Any] | None = None
    package_info: dict[str, Any] | None = None
    system_info: dict[str, Any] | None = None


class _Document(Section):
    run_info: RunInfo
    train_info: TrainInfo
    meta_info: MetaInfo | None = None


@dataclass(frozen=True)
class HfResult:
    """One experiment as its file tells it. `document`: all of it, as strict JSON; `sha256`: of that, whatever the order
    and spacing of the file."""

    run: RunInfo
    training: TrainInfo
    meta: MetaInfo
    document: dict[str, Any]
    sha256: str

    @property
    def experiment(self) -> str:
        return self.run.experiment_name

    @property
    def config(self) -> TrainConfig:
        return self.run.train_config or TrainConfig()

    @property
    def validations(self) -> list[Entry]:
        return [entry for entry in self._entries if not _is_test(entry)]

    @property
    def test(self) -> Entry | None:
        """The last entry that was taken on the test items."""
        return next((entry for entry in reversed(self._entries) if _is_test(entry)), None)

    @property
    def _entries(self) -> list[Entry]:
        return self.training.metrics or []


def _is_test(entry: Entry) -> bool:
    return not entry.model_fields_set.isdisjoint({"test_accuracy", "test_similarity"})


def parse_result(data: bytes) -> HfResult:
    """A file's bytes as a result; raises RefusedResult with what is wrong."""
    document = _strict_json(data)
    _check_plain(document)
    _void_undetermined(document)
    try:
        read = _Document.model_validate(document)
    except ValidationError as error:
        raise RefusedResult(_first_wrong(error)) from None
    if not read.run_info.experiment_name.strip() or not read.run_info.experiment_name.isprintable():
        raise RefusedResult(tr("has a run_info.experiment_name that is empty or holds control characters"))
    text = json.dumps(document, sort_keys=True)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return HfResult(read.run_info, read.train_info, read.meta_info or MetaInfo(), document, sha256)


def _strict_json(data: bytes) -> dict[str, Any]:
    if len(data) > LARGEST_RESULT_BYTES:
        raise RefusedResult(too_large())
    try:
        found = json.loads(data.decode("utf-8-sig"), parse_constant=lambda _: None, parse_float=_finite)
    except UnicodeDecodeError:
        raise RefusedResult(tr("is not UTF-8 text")) from None
    except json.JSONDecodeError as error:
        raise RefusedResult(
            tr("is not JSON, or was cut off: {msg} in line {lineno}", msg=error.msg, lineno=error.lineno)
        ) from None
    except RecursionError:
        raise RefusedResult(_too_deep()) from None
    except ValueError:
        # An integer of thousands of digits.
        raise RefusedResult(tr(_TOO_LONG)) from None
    if not isinstance(found, dict):
        raise RefusedResult(
            tr("holds {found} where an object with run_info and train_info is expected", found=_kind(found))
        )
    return found


def too_large() -> str:
    return tr("is larger than {bytes:,} bytes, more than any result file", bytes=LARGEST_RESULT_BYTES)


_TOO_LONG = mark("holds a number of more digits than any count has")


def _too_deep() -> str:
    return tr("is nested deeper than {levels} levels", levels=DEEPEST)


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _kind(value: Any) -> str:
    names = {
        list: tr("a list"),
        str: tr("a text"),
        bool: tr("true or false"),
        int: tr("a number"),
        float: tr("a number"),
    }
    return names.get(type(value), tr("nothing"))


def _check_plain(document: dict[str, Any]) -> None:
    """Raises RefusedResult for what a database or a browser could not keep as it is."""
    waiting: list[tuple[Any, int]] = [(document, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > DEEPEST:
            raise RefusedResult(_too_deep())
        if isinstance(value, dict):
            waiting += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list):
            waiting += [(part, depth + 1) for part in value]
        elif isinstance(value, str) and not _is_plain(value):
            raise RefusedResult(tr("holds a text that is no valid Unicode"))
        elif isinstance(value, int) and abs(value) >= LARGEST_INTEGER:
            raise RefusedResult(tr(_TOO_LONG))


def _is_plain(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _void_undetermined(document: dict[str, Any]) -> None:
    training = document.get("train_info")
    if isinstance(training, dict) and training.get("file_size") == UNDETERMINED_BYTES:
        training["file_size"] = None


def _first_wrong(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"]
    return f"has no right {place}: {message[:1].lower()}{message[1:]}"[:500]
