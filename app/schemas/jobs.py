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
    """An answer, and the seconds it took; None where nothing was computed for it."""

    text: str
    seconds: float | None


class AnsweredView(Document):
    """What the run's model and its base answer to one input."""

    input: Asked
    adapted: AnswerView
    base: AnswerView


class PredictionView(Document):
    """POST runs/{id}/predict. Each input is answered by itself, by the adapter beside the base (not merged)."""

    run_id: int
    answers: list[AnsweredView]
    base_is: str
    """What stands for the base: itself, or what answers without having learned."""
    worker: str
    waited_seconds: float
    """From the question to the moment a worker took it up."""


class MergedView(Document):
    """POST runs/{id}/merge: the files of a model that transformers loads without peft, kept with the run."""

    run_id: int
    artifacts: list[ArtifactView]
