"""S12: nobody guesses a password at a running server, nor finds out who has an account there."""

import sqlite3
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.api.gate import SESSION_COOKIE
from app.services.callers import Role
from tests.security.web_processes import API, PASSWORD, browser_at, home_with, log_in, logged_in, web_processes

pytestmark = pytest.mark.slow

PEOPLE: dict[str, Role] = {
    "ada": "admin",
    "max": "member",
    "vera": "viewer",
    "kim": "viewer",
    "lee": "viewer",
    "mia": "viewer",
    "noa": "viewer",
}
WRONG = "three old iron boats"
DEFAULTS = ("admin", "administrator", "root", "user", "peft-atlas", "atlas", "guest", "test", "demo", "local user")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def urls(home: Path) -> Iterator[list[str]]:
    """Two web processes on one database."""
    with home_with(home, PEOPLE), web_processes(home, 2) as started:
        yield started


def statuses(tries: list[tuple[str, str, str, str]]) -> Counter[int]:
    """What comes of logins (address of the server, name, password, address of the browser), all at once."""

    def one(tried: tuple[str, str, str, str]) -> int:
        url, name, password, address = tried
        with browser_at(url, address=address) as client:
            return log_in(client, name, password).status_code

    with ThreadPoolExecutor(16) as threads:
        return Counter(threads.map(one, tries))


def test_a_name_is_tried_ten_times_a_minute_from_however_many_addresses(urls: list[str]) -> None:
    """Sixteen at once, at both processes; then even the right password is not looked at."""
    many = [(urls[place % 2], "max", WRONG, f"192.0.2.{place}") for place in range(16)]
    told = statuses(many) + statuses([(urls[0], "max", WRONG, f"198.51.100.{place}") for place in range(12)])
    assert set(told) <= {401, 429}
    assert told[401] <= 10
    print(f"{told[401]} of {told.total()} tries of one name were looked at")
    with browser_at(urls[1], address="203.0.113.1") as owner:
        refused = log_in(owner, " MAX ")
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"


def test_an_address_tries_ten_times_a_minute_whatever_the_names(urls: list[str]) -> None:
    tries = [(urls[place % 2], f"name{place}", WRONG, "192.0.2.200") for place in range(16)]
    told = statuses(tries) + statuses(tries)
    assert set(told) <= {401, 429}
    assert told[401] <= 10
    print(f"{told[401]} of {told.total()} tries of one address were looked at")


def test_every_door_counts(urls: list[str]) -> None:
    """The page, the API and the change of a password are one count."""
    there = logged_in(urls[0], "vera", address="192.0.2.201"), browser_at(urls[0], address="192.0.2.202")
    with there[0] as vera, there[1] as nobody:
        told = Counter[int]()
        for _ in range(5):
            told[nobody.post("/login", data={"name": "vera", "password": WRONG}).status_code] += 1
            body = {"present": WRONG, "new": "four new wooden boats"}
            told[vera.post(f"{API}/auth/password", json=body).status_code] += 1
    assert told[401] + told[403] <= 9
    assert told[429] >= 1


def test_who_has_an_account_is_not_told_by_words_or_time(urls: list[str]) -> None:
    """The answers are the same, and their medians of ten lie within a fifth of each other."""
    seconds: dict[str, list[float]] = {"known": [], "unknown": []}
    answers: set[tuple[int, str]] = set()
    for place in range(12):
        for kind, name in (("known", ("kim", "lee", "mia", "noa")[place % 4]), ("unknown", f"nobody{place}")):
            with browser_at(urls[0], address=f"198.51.100.{100 + place}") as client:
                began = time.perf_counter()
                answer = log_in(client, name, WRONG)
                took = time.perf_counter() - began
            answers.add((answer.status_code, answer.text))
            if place > 1:
                seconds[kind].append(took)
    known, unknown = (statistics.median(seconds[kind]) for kind in ("known", "unknown"))
    print(f"median of a refused login: known {known * 1000:.0f} ms, unknown {unknown * 1000:.0f} ms")
    assert len(answers) == 1
    assert answers.pop()[0] == 401
    assert abs(known - unknown) <= 0.2 * max(known, unknown)


def test_passwords_are_kept_as_argon2id_and_secrets_not_at_all(urls: list[str], home: Path) -> None:
    with logged_in(urls[0], "ada", address="192.0.2.203") as ada:
        session = ada.cookies[SESSION_COOKIE]
        token = ada.post(f"{API}/tokens", json={"name": "ci"}).json()["secret"]
        link = ada.post(f"{API}/invitations", json={}).json()["path"].rpartition("/")[2]
    with sqlite3.connect(home / "atlas.sqlite") as database:
        kept = [row[0] for row in database.execute("SELECT password_hash FROM users")]
    database.close()
    assert len(kept) == len(PEOPLE)
    assert all(one.startswith("$argon2id$v=19$m=65536,t=3,p=4$") for one in kept)
    everything = b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())
    for secret in (PASSWORD, WRONG, session, token, link):
        assert secret.encode() not in everything


def test_where_a_browser_says_it_comes_from_is_not_believed(tmp_path: Path) -> None:
    """Without a proxy that is trusted, another address in a header is no other address."""
    with home_with(tmp_path, {"ada": "admin"}), web_processes(tmp_path, PEFT_ATLAS_TRUSTED_PROXIES="") as (url,):
        told = statuses([(url, f"name{place}", WRONG, f"192.0.2.{place}") for place in range(12)])
    assert told[401] <= 10
    assert told[429] >= 2


def test_there_is_no_default_password(tmp_path: Path) -> None:
    """A new installation has nobody in it, and nobody's password opens it."""
    with web_processes(tmp_path, PEFT_ATLAS_REQUIRE_KEY="true") as (url,):
        for name in DEFAULTS:
            with browser_at(url, address=f"192.0.2.{DEFAULTS.index(name)}") as client:
                for password in ("", name, "admin", "password", "changeme", "peft-atlas"):
                    client.post("/login", data={"name": name, "password": password, "key": password})
                assert log_in(client, name, "password").status_code in (401, 429)
                assert client.get(f"{API}/studies").status_code == 401
    with sqlite3.connect(tmp_path / "atlas.sqlite") as database:
        assert database.execute("SELECT count(*) FROM users").fetchone() == (0,)
    database.close()
