"""What each study is about, and what of it can be carried over to another case."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import Configuration, Study
from app.language import tr
from app.services.evidence import StudyEvidence, read_evidence
from peft_core import assets
from peft_core.compare.lookup import REFERENCE, Case, Known, figures_of
from peft_core.compare.recommend import QUALITY, Candidate
from peft_core.errors import InvalidBaseModel
from peft_core.model_config import read_config_of
from peft_core.model_shape import ModelShape

MOST_STUDIES = 40
"""The newest ones of the kind of task are asked."""


@dataclass(frozen=True)
class CaseStudy:
    """A study with the case that it measured."""

    evidence: StudyEvidence
    case: Case
    full: Configuration

    @property
    def id(self) -> int:
        return self.evidence.study.id

    @cached_property
    def rows(self) -> dict[str, Configuration]:
        """The rows that can be chosen, by a name that means the same method and hyper-parameters in every study."""
        keys = {candidate.key for candidate in self.evidence.as_evidence.candidates}
        return {name_of(row): row for row in self.evidence.configurations if row.id in keys}

    @cached_property
    def known(self) -> Known:
        candidates: Mapping[str, Candidate] = {name: self.evidence.candidate(row) for name, row in self.rows.items()}
        full = self.evidence.candidate(self.full)
        return Known(self.id, self.case, figures_of(candidates, full, self.evidence.full_scale))


def name_of(row: Configuration) -> str:
    """The same for the same method with the same hyper-parameters."""
    if row.method == REFERENCE:
        return REFERENCE
    return f"{row.method} {json.dumps(row.hyperparameters, sort_keys=True)}"


def read_case_studies(session: Session, task_kind: str) -> tuple[list[CaseStudy], list[tuple[Study, str]]]:
    """The team's newest studies of a kind of task, and those that cannot speak for any case with the reason."""
    usable: list[CaseStudy] = []
    unused: list[tuple[Study, str]] = []
    for study in session.scalars(select(Study).order_by(Study.id.desc())):
        if study.task["kind"] != task_kind:
            continue
        if len(usable) == MOST_STUDIES:
            break
        read = _read(read_evidence(session, study))
        usable.append(read) if isinstance(read, CaseStudy) else unused.append((study, read))
    return usable, unused


def _read(evidence: StudyEvidence) -> CaseStudy | str:
    """The study with its case, or why it has none."""
    splits = evidence.study.task["splits"]
    if splits is None:
        return tr("its results were imported, and on how many items they were trained is not known")
    full = evidence.full
    if full is None or evidence.reference is not full or not evidence.values(full.id, QUALITY):
        why = evidence.why_not_full or tr("full fine-tuning is not measured yet")
        return tr("there is nothing to take ratios to: {why}", why=why)
    shape = study_shape(evidence.study)
    if shape is None:
        return tr("the configuration of its base model is not at hand, so that its size is not known")
    device = _device(evidence)
    if device is None:
        return tr("none of its runs says what device it ran on")
    case = Case(
        architecture=shape.architecture,
        task_kind=evidence.study.task["kind"],
        device=device,
        parameters=float(shape.parameters),
        train_items=float(splits["train"]),
        length=float(evidence.study.document["budget"]["max_length"]),
    )
    return CaseStudy(evidence, case, full)


def study_shape(study: Study) -> ModelShape | None:
    """The shape of a study's base model from its config.json, or of the registered model of its name."""
    registered = assets.base_models().get(study.document.get("base_model", ""))
    folders = [Path(study.base_model_path), *([registered.folder] if registered else [])]
    for folder in folders:
        try:
            return read_config_of(folder)[0]
        except InvalidBaseModel:
            continue
    return None


def _device(evidence: StudyEvidence) -> str | None:
    """The class of device that most finished runs ran on."""
    seen = Counter((run.environment or {}).get("device") for run in evidence.finished)
    seen.pop(None, None)
    return seen.most_common(1)[0][0] if seen else evidence.study.device
