"""The YAML of a study makes the same study again."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from sqlalchemy import Engine, select
from typer.testing import CliRunner

from app.cli import app
from app.db.session import system_session
from app.db.tables import Configuration, Run, Study
from app.schemas import MethodEntry, StudyDocument, StudyExtension
from app.services import studies
from app.services.callers import LOCAL
from app.services.exports import export_study
from app.services.exports.study_yaml import filled_document
from app.services.extend import extend_study
from app.settings import Settings
from peft_core.spec import Budget
from tests.app.services import exported

DOCUMENT = StudyDocument(
    name="Names: with # signs, 'quotes' and ümlauts",
    budget=Budget(steps=5, batch_size=4, max_length=32),
    seeds=[3, 7],
    methods=[
        MethodEntry(method="lora", hyperparameters={"rank": 4}, learning_rates=[1e-5, 3e-4]),
        MethodEntry(method="lora", hyperparameters={"rank": 16}),
        MethodEntry(method="bitfit", learning_rates=[1e-3]),
        MethodEntry(method="prefix_tuning"),
    ],
)


def rows(engine: Engine, study: int) -> list[Any]:
    with system_session(engine) as session:
        of_study = select(Configuration).where(Configuration.study_id == study).order_by(Configuration.position)
        found = session.scalars(of_study).all()
        runs = session.scalars(select(Run).where(Run.study_id == study)).all()
        return [
            (
                *(row.method, row.label, row.family, row.reference, row.hyperparameters, row.learning_rates),
                sorted(
                    (run.purpose, run.seed, run.learning_rate or 0) for run in runs if run.configuration_id == row.id
                ),
            )
            for row in found
        ]


def test_what_the_command_reads_has_the_same_rows_and_runs(engine: Engine, settings: Settings, tmp_path: Path) -> None:
    original = studies.create_study(engine, settings, LOCAL, DOCUMENT)
    extend_study(engine, settings, LOCAL, original, StudyExtension(methods=[MethodEntry(method="ia3")], seeds=[9]))
    file = tmp_path / "study.yaml"
    file.write_text(export_study(engine, LOCAL, original, "yaml"), encoding="utf-8")
    done = CliRunner().invoke(app, ["study", "run", str(file)])
    assert done.exit_code == 0, done.output
    assert rows(engine, original + 1) == rows(engine, original)
    with system_session(engine) as session:
        first, second = (session.get_one(Study, study).document for study in (original, original + 1))
    free = {"methods": None, "references": None, "grid_points": None}
    assert first | free == second | free
    # And once more: the second export says the same.
    again = export_study(engine, LOCAL, original + 1, "yaml")
    assert _read(again) == _read(export_study(engine, LOCAL, original, "yaml"))


def _read(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def test_every_choice_is_filled_in(engine: Engine, settings: Settings) -> None:
    study = studies.create_study(engine, settings, LOCAL, DOCUMENT)
    told = _read(export_study(engine, LOCAL, study, "yaml"))
    entries = {entry["method"]: entry for entry in told["methods"]}
    assert entries["prefix_tuning"]["hyperparameters"]["num_virtual_tokens"] > 0
    assert len(entries["prefix_tuning"]["learning_rates"]) == 5
    assert "learning_rates" not in entries["untuned"]
    assert told["seeds"] == [3, 7]
    assert told["references"] == []
    assert told["name"] == DOCUMENT.name
    assert all(isinstance(rate, float) for rate in entries["full"]["learning_rates"])


def test_comments_say_what_the_study_ran_with(engine: Engine) -> None:
    text = export_study(engine, LOCAL, exported.finished(engine), "yaml")
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert "#   peft-atlas study run FILE" in comments
    assert any("minilm, sha256 000000" in line for line in comments)
    assert "# Its runs had torch: 2.13.0" in comments
    assert "# Chosen for LoRA r8: learning rate 0.003" in comments


@pytest.mark.parametrize("text", ["a\nseeds: 99", "yes", "1e3", "- x", "{a: b}", "#", "\u2028name: x", "null", "'"])
def test_text_of_people_stays_text(engine: Engine, text: str) -> None:
    study = exported.finished(engine)
    with system_session(engine) as session:
        stored = session.get_one(Study, study)
        stored.name, stored.document = text, stored.document | {"name": text, "base_model": text}
        session.scalars(select(Configuration).where(Configuration.method == "lora")).one().label = text
        run = session.scalars(select(Run)).first()
        assert run is not None
        run.environment = {"torch": text}
    told = _read(export_study(engine, LOCAL, study, "yaml"))
    assert (told["name"], told["base_model"], told["seeds"]) == (text, text, [0, 1, 2])


def test_rows_that_are_too_many_for_a_document_keep_their_references_by_name() -> None:
    made = [
        Configuration(method="lora", hyperparameters={"rank": k}, learning_rates=[], reference=False)
        for k in range(100)
    ]
    references = [Configuration(method="full", hyperparameters={}, learning_rates=[], reference=True)]
    told = filled_document(DOCUMENT, references + made)
    assert (len(told["methods"]), told["references"]) == (100, DOCUMENT.references)
    assert StudyDocument.model_validate(told)
