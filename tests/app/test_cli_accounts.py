"""`peft-atlas user`, `team` and `token`, and what a server lets in by what they made."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, select
from typer.testing import CliRunner, Result

from app.api.gate import REMEMBERED_SECONDS
from app.cli import app
from app.db.identity import AuditEntry, User
from app.db.session import system_session
from app.main import create_app
from app.services.accounts.first_visit import first_visit_key
from app.services.accounts.passwords import matches
from app.settings import Settings
from tests.flow.conftest import serving

PASSWORD = "four words in a row"
NOT_ALLOWED = 4
STUDY = "name: Small\nmethods: [{method: bitfit, learning_rates: [1e-3]}]\nreferences: []\nseeds: 1\n"


def run(*words: str, given: str | None = None) -> Result:
    found = CliRunner().invoke(app, list(words), input=given)
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found


def done(*words: str, given: str | None = None) -> Any:
    """What a command that went well printed as JSON."""
    found = run(*words, "--json", given=given)
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def add(name: str, *words: str) -> Any:
    return done("user", "add", name, "--password-file", "-", *words, given=f"{PASSWORD}\n")


@pytest.fixture
def ada(engine: Engine, home: Path) -> Any:
    """The operator, with whom accounts begin."""
    return add("ada", "--operator")


@pytest.fixture
def server(settings: Settings) -> Iterator[tuple[str, FastAPI]]:
    web = create_app(settings)
    with serving(web) as url:
        yield url, web


def actions(engine: Engine) -> list[tuple[str | None, str, str]]:
    with system_session(engine) as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        return [(entry.user, entry.action, entry.target) for entry in entries]


def kept_password(engine: Engine, name: str) -> str | None:
    with system_session(engine) as session:
        return session.scalar(select(User.password_hash).where(User.name == name))


def test_the_first_user_is_an_operator(home: Path, engine: Engine) -> None:
    refused = run("user", "add", "ada", "--password-file", "-", given=PASSWORD)
    assert (refused.exit_code, "--operator" in refused.stderr) == (1, True)
    told = run("user", "add", "Ada", "--operator", "--password-file", "-", given=PASSWORD)
    assert told.stdout == "User Ada is made. From now on everybody logs in.\n"
    (ada,) = done("user", "list")
    assert (ada["name"], ada["operator"], ada["teams"]) == ("ada", True, [{"name": "local", "role": "admin"}])
    assert matches(PASSWORD, kept_password(engine, "ada"))


def test_a_password_is_asked_for_and_never_an_argument(ada: Any, home: Path, engine: Engine) -> None:
    found = run("user", "add", "ben", "--json", given=f"{PASSWORD}\n{PASSWORD}\n")
    assert (found.exit_code, json.loads(found.stdout)["name"]) == (0, "ben")
    assert PASSWORD not in found.output
    assert run("user", "add", "eve", PASSWORD).exit_code == 2
    assert run("user", "add", "eve", "--password", PASSWORD).exit_code == 2
    (home / "password").write_text("another four words\n")
    done("user", "password", "ben", "--password-file", str(home / "password"))
    assert matches("another four words", kept_password(engine, "ben"))


@pytest.mark.parametrize(
    ("words", "given", "said"),
    [
        (["user", "add", "ben", "--password-file", "-"], "short", "at least 12 characters"),
        (["user", "add", "ben", "--password-file", "-", "--team", "none"], PASSWORD, "no team 'none'"),
        (["user", "add", "ben", "--password-file", "nowhere"], None, "cannot be read"),
        (["user", "add", "b/n", "--password-file", "-"], PASSWORD, "letters a-z"),
        (["user", "add", "ada", "--password-file", "-"], PASSWORD, "There is a user ada already"),
        (["user", "disable", "ada"], None, "only operator"),
        (["user", "operator", "ada", "--revoke"], None, "only operator"),
        (["user", "enable", "nobody"], None, "no user 'nobody'"),
        (["user", "role", "ada", "none", "admin"], None, "no team 'none'"),
        (["user", "role", "ada", "local", "viewer"], None, "only administrator"),
        (["team", "add", "Data Science"], None, "letters a-z"),
        (["team", "add", "local"], None, "There is a team local already"),
        (["token", "create", "--user", "nobody", "--name", "x"], None, "no user 'nobody'"),
        (["token", "create", "--user", "ada", "--name", "x" * 101], None, "name: "),
        (["token", "revoke", "7"], None, "no token 7"),
        (["token", "list", "--team", "none"], None, "no team 'none'"),
    ],
)
def test_what_is_refused_is_one_sentence(ada: Any, words: list[str], given: str | None, said: str) -> None:
    found = run(*words, given=given)
    assert (found.exit_code, len(found.stderr.splitlines())) == (1, 1)
    assert said in found.stderr


def test_teams_and_roles(ada: Any, engine: Engine) -> None:
    assert done("team", "add", "vision") == {"slug": "vision", "members": 0, "admins": 0}
    ben = add("ben", "--team", "vision", "--role", "viewer")
    assert ben["teams"] == [{"name": "vision", "role": "viewer"}]
    assert run("user", "role", "ben", "vision", "admin").stdout == "User ben is admin in the team vision.\n"
    assert [team["slug"] for team in done("team", "list")] == ["local", "vision"]
    assert run("team", "list").stdout.splitlines()[1] == "vision  1 members, 1 of them administrators"
    assert run("user", "list").stdout.splitlines() == ["ada  local:admin  operator", "ben  vision:admin"]
    assert done("user", "operator", "ben")["operator"]
    assert done("user", "disable", "ada")["disabled"]
    assert not done("user", "enable", "ada")["disabled"]
    assert actions(engine) == [
        ("command line", "add_user", "ada"),
        ("command line", "create_team", "vision"),
        ("command line", "add_user", "ben"),
        ("command line", "add_member", "ben"),
        ("command line", "set_operator", "ben"),
        ("command line", "disable_user", "ada"),
        ("command line", "enable_user", "ada"),
    ]


def test_a_token_is_shown_once(ada: Any, engine: Engine) -> None:
    made = run("token", "create", "--user", "ada", "--name", "nightly", "--days", "0")
    secret = made.stdout.strip()
    assert secret.startswith("pa_")
    assert "until it is revoked. It is not shown again." in made.stderr
    listed = run("token", "list")
    assert listed.stdout == "1  ada  local  read  nightly  valid\n"
    (told,) = done("token", "list", "--team", "local")
    assert (told["team"], told["expires_at"]) == ("local", None)
    assert secret not in listed.output + json.dumps(told)
    assert done("token", "revoke", "1") == {"revoked": 1}
    assert done("token", "list")[0]["state"] == "revoked"
    assert actions(engine)[-2:] == [("ada", "create_token", "token 1"), ("command line", "revoke_token", "token 1")]


def test_a_token_acts_in_a_team_of_its_user_alone(ada: Any) -> None:
    done("team", "add", "vision")
    found = run("token", "create", "--user", "ada", "--name", "x", "--team", "vision")
    assert (found.exit_code, "ada does not belong to the team vision" in found.stderr) == (1, True)


def test_what_a_server_lets_a_token_do(
    ada: Any, home: Path, server: tuple[str, FastAPI], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "study.yaml").write_text(STUDY)
    study = ("study", "run", str(home / "study.yaml"))
    add("ben", "--role", "viewer")
    tokens = {
        name: done("token", "create", "--user", user, "--name", name, "--scope", scope)["secret"]
        for name, user, scope in (("reads", "ada", "read"), ("writes", "ada", "write"), ("looks", "ben", "write"))
    }
    monkeypatch.setenv("PEFT_ATLAS_URL", server[0])
    assert run("devices").exit_code == NOT_ALLOWED
    for token, may_write in (("reads", False), ("writes", True), ("looks", False)):
        monkeypatch.setenv("PEFT_ATLAS_TOKEN", tokens[token])
        assert run("devices").exit_code == 0
        assert run(*study).exit_code == (0 if may_write else NOT_ALLOWED)
    monkeypatch.delenv("PEFT_ATLAS_URL")
    done("token", "revoke", "1")
    monkeypatch.setenv("PEFT_ATLAS_URL", server[0])
    monkeypatch.setenv("PEFT_ATLAS_TOKEN", tokens["reads"])
    # A server remembers who somebody is for less than a second.
    time.sleep(REMEMBERED_SECONDS + 0.1)
    refused = run("devices")
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (NOT_ALLOWED, 1)


def test_without_accounts_the_key_is_the_token(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(create_app(Settings(require_key=True))) as url:
        monkeypatch.setenv("PEFT_ATLAS_URL", url)
        assert run("devices").exit_code == NOT_ALLOWED
        (home / "key").write_text(first_visit_key(home))
        monkeypatch.setenv("PEFT_ATLAS_TOKEN_FILE", str(home / "key"))
        assert run("devices").exit_code == 0


@pytest.mark.parametrize("words", [["user", "list"], ["team", "list"], ["token", "list"]])
def test_they_work_on_the_home_alone(home: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.setenv("PEFT_ATLAS_URL", "http://127.0.0.1:1")
    found = run(*words)
    assert (found.exit_code, "without PEFT_ATLAS_URL" in found.stderr) == (1, True)
