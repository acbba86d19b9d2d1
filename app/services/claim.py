"""The contract of a claim of the chapter: one file in `app/services/claims`, found by its file name, which is its key.

A claim says how it is tested before anything is measured. `formula` is what mathematics says of it in a case; `judge`
what one study's measurements say. The verdict follows from both by one rule, `verdict_of`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from app.schemas import ClaimVerdict, Number, Part, Sentence
from app.services.evidence import StudyEvidence
from app.services.lookup_cases import study_shape
from peft_core.catalogue import discover


@dataclass(frozen=True)
class MeasuredStudy:
    """A study that a claim is put to."""

    evidence: StudyEvidence

    @cached_property
    def base_width(self) -> int | None:
        """Width of its base model; None where its configuration is not at hand."""
        shape = study_shape(self.evidence.study)
        return None if shape is None else shape.hidden_size


@dataclass(frozen=True)
class Judged:
    """What one study says: whether it agrees, None where no difference is shown, and the numbers."""

    agrees: bool | None
    sentence: Sentence


class Claim:
    """One claim. Texts are marked for the catalogue of sentences and said when they are shown."""

    title: ClassVar[str]
    statement: ClassVar[str]
    origin: ClassVar[str]
    """Where in the chapter it is made."""
    tested: ClassVar[str]
    """The rule that `judge` follows, so that a reader could apply it by hand."""
    position: ClassVar[int]
    preset: ClassVar[str]
    """What would measure it, a key of the presets."""
    by_mathematics: ClassVar[bool | None] = None
    """Whether it holds by formula, whatever is measured; None: only measuring tells."""

    @staticmethod
    def formula(_figures: Mapping[str, Number]) -> Sentence | None:
        """What mathematics says of it in a case, whose figures have the names of GET guide/costs."""
        return None

    @staticmethod
    def judge(study: MeasuredStudy) -> Judged | None:
        """What a study says of it, None where it lacks what the test needs."""
        raise NotImplementedError


def claims() -> dict[str, type[Claim]]:
    """Every claim by key, in the page's order."""
    import app.services.claims

    found = discover(app.services.claims, Claim)
    return dict(sorted(found.items(), key=lambda entry: (entry[1].position, entry[0])))


def verdict_of(claim: type[Claim], found: Sequence[Judged]) -> ClaimVerdict:
    """Mathematics decides where it can. Else one study that disagrees refutes a claim; it takes one that agrees."""
    if claim.by_mathematics is not None:
        return "holds by formula" if claim.by_mathematics else "false by formula"
    if not found:
        return "not measured yet"
    said = {judged.agrees for judged in found}
    if False in said:
        return "does not hold"
    return "holds" if True in said else "undecided"


def named(words: str) -> Sentence:
    """Signs that are a name and no number: a formula, a method."""
    return [Part(label=words)]
