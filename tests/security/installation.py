"""A real web process with people in it: two teams, a user of each role in both, an operator, and a finished study each.

Tests attack it over its address, as anybody on the network could.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.api.gate import SESSION_COOKIE
from app.db.migrate import migrate
from app.db.session import make_engine, system_session, team_session
from app.db.tables import Configuration, Run, Study, Team
from app.services.accounts import sessions, tokens, users
from app.services.callers import ROLES, Caller, Role
from app.settings import Settings
from tests.faults.processes import NO_VARIABLES, answers, free_port, running, wait_until
from tests.flow.finished_run import leave_healthy, leave_spectrum
from tests.flow.finished_study import insert

PASSWORD = "seven dry garden stones"
OURS, OTHERS = "local", "others"
"""The two teams."""
OPERATOR = "root"
"""An operator, who is an administrator of our team."""
ANONYMOUS = "anonymous"
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class TeamOf:
    """A team with a finished study: its first run is of LoRA, with curves and a spectrum."""

    team_id: int
    study_id: int
    run_id: int


@dataclass(frozen=True)
class Installation:
    """Where it answers, and who may ask.

    tokens: user name -> API token of scope admin. Users are `viewer`, `member`, `admin` of our team, `root`, and
    `viewer-others`, `member-others`, `admin-others` of the other one; all have the password PASSWORD.
    """

    url: str
    pid: int
    settings: Settings
    engine: Engine
    tokens: Mapping[str, str]
    ours: TeamOf
    others: TeamOf

    @property
    def address(self) -> str:
        """Name and port, as a Host header has them."""
        return self.url.removeprefix("http://")

    def client(self, who: str = ANONYMOUS) -> httpx.Client:
        """A program with somebody's token."""
        headers = {} if who == ANONYMOUS else {"authorization": f"Bearer {self.tokens[who]}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)

    def cookies(self, who: str) -> dict[str, str]:
        """The cookie of a browser in which somebody has just logged in; not by the login, which counts its tries."""
        with system_session(self.engine) as session:
            user_id = users.user_by_name(session, who).id
        return {SESSION_COOKIE: sessions.begin_session(self.engine, user_id).token}

    def cookie_header(self, who: str) -> str:
        """The same as a header of a raw request."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies(who).items())

    def browser(self, who: str) -> httpx.Client:
        """What a browser sends in which somebody has logged in: cookies, and the Origin of our page."""
        headers = {"origin": self.url}
        return httpx.Client(base_url=self.url, headers=headers, cookies=self.cookies(who), timeout=60, trust_env=False)

    def memory_bytes(self) -> int:
        """What the web process holds of main memory now, and what the processes it has started hold alone: one that was
        forked a moment ago shares all of the web process's."""
        web = psutil.Process(self.pid)
        total: int = web.memory_info().rss
        for process in web.children(recursive=True):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += process.memory_full_info().uss
        return total


@contextmanager
def installation(home: Path, variables: Mapping[str, str] = NO_VARIABLES) -> Iterator[Installation]:
    """One of its own for a test that leaves traces, in an empty home."""
    settings = Settings(home=home)
    migrate(settings.database)
    engine = make_engine(settings.database)
    try:
        others_id = _add_team(engine)
        tokens_of = {name: _add_user(engine, name, team, role) for name, team, role in _people(others_id)}
        teams = [_leave_study(engine, settings, team_id) for team_id in (1, others_id)]
        port = free_port()
        with running(settings, "app.web", "--port", str(port), variables=variables) as started:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(url) or not started.alive)
            assert started.alive, "the web process ended"
            yield Installation(url, started.pid, settings, engine, tokens_of, *teams)
    finally:
        engine.dispose()


def _people(others_id: int) -> list[tuple[str, tuple[int, str], Role]]:
    ours, others = (1, OURS), (others_id, OTHERS)
    named = [(role, ours, role) for role in ROLES] + [(f"{role}-{OTHERS}", others, role) for role in ROLES]
    return [(OPERATOR, ours, "admin"), *named]


def _add_team(engine: Engine) -> int:
    with system_session(engine) as session:
        team = Team(slug=OTHERS)
        session.add(team)
        session.flush()
        return team.id


def _add_user(engine: Engine, name: str, team: tuple[int, str], role: Role) -> str:
    """A user, and their token."""
    team_id, slug = team
    operator = name == OPERATOR
    user_id = users.add_user(engine, name, PASSWORD, operator=operator, team=slug, role=role)
    caller = Caller(team_id, name, role, operator, team=slug, user_id=user_id, means="session")
    return tokens.create_token(engine, caller, "test", "admin", None)[1]


def _leave_study(engine: Engine, settings: Settings, team_id: int) -> TeamOf:
    with team_session(engine, team_id) as session:
        study = insert(session, team_id=team_id, name=f"Quickstart of team {team_id}")
        run = _run_of_lora(session, study)
        leave_healthy(session, run, 0.94)
        leave_spectrum(session, settings.store_folder, run)
        return TeamOf(team_id, study.id, run.id)


def _run_of_lora(session: Session, study: Study) -> Run:
    of_lora = select(Run).join(Configuration).where(Configuration.method == "lora", Run.purpose == "report")
    run = session.scalars(of_lora.where(Run.study_id == study.id).order_by(Run.id)).first()
    assert run is not None
    return run
