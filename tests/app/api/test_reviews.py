"""Comments, tags and approvals: written in the caller's name, bounded, of one team, and gone with their study."""

from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from app.client import ApiProblem, AtlasClient
from app.db.session import system_session
from app.db.tables import Run, StudyApproval, StudyComment, StudyTag, Team
from app.errors import Forbidden
from app.services import reviews
from app.services.callers import LOCAL
from tests.databases import on_both_databases
from tests.flow.finished_study import insert

pytestmark = [pytest.mark.anyio, on_both_databases]
STUDIES = "/api/v1/studies"


@pytest.fixture
def study(web: FastAPI) -> int:
    with system_session(web.state.engine) as session:
        return insert(session, team_id=1).id


# -- comments ---------------------------------------------------------------------------------------------------------


async def test_a_comment_is_written_edited_and_deleted_in_the_callers_name(web: FastAPI, study: int) -> None:
    client = AtlasClient.in_process(web)
    said = await client.add_comment(study, "  LoRA r8 ties at a tenth of the memory.\nShip it?  ")
    assert (said.user, said.own, said.edited_at) == ("local user", True, None)
    assert said.text == "LoRA r8 ties at a tenth of the memory.\nShip it?"
    assert (await client.study(study)).comments == 1
    edited = await client.edit_comment(study, said.id, "Not yet.")
    assert edited.edited_at is not None
    await client.delete_comment(study, said.id)
    (left,) = await client.comments(study)
    assert (left.text, left.own, left.deleted_at is not None) == ("", False, True)
    assert (await client.study(study)).comments == 0
    with pytest.raises(ApiProblem, match="may have been deleted"):
        await client.edit_comment(study, said.id, "Back again.")
    await client.close()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"text": " \n "}, "cannot be empty"),
        ({"text": "x" * 4_001}, "at most 4000"),
        ({"text": "a\u0000b"}, "NUL"),
        ({}, "required"),
        ({"text": "x", "user": "somebody else"}, "remove it"),
    ],
)
async def test_a_bad_comment_is_refused_in_a_sentence(
    api: httpx.AsyncClient, study: int, body: dict[str, str], said: str
) -> None:
    answer = await api.post(f"{STUDIES}/{study}/comments", json=body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert (await api.get(f"{STUDIES}/{study}/comments")).json()["items"] == []


async def test_only_its_author_or_an_administrator_changes_a_comment(web: FastAPI, study: int) -> None:
    engine = web.state.engine
    ada, ben = (replace(LOCAL, user=user, role="member") for user in ("ada", "ben"))
    said = reviews.add_comment(engine, ada, study, "Mine.")
    with pytest.raises(Forbidden, match="author"):
        reviews.edit_comment(engine, ben, study, said.id, "Yours.")
    with pytest.raises(Forbidden, match="author"):
        reviews.delete_comment(engine, ben, study, said.id)
    assert [comment.own for comment in reviews.list_comments(engine, ben, study)] == [False]
    reviews.delete_comment(engine, LOCAL, study, said.id)


async def test_another_teams_study_takes_no_review(web: FastAPI, api: httpx.AsyncClient) -> None:
    with system_session(web.state.engine) as session:
        other = Team(id=2, slug="others")
        session.add(other)
        session.flush()
        theirs = insert(session, team_id=other.id).id
    sent = [
        await api.get(f"{STUDIES}/{theirs}/comments"),
        await api.post(f"{STUDIES}/{theirs}/comments", json={"text": "x"}),
        await api.put(f"{STUDIES}/{theirs}/tags", json={"tags": ["x"]}),
        await api.get(f"{STUDIES}/{theirs}/approvals"),
        await api.post(f"{STUDIES}/{theirs}/approvals", json={"state": "approved"}),
    ]
    assert [answer.status_code for answer in sent] == [404] * len(sent)


# -- tags -------------------------------------------------------------------------------------------------------------


async def test_studies_are_found_by_a_tag_whatever_its_case(web: FastAPI, study: int) -> None:
    client = AtlasClient.in_process(web)
    view = await client.set_tags(study, ["on  device", "Tweets", "tweets"])
    assert view.tags == ["on device", "Tweets"]
    assert [found.id for found in (await client.studies(tag="TWEETS")).items] == [study]
    assert (await client.studies(tag="tweet")).items == []
    assert (await client.set_tags(study, [])).tags == []
    await client.close()


@pytest.mark.parametrize(
    ("tags", "said"),
    [([" "], "empty"), (["a,b"], "commas"), (["x" * 41], "at most 40"), (["x"] * 21, "at most 20")],
)
async def test_bad_tags_are_refused_and_the_old_ones_stay(
    api: httpx.AsyncClient, study: int, tags: list[str], said: str
) -> None:
    await api.put(f"{STUDIES}/{study}/tags", json={"tags": ["kept"]})
    answer = await api.put(f"{STUDIES}/{study}/tags", json={"tags": tags})
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert (await api.get(f"{STUDIES}/{study}")).json()["tags"] == ["kept"]


# -- approvals --------------------------------------------------------------------------------------------------------


async def test_an_approval_holds_for_the_results_it_was_given_for(web: FastAPI, study: int) -> None:
    client = AtlasClient.in_process(web)
    assert (await client.study(study)).approval is None
    given = await client.change_approval(study, "approved", " Reviewed with Ben. ")
    assert (given.state, given.user, given.note, given.changed_since) == (
        "approved",
        "local user",
        "Reviewed with Ben.",
        False,
    )
    with pytest.raises(ApiProblem, match="have not changed since"):
        await client.change_approval(study, "approved")
    with system_session(web.state.engine) as session:
        measured = (Run.study_id == study, Run.purpose == "report", Run.status == "succeeded")
        last = session.scalars(select(Run).where(*measured).order_by(Run.id)).all()[-1]
        last.status = "failed"
    approval = (await client.study(study)).approval
    assert approval is not None
    assert approval.changed_since
    assert not (await client.change_approval(study, "approved")).changed_since
    await client.change_approval(study, "withdrawn", "Wrong split.")
    assert [entry.state for entry in await client.approvals(study)] == ["withdrawn", "approved", "approved"]
    assert [entry.changed_since for entry in await client.approvals(study)] == [False, False, True]
    with pytest.raises(ApiProblem, match="nothing to withdraw"):
        await client.change_approval(study, "withdrawn")
    await client.close()


async def test_a_study_without_results_cannot_be_approved(api: httpx.AsyncClient) -> None:
    document = {"name": "Waiting", "seeds": 1, "grid_points": 1, "methods": [{"method": "lora"}]}
    made = (await api.post(STUDIES, json=document)).json()["id"]
    answer = await api.post(f"{STUDIES}/{made}/approvals", json={"state": "approved"})
    assert answer.status_code == 409
    assert "no results yet" in answer.json()["detail"]


async def test_a_deleted_study_takes_its_reviews_with_it(web: FastAPI, api: httpx.AsyncClient, study: int) -> None:
    await api.post(f"{STUDIES}/{study}/comments", json={"text": "Gone soon."})
    await api.put(f"{STUDIES}/{study}/tags", json={"tags": ["gone"]})
    await api.post(f"{STUDIES}/{study}/approvals", json={"state": "approved"})
    assert (await api.delete(f"{STUDIES}/{study}")).status_code == 204
    with system_session(web.state.engine) as session:
        tables = (StudyComment, StudyTag, StudyApproval)
        assert [session.scalar(select(func.count()).select_from(table)) for table in tables] == [0, 0, 0]
