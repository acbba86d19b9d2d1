"""The guide to the chapter: what a case costs by formula, and what became of each claim."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from app.schemas.document import Document, Name
from app.schemas.numbers import Number, Sentence
from peft_core.method import Family

Small = Annotated[int, Field(ge=1, le=65_536, strict=True)]

ClaimVerdict = Literal[
    "holds", "does not hold", "undecided", "holds by formula", "false by formula", "not measured yet"
]


class LayerSizes(Document):
    """A plain decoder: heads of 64, a feed-forward layer of 4 d, a vocabulary of 50,272 tokens (OPT's layers)."""

    width: int = Field(ge=64, le=32_768, multiple_of=64, strict=True)
    layers: int = Field(ge=1, le=200, strict=True)


class CostsRequest(Document):
    """A base model in one of four ways, and the settings that the chapter's formulas take."""

    base_model: Annotated[str, Field(min_length=1, max_length=4_096)] | None = None
    published: Name | None = None
    """A key of GET guide/models."""
    config: dict[str, JsonValue] | None = Field(default=None, alias="model_config")
    sizes: LayerSizes | None = None
    rank: Small = 8
    bottleneck_size: Small = 96
    prefix_length: Small = 20
    batch_size: int = Field(default=8, ge=1, le=4_096, strict=True)
    length: int = Field(default=128, ge=4, le=131_072, strict=True)
    tasks: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 10
    device: Literal["cpu", "cuda"] = "cuda"

    @model_validator(mode="after")
    def _one_base(self) -> "CostsRequest":
        if sum(given is not None for given in (self.base_model, self.published, self.config, self.sizes)) != 1:
            raise ValueError("give the base in one of base_model, published, model_config and sizes")
        return self


class MethodCosts(Document):
    """What one method costs in the case, each figure by a named formula: trainable_parameters, trainable_share,
    storage_bytes, storage_of_tasks, weights, gradients, optimizer, activations, peak, memory_share, forward_flops,
    training_flops, train_seconds. missing: why a figure is not there. not_offered: why the base cannot have it."""

    method: str
    title: str
    label: str
    family: Family
    numbers: dict[str, Number]
    missing: dict[str, str] = {}
    not_offered: str | None = None


class RankFigures(Document):
    """LoRA of one rank beside one d x d matrix: parameters, share of the matrix, how many times fewer."""

    rank: int
    numbers: dict[str, Number]


class CostsView(Document):
    """POST guide/costs. figures: of the base (parameters, width, layers, steps) and of one layer by hand. formulas: for
    each claim that mathematics speaks to, what it says in this case."""

    title: str
    figures: dict[str, Number]
    methods: list[MethodCosts]
    ranks: list[RankFigures]
    formulas: dict[str, Sentence]


class PublishedModelCard(Document):
    """A model by a configuration that a paper prints. training_state: 16 bytes a parameter, what full fine-tuning
    holds in weights, gradients and Adam's two averages; activations come on top."""

    key: str
    title: str
    parameters: Number
    training_state: Number
    source: str
    url: str


class ClaimFinding(Document):
    """What one study says of a claim. agrees None: it is measured, and no difference is shown."""

    study: int
    name: str
    agrees: bool | None
    sentence: Sentence


class ClaimView(Document):
    """A claim of the chapter. origin: where the chapter makes it. tested: the rule that the verdict follows. preset:
    the rows that would measure it."""

    key: str
    title: str
    statement: str
    origin: str
    tested: str
    verdict: ClaimVerdict
    formula: Sentence | None
    summary: Sentence
    findings: list[ClaimFinding]
    preset: str


class Claims(Document):
    """GET guide/claims. studies: how many were asked, the newest ones with a run that ended well."""

    items: list[ClaimView]
    studies: int


class Sighting(Document):
    """A run in which a symptom of the troubleshooting guide was found."""

    run_id: int
    study: int
    study_name: str
    label: str


class Sightings(Document):
    """GET guide/sightings: the newest runs by symptom, of those that failed or did not beat the untuned model."""

    items: dict[str, list[Sighting]]
