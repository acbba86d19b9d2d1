"""S13: no page of another site, and no name of another host, reaches anything: any method, any path, any websocket."""

import http.client
import itertools
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.security.installation import Installation
from tests.security.raw import exchange, head

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
PATHS = (
    *("/", "/login", "/studies/1", "/nowhere", "/assets/door.css", "/assets/live.js"),
    *("/_dash-layout", "/_dash-dependencies", "/_dash-update-component", "/_live"),
    *("/api/v1/healthz", "/api/v1/studies", "/api/v1/studies/1/cancel", "/api/v1/auth/login", "/api/docs", "/api/x"),
)
SOCKETS = ("/_live", "/_dash-ws-callback")
FOREIGN_ORIGINS = (
    *("http://evil.example", "https://evil.example", "null", "", "file://", "http://127.0.0.1:1", "http://localhost"),
    *("http://{address}.evil.example", "http://{address}@evil.example", "http://evil.example/{address}", "{address}"),
    *("ws://{address}", "http://[", "http://{address}, http://evil.example", "chrome-extension://abcdefgh"),
)
FOREIGN_HOSTS = (
    *("evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example:{port}"),
    *("0.0.0.0:{port}", "10.0.0.1", "", "evil.example@127.0.0.1:{port}", "127.0.0.1:{port}@evil.example"),
    *("127.0.0.1:x", "127.0.0.1:{port}/x", "[::2]:{port}", "127.0.0.1 evil.example", "127.1"),
)


@pytest.fixture(scope="module")
def cookie(installed: Installation) -> str:
    """Of somebody who may do everything."""
    return installed.cookie_header("root")


@pytest.fixture
def connection(installed: Installation) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection(installed.address, timeout=20)) as opened:
        yield opened


def status_of(connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str]) -> int:
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    answer.read()
    return answer.status


@pytest.mark.parametrize("logged_in", [False, True])
def test_every_method_on_every_kind_of_path_is_refused_to_other_origins(
    installed: Installation, connection: http.client.HTTPConnection, cookie: str, logged_in: bool
) -> None:
    own = {"host": installed.address, "content-length": "0"} | ({"cookie": cookie} if logged_in else {})
    answered = {
        (method, path, origin): status_of(
            connection, method, path, own | {"origin": origin.format(address=installed.address)}
        )
        for method, path, origin in itertools.product(METHODS, PATHS, FOREIGN_ORIGINS)
    }
    print(f"{len(answered)} requests with foreign origins")
    assert {what: status for what, status in answered.items() if status != 403} == {}


@pytest.mark.parametrize("logged_in", [False, True])
def test_every_method_on_every_kind_of_path_is_refused_to_other_hosts(
    installed: Installation, connection: http.client.HTTPConnection, cookie: str, logged_in: bool
) -> None:
    port = installed.address.partition(":")[2]
    own = {"content-length": "0", "x-forwarded-host": installed.address, "forwarded": f"host={installed.address}"}
    own |= {"cookie": cookie} if logged_in else {}
    answered = {
        (method, path, host): status_of(connection, method, path, own | {"host": host.format(port=port)})
        for method, path, host in itertools.product(METHODS, PATHS, FOREIGN_HOSTS)
    }
    print(f"{len(answered)} requests for foreign hosts")
    assert {what: status for what, status in answered.items() if status != 403} == {}


def test_a_foreign_origin_of_the_same_host_gets_no_permission_to_read(installed: Installation) -> None:
    for method in ("GET", "OPTIONS"):
        asked = [("host", installed.address), ("origin", "http://evil.example")]
        answer = exchange(
            installed.address,
            head(method, "/api/v1/studies", [*asked, ("access-control-request-method", "POST")]),
        )
        assert answer.status == 403
        assert "access-control-allow" not in answer.text.lower()


@pytest.mark.parametrize(
    "doubled",
    [
        [("host", "{address}"), ("host", "evil.example")],
        [("host", "evil.example"), ("host", "{address}")],
        [("host", "{address}"), ("origin", "http://{address}"), ("origin", "http://evil.example")],
        [("host", "{address}"), ("origin", "http://evil.example"), ("origin", "http://{address}")],
        [("host", "{address}, evil.example")],
        [("origin", "http://{address}")],
    ],
    ids=["own host first", "own host last", "own origin first", "own origin last", "a list", "no host"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_said_twice_is_refused(
    installed: Installation, cookie: str, method: str, doubled: list[tuple[str, str]]
) -> None:
    headers = [(name, value.format(address=installed.address)) for name, value in doubled]
    for path in ("/api/v1/studies", "/", "/_dash-update-component"):
        sent = head(method, path, [*headers, ("cookie", cookie), ("content-length", "0")])
        assert exchange(installed.address, sent).status in (400, 403), path


def test_a_target_with_a_host_in_it_counts_for_nothing(installed: Installation, cookie: str) -> None:
    ours, path = f"http://{installed.address}", "/api/v1/studies"
    foreign = [("host", "evil.example"), ("cookie", cookie)]
    assert exchange(installed.address, head("GET", ours + path, foreign)).status == 403
    own = [("host", installed.address), ("cookie", cookie), ("x-forwarded-host", "evil.example")]
    answer = exchange(installed.address, head("GET", f"http://evil.example{path}", own))
    assert "evil" not in answer.text
    assert exchange(installed.address, head("CONNECT", "evil.example:443", own)).status >= 400
    asked = [("host", installed.address), ("x-forwarded-host", "evil.example"), ("accept", "text/html")]
    led = exchange(installed.address, head("GET", "http://evil.example/studies/1?x=1", asked))
    assert (led.status, "evil" in led.text) == (303, False)


@pytest.mark.parametrize(
    "lengths",
    [
        [("content-length", "2"), ("content-length", "40")],
        [("content-length", "2"), ("transfer-encoding", "chunked")],
        [("transfer-encoding", "chunked"), ("transfer-encoding", "identity")],
        [("transfer-encoding", "xchunked")],
        [("content-length", "-1")],
        [("content-length", "+2")],
        [("content-length", "0x2")],
        [("content-length", "²")],
        [("content-length", "9" * 40)],
    ],
)
def test_no_second_request_hides_in_a_body(
    installed: Installation, cookie: str, lengths: list[tuple[str, str]]
) -> None:
    hidden = head("DELETE", f"/api/v1/studies/{installed.ours.study_id}", [("host", installed.address)])
    own = [("host", installed.address), ("origin", installed.url), ("cookie", cookie)]
    kind = ("content-type", "application/json")
    sent = head("POST", "/api/v1/lookups", [*own, kind, *lengths]) + b"{}" + hidden
    answer = exchange(installed.address, sent, seconds=3)
    assert 400 <= answer.status < 500
    assert "204 No Content" not in answer.text


@pytest.mark.parametrize("path", SOCKETS)
@pytest.mark.parametrize("logged_in", [False, True])
def test_no_websocket_is_opened_for_a_foreign_page(
    installed: Installation, cookie: str, path: str, logged_in: bool
) -> None:
    port = installed.address.partition(":")[2]
    held = [("cookie", cookie)] if logged_in else []
    origins = [origin.format(address=installed.address) for origin in FOREIGN_ORIGINS]
    hosts = [host.format(port=port) for host in FOREIGN_HOSTS]
    tried = [(installed.address, origin) for origin in origins] + [(host, installed.url) for host in hosts]
    for host, origin in tried:
        asked = [("host", host), ("origin", origin), *held, *upgrade()]
        assert exchange(installed.address, head("GET", path, asked)).status in (400, 403), (host, origin)


@pytest.mark.parametrize("path", SOCKETS)
def test_a_websocket_opens_for_our_page_once_somebody_has_logged_in(
    installed: Installation, cookie: str, path: str
) -> None:
    asked = [("host", installed.address), ("origin", installed.url), *upgrade()]
    assert exchange(installed.address, head("GET", path, asked)).status == 403
    assert exchange(installed.address, head("GET", path, [*asked, ("cookie", cookie)])).status == 101


def upgrade() -> list[tuple[str, str]]:
    key = ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==")
    return [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13"), key]
