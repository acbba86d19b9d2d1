"""What a run will cost."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from app.schemas.document import Document, Name
from peft_core.spec import Budget, Precision

ByteCount = Annotated[int, Field(ge=1, le=2**60)]


class EstimateRequest(Document):
    """One run whose cost is asked about. The base is one that a study could name, or any model's config.json."""

    base_model: Annotated[str, Field(min_length=1, max_length=4_096)] | None = None
    config: dict[str, JsonValue] | None = Field(default=None, alias="model_config")
    method: Name
    hyperparameters: dict[str, JsonValue] = {}
    budget: Budget = Budget(epochs=3)
    task_kind: Name = "classification"
    labels: int = Field(default=2, ge=1, le=1_000_000, strict=True)
    """Classes, or choices of an item; kinds of task without either do not read it."""
    train_items: Annotated[int, Field(ge=1, le=2**40, strict=True)] | None = None
    """Turns a budget in epochs into steps."""
    precision: Precision = "fp32"
    device: Literal["cpu", "cuda"] = "cpu"
    device_memory_bytes: ByteCount | None = None
    """None: nothing is said of whether the run fits."""

    @model_validator(mode="after")
    def _one_base(self) -> "EstimateRequest":
        if (self.base_model is None) == (self.config is None):
            raise ValueError("give the base in either base_model or model_config")
        return self


class EstimateView(Document):
    """POST estimates: every figure by a formula that `how` names, by the figure's own name."""

    trainable_parameters: int
    head_parameters: int
    stored_parameters: int
    storage_bytes: int
    load_peak_memory_bytes: int
    peak_memory_bytes: int
    flops_per_token: float
    flops_per_step: float
    total_steps: int | None
    """None: a budget in epochs, and the number of training items is not given."""
    train_seconds: float | None
    """None: no speed was measured on such a device, or the number of steps is not known."""
    fits: bool | None
    """None: no device memory was given."""
    verdict: str | None
    """Whether it fits, with numbers, and if it does not, what would."""
    how: dict[str, str]
