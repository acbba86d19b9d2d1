"""The form that changes one's password: the browser that sent it stays, every other is logged out."""

import pytest
from fastapi import FastAPI

from app.api.gate import SESSION_COOKIE
from tests.app.api.accounts import PASSWORD, client_of, logged_in, with_people

pytestmark = pytest.mark.anyio
NEXT = "four new wooden boats"
FORM = {"present": PASSWORD, "password": NEXT}


async def test_the_browser_stays_and_others_go(web: FastAPI) -> None:
    with_people(web)
    here, elsewhere = await logged_in(web, "max"), await logged_in(web, "max")
    before = here.cookies[SESSION_COOKIE]
    answer = await here.post("/account/password", data=FORM)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account?changed=password")
    assert here.cookies[SESSION_COOKIE] != before
    assert (await here.get("/api/v1/studies")).status_code == 200
    assert (await elsewhere.get("/api/v1/studies")).status_code == 401
    await logged_in(web, "max", NEXT)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"present": "wrong wooden boats", "password": NEXT}, 403),
        ({"present": PASSWORD, "password": "short"}, 422),
        ({"present": PASSWORD, "password": "x" * 201}, 422),
        ({}, 422),
    ],
)
async def test_a_refusal_shows_the_form_again(web: FastAPI, form: dict[str, str], status: int) -> None:
    here = await logged_in(with_people(web), "max")
    answer = await here.post("/account/password", data=form)
    assert answer.status_code == status
    assert 'action="/account/password"' in answer.text
    assert PASSWORD not in answer.text
    assert (await here.get("/api/v1/studies")).status_code == 200


async def test_nobody_unknown_and_no_page_elsewhere_changes_it(web: FastAPI) -> None:
    here = await logged_in(with_people(web), "max")
    async with client_of(web) as nobody:
        assert (await nobody.post("/account/password", data=FORM)).status_code == 401
    for origin in ("https://evil.example", "null", ""):
        assert (await here.post("/account/password", data=FORM, headers={"origin": origin})).status_code == 403
    await logged_in(web, "max")


async def test_without_accounts_there_is_no_password(web: FastAPI) -> None:
    async with client_of(web) as here:
        assert (await here.post("/account/password", data=FORM)).status_code == 403
