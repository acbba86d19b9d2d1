"""What a worker is asked for while somebody waits: answers of a run's model, a merge."""

from typing import Annotated, Literal

from pydantic import Field

from app.schemas.document import Document
from app.schemas.runs import ArtifactView

JobKind = Literal["predict", "merge"]
Text = Annotated[str, Field(min_length=1, max_length=20_000)]


class Asked(Document):
    """What a person asks a model: a text, with its second text or its choices where the study's task has them."""

    text: Text
    pair: Text | None = None
    choices: Annotated[list[Text], Field(max_length=26)] = []


class PredictRequest(Document):
    """Body of POST runs/{id}/predict."""

    inputs: Annotated[list[Asked], Field(min_length=1, max_length=16)]


class AnswerView(Document):
    """An answer, and the seconds it took; None where nothing was computed for it. probabilities: of each class or
    choice, the largest first; None for an answer that is no choice between them, or was not computed."""

    text: str
    seconds: float | None
    probabilities: dict[str, float] | None = None


class AnsweredView(Document):
    """What the run's model and its base answer to one input."""

    input: Asked
    adapted: AnswerView
    base: AnswerView


class PredictionView(Document):
    """POST runs/{id}/predict. Each input is answered by itself, by the adapter beside the base (not merged)."""

    run_id: int
    job: int
    """The job that the worker did; what it answered is kept under this number for an hour."""
    answers: list[AnsweredView]
    base_is: str
    """What stands for the base: itself, or what answers without having learned."""
    worker: str
    waited_seconds: float
    """From the question to the moment a worker took it up."""


class ExampleView(Document):
    """An item of the test split, as a question, and its right answer."""

    input: Asked
    right: str


class ExamplesView(Document):
    """GET runs/{id}/examples: items that no run has trained on, one of each class first. missing: why there are none.
    columns: what a question has beside its text."""

    run_id: int
    pair: bool
    choices: list[str]
    """The names of the choices, none where the task has none."""
    missing: str | None
    examples: list[ExampleView]


class MergedView(Document):
    """POST runs/{id}/merge: the files of a model that transformers loads without peft, kept with the run."""

    run_id: int
    artifacts: list[ArtifactView]
