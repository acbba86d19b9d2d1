"""A study, and all that a team keeps beside it, in which every text that people or machines can write is a script.

Written past the services, which refuse some of it: a page must not rely on what was refused elsewhere.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.identity import ApiToken, AuditEntry, Invitation, Membership, ShareLink, User
from app.db.session import database_now, system_session
from app.db.tables import (
    ArtifactRow,
    Attempt,
    Configuration,
    CustomScenarioRow,
    Dataset,
    LogLineRow,
    MeasurementRow,
    PredictionSet,
    Run,
    SeriesPointRow,
    Study,
    StudyApproval,
    StudyComment,
    StudyTag,
    StudyTemplate,
    Team,
    Worker,
)
from tests.flow.finished_run import leave_healthy
from tests.flow.finished_study import QUICKSTART, insert

SHORT = "<img src=x onerror=ran=1>"
WHEN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LATER = datetime(2100, 1, 1, tzinfo=UTC)


def script(listener: str) -> str:
    """Markup of many kinds: HTML, links, Markdown, and what templates would take for code. Fits a name of 200."""
    return (
        f"{SHORT}<script>ran=2</script><svg/onload=ran=3><a href=javascript:ran=4>L</a>"
        f"[M](javascript:ran=5)![]({listener}/m)<img src={listener}/i>'\"`${{ran=6}}"
    )


def leave(engine: Engine, team_id: int, listener: str) -> tuple[int, int]:
    """The study's id, and that of a run of it."""
    text = script(listener)
    assert len(text) <= 200
    with system_session(engine) as session:
        study = _leave_study(session, team_id, text)
        run = _leave_run(session, study, text)
        _leave_reviews(session, study, text)
        _leave_kept(session, team_id, text)
        _leave_people(session, study, text)
        return study.id, run.id


def _leave_study(session: Session, team_id: int, text: str) -> Study:
    rows = tuple(replace(row, label=f"{row.label} {text}"[:200]) for row in QUICKSTART)
    study = insert(session, team_id=team_id, rows=rows, name=text)
    study.created_by = text
    study.base_model_path = text
    study.task = study.task | {"name": text, "labels": [text, "b"], "text": text, "label": text, "dataset": text[:50]}
    columns = {"dataset": text, "kind": "classification", "text": text, "label": text}
    study.document = study.document | {"name": text, "base_model": text, "task": columns}
    for configuration in session.scalars(select(Configuration).where(Configuration.study_id == study.id)):
        configuration.hyperparameters = configuration.hyperparameters | {"note": text}
    return study


def _leave_run(session: Session, study: Study, text: str) -> Run:
    runs = list(session.scalars(select(Run).where(Run.study_id == study.id).order_by(Run.id)))
    for run in runs:
        run.environment = dict.fromkeys(("device_name", "torch", "peft", "precision", "platform", text), text)
        run.reason = text if run.status == "failed" else None
    of_lora = select(Run).join(Configuration).where(Configuration.method == "lora", Run.purpose == "report")
    shown = session.scalars(of_lora.where(Run.study_id == study.id).order_by(Run.id)).first()
    assert shown is not None
    leave_healthy(session, shown, 0.94)
    team_id = study.team_id
    session.add_all(LogLineRow(team_id=team_id, run_id=shown.id, at=WHEN, message=f"{n} {text}") for n in range(5))
    session.add(SeriesPointRow(team_id=team_id, run_id=shown.id, key=text[:100], step=1, value=1.0))
    session.add(
        MeasurementRow(team_id=team_id, run_id=shown.id, metric=text[:100], value=1.0, detail={"missing": text})
    )
    session.add(
        Attempt(
            run_id=shown.id, team_id=team_id, attempt=1, worker=text, started_at=WHEN, outcome="failed", reason=text
        )
    )
    session.add(ArtifactRow(team_id=team_id, run_id=shown.id, path=f"{text}.json", size_bytes=7, sha256="0" * 64))
    predictions = session.get_one(PredictionSet, shown.id)
    predictions.predicted = [text for _ in predictions.predicted]
    return shown


def _leave_reviews(session: Session, study: Study, text: str) -> None:
    mine: dict[str, Any] = {"team_id": study.team_id, "study_id": study.id}
    session.add(StudyComment(user=text, text=text, created_at=WHEN, **mine))
    session.add(StudyTag(tag=SHORT, **mine))
    session.add(StudyApproval(state="approved", user=text, note=text, results_sha256="0" * 64, created_at=WHEN, **mine))


def _leave_kept(session: Session, team_id: int, text: str) -> None:
    made: dict[str, Any] = {"created_at": WHEN, "created_by": text, "team_id": team_id}
    document = {"name": text, "base_model": text, "task": text, "methods": [{"method": text}]}
    session.add(StudyTemplate(name=text, document=document, **made))
    session.add(
        CustomScenarioRow(
            name=text[:80], scenario=None, weights={"quality": 1.0}, constraints={}, quality_floor=0.9, **made
        )
    )
    column = {"name": text, "kind": "text", "filled": 3, "distinct": 1, "counts": {text: 3}}
    column |= {"shortest": 1, "median": 2, "longest": 3}
    files: dict[str, Any] = {
        "sha256": "0" * 64,
        "size_bytes": 7,
        "rows": 3,
        "columns": [column],
        "head": [{text: text}] * 3,
    }
    session.add(Dataset(name=f"{text[:190]}.csv", file="marked.csv", **files, **made))
    now = database_now(session)
    info = {"name": text, "memory_bytes": 1, "cores": 1}
    session.add(Worker(name=text, device=text[:100], device_info=info, started_at=now, heartbeat_at=now))


def _leave_people(session: Session, study: Study, text: str) -> None:
    """Somebody whose name is a script, in the team and at work; and a team of such a name, of which everybody is."""
    team_id = study.team_id
    user, team = User(name=text[:100], operator=True, created_at=WHEN), Team(slug=text[:100])
    session.add_all((user, team))
    session.flush()
    everybody = session.scalars(select(User.id))
    session.add_all(Membership(user_id=one, team_id=team.id, role="admin", created_at=WHEN) for one in everybody)
    session.add(Membership(user_id=user.id, team_id=team_id, role="viewer", created_at=WHEN))
    made: dict[str, Any] = {"team_id": team_id, "created_at": WHEN}
    told: dict[str, Any] = made | {"created_by": text, "expires_at": LATER}
    session.add(ApiToken(user_id=user.id, name=text[:100], token_sha256="1" * 64, scope="read", **made))
    session.add(Invitation(token_sha256="2" * 64, role="viewer", note=text, used_by=text, **told))
    session.add(Invitation(token_sha256="3" * 64, role="viewer", note=text, **told))
    session.add(ShareLink(study_id=study.id, token_sha256="4" * 64, note=text, **told))
    audited: dict[str, Any] = {"at": WHEN, "user": text, "means": SHORT[:20], "action": text[:100], "target": text}
    session.add_all(AuditEntry(team_id=of, detail={text: text}, **audited) for of in (team_id, None))
