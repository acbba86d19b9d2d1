"""The attacked installation is what the attacks take it for."""

import pytest

from tests.security.installation import ANONYMOUS, Installation


@pytest.mark.parametrize("who", ["viewer", "member", "admin", "root", "viewer-others", "member-others", "admin-others"])
def test_everybody_sees_the_study_of_their_team_alone(installed: Installation, who: str) -> None:
    mine, foreign = installed.ours, installed.others
    if who.endswith("-others"):
        mine, foreign = foreign, mine
    with installed.client(who) as client:
        assert client.get(f"/api/v1/studies/{mine.study_id}").status_code == 200
        assert client.get(f"/api/v1/runs/{mine.run_id}").status_code == 200
        assert client.get(f"/api/v1/studies/{foreign.study_id}").status_code == 404
        assert client.get(f"/api/v1/runs/{foreign.run_id}").status_code == 404


def test_a_browser_may_write_and_nobody_else_gets_in(installed: Installation) -> None:
    with installed.browser("viewer") as browser:
        assert browser.get("/api/v1/auth/session").json()["user"] == "viewer"
        assert browser.post("/api/v1/studies", json={}).status_code == 403
    with installed.client(ANONYMOUS) as anybody:
        assert anybody.get("/api/v1/studies").status_code == 401
