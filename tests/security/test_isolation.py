"""S3: a team learns nothing of another one, on every route that there is; what is not theirs is as good as absent.

The routes come from the application itself: one that is added is tested at once, and where it has an id in its path or
a body of a new kind, the test says that it has to be told one.
"""

import asyncio
import json
import re
import shutil
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import RouteContext
from sqlalchemy import func, select

from app.api.policies import policies_of, routes
from app.db.session import system_session
from app.db.tables import Dataset, IdempotencyKey, Run, Study
from app.errors import Invalid
from app.main import create_app
from app.schemas import StudyDocument
from app.services import datasets, studies, team_settings
from app.services.callers import ROLES, Caller
from app.services.exports import FORMATS
from app.settings import Settings
from peft_core import assets
from tests.security.two_teams import CANARY, KEY, Mine, TwoTeams, exported, settle, unchanged

pytestmark = pytest.mark.anyio

ABSENT = 987_654_321
OPERATED = ("/api/v1/users", "/api/v1/teams", "/api/v1/workers", "/api/v1/audit/installation")
"""Of the installation: operators alone come here, and are told who there is and which teams; of what a team holds they
are told nothing."""
FEW = b"text,label\n" + b"".join(f"sentence {place},{'ab'[place % 2]}\n".encode() for place in range(120))
SMALL = {"name": "x", "base_model": "minilm", "task": "tweets", "methods": [{"method": "lora"}]}
BODIES: dict[tuple[str, str], Any] = {
    ("PATCH", "/studies/{study_id}"): {"name": "taken"},
    ("POST", "/studies/{study_id}/extend"): {"seeds": 4},
    ("POST", "/studies/{study_id}/runs"): {
        "items": [{"method": "lora", "seed": 9, "metrics": {"task_performance": 0.5}}]
    },
    ("POST", "/studies/{study_id}/comments"): {"text": "taken"},
    ("PATCH", "/studies/{study_id}/comments/{comment_id}"): {"text": "taken"},
    ("PUT", "/studies/{study_id}/tags"): {"tags": ["taken"]},
    ("POST", "/studies/{study_id}/approvals"): {"state": "withdrawn"},
    ("POST", "/studies/{study_id}/shares"): {},
    ("PATCH", "/team/members/{user}"): {"role": "viewer"},
    ("POST", "/runs/{run_id}/points"): {"items": [{"key": "loss", "step": 1, "value": 1.0}]},
    ("POST", "/runs/{run_id}/predict"): {"inputs": [{"text": "taken"}]},
}
"""What reaches the look-up of an id. Routes without a body need none."""
QUERIES = {"/runs/{run_id}/series": {"key": "train_loss"}}


@pytest.fixture
async def teams(web: FastAPI) -> TwoTeams:
    return await asyncio.to_thread(settle, web)


def with_ids(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and path with an id of a team's in it."""
    found = []
    for route in routes(app):
        if "{" in str(route.path) and of_a_team(route):
            found += [(method, str(route.path)) for method in sorted(route.methods or ())]
    return found


def of_a_team(route: RouteContext) -> bool:
    """Not open to anybody, and not the installation's own."""
    return bool(policies_of(route) - {"anyone"}) and not str(route.path).startswith(OPERATED)


async def ask(client: httpx.AsyncClient, method: str, path: str, ids: dict[str, Any]) -> httpx.Response:
    bare = path.removeprefix("/api/v1")
    needed = re.findall(r"{(\w+)", path)
    unknown = [name for name in needed if name not in ids]
    assert not unknown, f"{path}: say in two_teams.py what {unknown} is a team's"
    body = BODIES.get((method, bare))
    answer = await client.request(method, path.format_map(ids), json=body, params=QUERIES.get(bare))
    assert answer.status_code not in (405, 415, 422) or answer.json().get("detail") is None or body is not None, (
        f"{method} {path}: give it a body in BODIES that reaches the look-up: {answer.text}"
    )
    assert answer.status_code < 500, answer.text
    return answer


def told(answer: httpx.Response, ids: dict[str, Any]) -> tuple[int, str]:
    """What was answered, whichever the ids were."""
    words = re.sub(r'"request_id":"\w+"', "", answer.text)
    for value in sorted({str(value) for value in ids.values()}, key=len, reverse=True):
        words = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "ID", words)
    return answer.status_code, words


def attempts(path: str, teams: TwoTeams) -> list[dict[str, Any]]:
    """Another team's ids; and, in a path of two, one's own first one with their second."""
    names = re.findall(r"{(\w+)", path)
    tried = [teams.alpha.ids]
    if len(names) > 1:
        tried.append(teams.beta.ids | {names[-1]: teams.alpha.ids[names[-1]]})
    return tried


@pytest.mark.parametrize("role", [*ROLES, "operator"])
async def test_not_yours_is_answered_as_absent_on_every_route(teams: TwoTeams, role: str) -> None:
    wrong: list[tuple[object, ...]] = []
    with unchanged(teams.app.state.engine, teams.alpha.team):
        async with teams.client("beta", role) as client:
            for method, path in with_ids(teams.app):
                for ids in attempts(path, teams):
                    foreign = [name for name in re.findall(r"{(\w+)", path) if ids[name] == teams.alpha.ids[name]]
                    absent = ids | dict.fromkeys(foreign, ABSENT)
                    theirs, nobodys = await ask(client, method, path, ids), await ask(client, method, path, absent)
                    if told(theirs, ids) != told(nobodys, absent) or theirs.status_code not in (403, 404):
                        wrong.append((method, path, theirs.status_code, theirs.text[:200], nobodys.text[:200]))
                    # Whoever names somebody is answered with that name.
                    if CANARY in theirs.text.replace(str(ids["user"]), ""):
                        wrong.append((method, path, "names", theirs.text[:200]))
    assert wrong == []


async def test_every_id_is_really_theirs(teams: TwoTeams) -> None:
    """Or the test above would find nothing: their own administrator finds every one."""
    missing = []
    async with teams.client("alpha", "admin") as client:
        # What deletes comes last, a study last of all.
        for method, path in sorted(with_ids(teams.app), key=lambda one: (one[0] == "DELETE", -one[1].count("/"))):
            answer = await ask(client, method, path, teams.alpha.ids)
            nobodys = await ask(client, method, path, dict.fromkeys(teams.alpha.ids, ABSENT))
            unfound = told(answer, teams.alpha.ids) == told(nobodys, {"any": ABSENT})
            if unfound or answer.status_code in (401, 403, 422):
                missing.append((method, path, answer.status_code, answer.text[:200]))
    assert missing == []


def everywhere(app: FastAPI, own: Mine, theirs: Mine) -> list[str]:
    """Every address without another's id in its path that can be read, asked for what another team has."""
    wanted = {
        "study": theirs.ids["study_id"],
        "study_id": theirs.ids["study_id"],
        "studies": f"{theirs.ids['study_id']},{own.ids['study_id']}",
        "q": CANARY,
        "tag": CANARY,
        "limit": 200,
    }
    paths = []
    for route in routes(app):
        read = "GET" in (route.methods or ()) and of_a_team(route)
        if read and set(re.findall(r"{(\w+)", str(route.path))) <= own.ids.keys():
            here, asked = str(route.path).format_map(own.ids), {one.name for one in route.dependant.query_params}
            paths += [here, *(f"{here}?{name}={value}" for name, value in wanted.items() if name in asked)]
            paths += [f"{here}?format={form}" for form in FORMATS if "format" in asked]
    return paths


@pytest.mark.parametrize("role", [*ROLES, "operator"])
async def test_nothing_that_can_be_read_names_another_team(teams: TwoTeams, role: str) -> None:
    leaks = []
    async with teams.client("beta", role) as client:
        for path in everywhere(teams.app, teams.beta, teams.alpha):
            # Of a search the answer may repeat what was searched for.
            answer = await client.get(path)
            assert answer.status_code < 500, (path, answer.text)
            if CANARY in answer.text.replace(f"={CANARY}", "") or CANARY in str(answer.headers):
                leaks.append((path, answer.text[:300]))
    assert leaks == []


async def test_the_same_questions_do_name_ones_own(teams: TwoTeams) -> None:
    """Or the test above would find nothing."""
    named = set()
    async with teams.client("alpha", "admin") as client:
        for path in everywhere(teams.app, teams.alpha, teams.beta):
            if CANARY in (await client.get(path)).text:
                named.add(path.partition("?")[0].removeprefix("/api/v1"))
    study, run = teams.alpha.ids["study_id"], teams.alpha.ids["run_id"]
    assert {
        *("/studies", "/runs", "/templates", "/datasets", "/scenarios/custom", "/comparisons", "/comparisons/csv"),
        *(f"/studies/{study}{part}" for part in ("", "/comments", "/approvals", "/shares", "/comparison", "/export")),
        *(f"/runs/{run}{part}" for part in ("", "/log", "/log.txt", "/events", "/artifacts")),
    } <= named


async def test_what_is_asked_with_a_body_names_no_other_team(teams: TwoTeams) -> None:
    theirs = teams.alpha.ids["study_id"]
    async with teams.client("beta", "admin") as client:
        for study in (theirs, ABSENT):
            answer = await client.post("/api/v1/recommendations", json={"study": study, "scenario": "production"})
            assert (answer.status_code, CANARY in answer.text) == (404, False), answer.text
        looked_up = await client.post("/api/v1/lookups", json={"base_model": "minilm", "train_items": 400})
    assert looked_up.status_code == 200, looked_up.text
    assert CANARY not in looked_up.text


async def test_whose_run_a_worker_is_at_is_told_its_team_alone(teams: TwoTeams) -> None:
    seen = {}
    for team in ("alpha", "beta"):
        async with teams.client(team, "viewer") as client:
            (worker,) = (await client.get("/api/v1/devices")).json()["items"]
            seen[team] = (worker["busy"], worker["run_id"])
    # Both have a run on this worker, and each is told its own.
    assert seen == {"alpha": (True, teams.alpha.running), "beta": (True, teams.beta.running)}
    with system_session(teams.app.state.engine) as session:
        session.get_one(Run, teams.beta.running).status = "succeeded"
    async with teams.client("beta", "operator") as client:
        (worker,) = (await client.get("/api/v1/devices")).json()["items"]
    assert (worker["busy"], worker["run_id"]) == (True, None)


async def test_an_idempotency_key_answers_its_team_alone(teams: TwoTeams) -> None:
    async with teams.client("beta", "member") as client:
        made = await client.post("/api/v1/studies", json=SMALL, headers={"idempotency-key": KEY})
        again = await client.post("/api/v1/studies", json=SMALL, headers={"idempotency-key": KEY})
    assert made.status_code == 201, made.text
    assert made.json()["id"] == again.json()["id"] != teams.alpha.ids["study_id"]
    with system_session(teams.app.state.engine) as session:
        assert session.scalar(select(func.count()).where(IdempotencyKey.key == KEY)) == 2


async def test_an_imported_study_meets_nobody_elses(teams: TwoTeams) -> None:
    """The same archive is known again within a team, and new to another."""
    archive = json.loads(await asyncio.to_thread(exported, teams.app, teams.alpha))
    made = {}
    for team in ("alpha", "alpha", "beta"):
        async with teams.client(team, "member") as client:
            answer = await client.post("/api/v1/imports/study", json=archive)
            made[team] = answer.json()
            assert answer.status_code in (200, 201), answer.text
    assert made["alpha"] != made["beta"]


# -- datasets by path -------------------------------------------------------------------------------------------------


def naming(path: str) -> dict[str, Any]:
    return SMALL | {"task": {"dataset": path, "text": "text", "label": CANARY}}


@pytest.mark.parametrize("role", ROLES)
async def test_another_teams_upload_cannot_be_named(teams: TwoTeams, role: str) -> None:
    folder = teams.app.state.settings.home_folder / "datasets"
    theirs = teams.alpha.dataset
    (folder / "a-link.csv").symlink_to(folder / theirs)
    written = {
        "plain": (theirs, "teams/777/nothing-0123456789.csv"),
        "absolute": (str(folder / theirs), str(folder / "teams/777/nothing-0123456789.csv")),
        "round about": (
            f"teams/{teams.beta.team}/../{teams.alpha.team}/{Path(theirs).name}",
            "teams/777/../8/none.csv",
        ),
        "a link": ("a-link.csv", "no-link.csv"),
        "the folder": (f"teams/{teams.alpha.team}", "teams/777"),
    }
    async with teams.client("beta", role) as client:
        for way, (named, absent) in written.items():
            for route in ("/studies", "/estimates/study"):
                answers = []
                for path in (named, absent):
                    document = naming(path)
                    body = document if route == "/studies" else {"study": document}
                    answer = await client.post(f"/api/v1{route}", json=body)
                    answers.append(told(answer, {"dataset": path}))
                assert answers[0] == answers[1], (way, route)
                assert answers[0][0] in (403, 422, 200)
                assert "sentence" not in answers[0][1]
    async with teams.client("alpha", "member") as client:
        answer = await client.post("/api/v1/studies", json=naming(theirs))
        assert answer.status_code == 201, answer.text


async def test_another_teams_base_model_cannot_be_named(teams: TwoTeams) -> None:
    models = teams.app.state.settings.home_folder / "models"
    theirs = f"teams/{teams.alpha.team}/encoder"
    shutil.copytree(assets.base_models()["minilm"].folder, models / theirs)
    study = SMALL | {"base_model": theirs}
    absent = study | {"base_model": "teams/777/encoder"}
    async with teams.client("beta", "member") as client:
        for name in (theirs, str(models / theirs)):
            missing = absent | ({"base_model": str(models / "teams/777/encoder")} if name != theirs else {})
            answers = [
                await client.post("/api/v1/studies", json=body) for body in (study | {"base_model": name}, missing)
            ]
            assert [answer.status_code for answer in answers] == [422, 422]
            assert told(answers[0], {"a": name}) == told(answers[1], {"a": missing["base_model"]})
    async with teams.client("alpha", "member") as client:
        assert (await client.post("/api/v1/studies", json=study)).status_code == 201
        offered = [card["name"] for card in (await client.get("/api/v1/base-models")).json()["items"]]
        assert theirs in offered
    async with teams.client("beta", "member") as client:
        assert theirs not in (await client.get("/api/v1/base-models")).text


def named_by(app: FastAPI, team_id: int, dataset: str) -> int:
    """A study that a team makes of a dataset."""
    document = SMALL | {"task": {"dataset": dataset, "text": "text", "label": "label"}}
    own = team_settings.settings_of(app.state.engine, app.state.settings, team_id)
    caller = Caller(team_id, "somebody", "member")
    return studies.create_study(app.state.engine, own, caller, StudyDocument.model_validate(document))


async def test_uploads_from_before_teams_are_the_first_teams(teams: TwoTeams) -> None:
    engine, settings = teams.app.state.engine, teams.app.state.settings
    first = Caller(1, "local user", "admin")
    parts = iter((FEW, b""))
    view = await asyncio.to_thread(datasets.keep_dataset, engine, settings, first, "early.csv", lambda _: next(parts))
    folder = settings.home_folder / "datasets"
    early = Path(view.dataset).name
    (folder / view.dataset).rename(folder / early)
    with system_session(engine) as session:
        session.get_one(Dataset, view.id).file = early
    (folder / "everybodys.csv").write_bytes(FEW)
    assert await asyncio.to_thread(named_by, teams.app, 1, early)
    assert await asyncio.to_thread(named_by, teams.app, teams.beta.team, "everybodys.csv")
    with pytest.raises(Invalid, match=r"^There is no dataset 'early-"):
        await asyncio.to_thread(named_by, teams.app, teams.beta.team, early)
    again = iter((FEW, b""))
    kept = await asyncio.to_thread(datasets.keep_dataset, engine, settings, first, "early.csv", lambda _: next(again))
    assert kept.dataset == early


async def test_uploads_of_the_same_file_are_kept_for_each_team(teams: TwoTeams) -> None:
    kept = {}
    for team in ("alpha", "beta"):
        async with teams.client(team, "member") as client:
            answer = await client.post("/api/v1/datasets", files={"file": ("same.csv", FEW)})
            assert answer.status_code == 201, answer.text
            kept[team] = answer.json()["dataset"]
    assert kept["alpha"].startswith(f"teams/{teams.alpha.team}/")
    assert kept["beta"].startswith(f"teams/{teams.beta.team}/")


# -- what stands beside the routes ------------------------------------------------------------------------------------


async def test_a_team_without_studies_gets_a_quickstart_of_its_own(teams: TwoTeams) -> None:
    engine, settings = teams.app.state.engine, teams.app.state.settings
    first = Caller(1, "local user", "admin")
    made = await asyncio.to_thread(studies.queue_quickstart_once, engine, settings, first)
    assert made is not None
    assert await asyncio.to_thread(studies.queue_quickstart_once, engine, settings, first) is None
    with system_session(engine) as session:
        assert session.get_one(Study, made).team_id == 1


def test_routes_with_two_ids_try_ones_own_first(settings: Settings) -> None:
    app = create_app(settings)
    app.state.engine.dispose()
    twofold = [path for _, path in with_ids(app) if len(re.findall(r"{(\w+)", path)) > 1]
    assert {"comment_id", "artifact_id", "share_id", "publication_id"} <= {
        re.findall(r"{(\w+)", path)[-1] for path in twofold
    }
    assert len(list(product(with_ids(app), ROLES))) > 100
