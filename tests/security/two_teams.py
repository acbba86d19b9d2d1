"""Two teams on one installation, the first with something of everything, and callers of every role in both."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.identity import Invitation, Membership, TeamSecret, User
from app.db.session import system_session
from app.db.tables import (
    ArtifactRow,
    Base,
    Configuration,
    CustomScenarioRow,
    Dataset,
    IdempotencyKey,
    Job,
    LogLineRow,
    Owned,
    Run,
    StudyApproval,
    StudyComment,
    StudyTag,
    StudyTemplate,
    Team,
    Worker,
)
from app.schemas import ShareRequest
from app.services import publications, shares
from app.services.accounts import tokens
from app.services.accounts.secrets import now, sha256_of
from app.services.callers import ROLES, Caller, Role
from app.services.exports import export_study
from tests.flow.finished_study import insert

CANARY = "canary"
"""In every text that the first team wrote."""
CALLERS: tuple[Role, ...] = ROLES
KEY = f"{CANARY}-key"


@dataclass(frozen=True)
class Mine:
    """The ids of what a team has, under the names that paths give them."""

    team: int
    ids: dict[str, int]
    running: int
    """A run at work."""
    dataset: str
    """What a study would name its upload by."""


@dataclass(frozen=True)
class TwoTeams:
    """`alpha` has everything, `beta` a study of the same kind; a token of each role in each."""

    app: FastAPI
    alpha: Mine
    beta: Mine
    tokens: dict[tuple[str, str], str]

    def client(self, team: str, role: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        headers = {"authorization": f"Bearer {self.tokens[team, role]}"}
        return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers, timeout=60)


def settle(app: FastAPI) -> TwoTeams:
    """Make both."""
    engine, home = app.state.engine, app.state.settings.home_folder
    with system_session(engine) as session:
        silent = now() - timedelta(minutes=2)
        worker = Worker(name="box", device="cpu", device_info={}, started_at=silent, heartbeat_at=silent)
        session.add(worker)
        teams = [Team(slug="alpha"), Team(slug="beta")]
        session.add_all(teams)
        session.flush()
        # Ids of their own, or a number in a sentence would be both teams'.
        owned = [
            _settle(session, home, team.id, worker, CANARY if place == 0 else "plain")
            for place, team in enumerate(teams)
        ]
    found: dict[tuple[str, str], str] = {}
    for mine, team in zip(owned, ("alpha", "beta"), strict=True):
        for role in (*ROLES, "operator"):
            caller = _member(engine, mine.team, team, role)
            mine.ids["token_id"], found[team, role] = tokens.create_token(
                engine, caller, f"{_word(team)} token", "admin", None
            )
        admin = Caller(mine.team, f"{_word(team)}-admin", "admin", team=team)
        made = shares.create_share(engine, admin, mine.ids["study_id"], ShareRequest(note=f"for {_word(team)}"))
        mine.ids["share_id"] = made.share.id
        mine.ids["publication_id"] = publications.publish(engine, admin, mine.ids["study_id"]).id
    alpha, beta = owned
    return TwoTeams(app, alpha, beta, found)


def _word(team: str) -> str:
    return CANARY if team == "alpha" else "plain"


def _member(engine: Engine, team_id: int, team: str, role: str) -> Caller:
    with system_session(engine) as session:
        user = User(name=f"{_word(team)}-{role}", operator=role == "operator", created_at=now())
        session.add(user)
        session.flush()
        held: Role = "admin" if role == "operator" else role  # type: ignore[assignment]
        session.add(Membership(user_id=user.id, team_id=team_id, role=held, created_at=now()))
        return Caller(team_id, user.name, held, team=team, user_id=user.id)


def _settle(session: Session, home: Path, team_id: int, worker: Worker, word: str) -> Mine:
    who = f"{word}-member"
    study = insert(session, team_id=team_id, name=f"{word} study")
    study.created_by = who
    runs = session.scalars(select(Run).where(Run.study_id == study.id).order_by(Run.id)).all()
    reported = next(run for run in runs if run.purpose == "report" and run.status == "succeeded")
    failed = next(run for run in runs if run.status == "failed")
    failed.reason = f"{word} reason"
    running = runs[-1]
    running.status, running.worker_id, running.ended_at = "running", worker.id, None
    row = session.get_one(Configuration, reported.configuration_id)
    row.label = f"{word} row"
    file = f"teams/{team_id}/{word}-0123456789.csv"
    (home / "datasets" / file).parent.mkdir(parents=True, exist_ok=True)
    lines = [f"text,{word}", *(f"sentence {place},{'ab'[place % 2]}" for place in range(120))]
    (home / "datasets" / file).write_text("\n".join(lines), encoding="utf-8")
    made = {"created_by": who, "created_at": now()}
    rows: dict[str, Any] = {
        "comment_id": StudyComment(study_id=study.id, user=who, text=f"{word} text", created_at=now()),
        "template_id": StudyTemplate(name=f"{word} template", document=study.document, **made),
        "scenario_id": CustomScenarioRow(
            name=f"{word} scenario", weights={"quality": 1.0}, constraints={}, quality_floor=0.0, **made
        ),
        "dataset_id": Dataset(
            name=f"{word}.csv",
            file=file,
            sha256="0" * 64,
            size_bytes=9,
            rows=120,
            head=[{word: "b"}],
            columns=[
                {
                    "name": word,
                    "kind": "text",
                    "filled": 1,
                    "distinct": 1,
                    "counts": {},
                    "shortest": 1,
                    "median": 1,
                    "longest": 1,
                }
            ],
            **made,
        ),
        "artifact_id": ArtifactRow(run_id=reported.id, path=f"{word}.json", size_bytes=2, sha256=sha256_of(word)),
        "invitation_id": Invitation(
            token_sha256=sha256_of(f"{word} invitation"),
            role="viewer",
            note=word,
            expires_at=now() + timedelta(days=1),
            **made,
        ),
    }
    others = [
        StudyTag(study_id=study.id, tag=word),
        StudyApproval(
            study_id=study.id, state="approved", user=who, note=f"{word} note", results_sha256="", created_at=now()
        ),
        LogLineRow(run_id=reported.id, at=now(), message=f"{word} line"),
        Job(run_id=reported.id, kind="predict", request={"inputs": [word]}, created_at=now()),
        IdempotencyKey(key=KEY, request_sha256="0" * 64, status=201, body={"id": study.id}, created_at=now())
        if word == CANARY
        else StudyTag(study_id=study.id, tag="other"),
        TeamSecret(kind="another", ciphertext=word.encode(), **made),
    ]
    for made_row in (*rows.values(), *others):
        made_row.team_id = team_id
        session.add(made_row)
    session.flush()
    ids = {name: one.id for name, one in rows.items()} | {"study_id": study.id, "run_id": reported.id}
    return Mine(team_id, ids | {"worker_id": worker.id, "team_id": team_id}, running.id, file)


@contextmanager
def unchanged(engine: Engine, team_id: int) -> Iterator[None]:
    """Fails where anything that the team owns is another afterwards."""
    before = _rows(engine, team_id)
    yield
    assert _rows(engine, team_id) == before


def _rows(engine: Engine, team_id: int) -> dict[str, list[tuple[Any, ...]]]:
    found = {}
    with engine.connect() as connection:
        for mapper in Base.registry.mappers:
            table: Any = mapper.local_table
            if issubclass(mapper.class_, Owned):
                columns = [column for column in table.columns if column.name != "last_used_at"]
                wanted = select(*columns).where(table.c.team_id == team_id)
                found[table.name] = sorted(map(tuple, connection.execute(wanted)), key=repr)
    return found


def exported(app: FastAPI, mine: Mine) -> str:
    """A study of a team as it is exported."""
    return export_study(app.state.engine, Caller(mine.team, "somebody", "viewer"), mine.ids["study_id"], "json")
