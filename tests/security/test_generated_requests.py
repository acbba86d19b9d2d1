"""S1: requests made from the API's own description, good ones and bad ones, by nobody, a member and the other team: no
answer is a fault of the server, and none is another than the description says."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis

from tests.security.installation import ANONYMOUS, Installation, installation

CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"),
    *("ignored_auth", "negative_data_rejection", "use_after_free"),
)
RULES = """
[checks.not_a_server_error]
# Without a worker a model's answer is not available, and is refused as such.
expected-statuses = ["2xx", "3xx", "4xx", "503"]
[checks.negative_data_rejection]
expected-statuses = ["4xx", "503"]
"""
STUDY = {
    "name": "Made from the description",
    "budget": {"steps": 5, "batch_size": 4, "max_length": 32},
    "seeds": 1,
    "grid_points": 1,
    "methods": [{"method": "lora"}],
}
HEADERS = (
    *("idempotency-key", "last-event-id", "accept-language", "cookie", "x-csrf-token", "peft-atlas-access", "range"),
    *("if-none-match", "x-request-id", "accept", "user-agent", "x-forwarded-for", "content-language"),
)
CALLERS = (ANONYMOUS, "member", "member-others", "root")


def description(there: Installation) -> dict[str, Any]:
    with there.client("root") as client:
        document: dict[str, Any] = client.get("/api/openapi.json").json()
    return document


def ask_everything(there: Installation, folder: Path, who: str, *options: str) -> None:
    """Every operation of the description, as somebody; fails with what schemathesis found."""
    folder.mkdir()
    with there.client("root") as client:
        (folder / "openapi.json").write_bytes(client.get("/api/openapi.json").content)
    (folder / "schemathesis.toml").write_text(RULES)
    token = [] if who == ANONYMOUS else ["--header", f"Authorization: Bearer {there.tokens[who]}"]
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", "openapi.json", "--url", there.url, *token]
    fixed = ("--checks", ",".join(CHECKS), "--seed", "11", "--no-color", "--warnings", "off", "--continue-on-failure")
    done = subprocess.run([*command, *fixed, *options], cwd=folder, capture_output=True, text=True, check=False)
    said = done.stdout[done.stdout.find("FAILURES") :]
    print(who, *(line.strip() for line in done.stdout.splitlines() if "generated" in line or "in 1" in line))
    assert done.returncode == 0, said[-8_000:] + done.stderr[-2_000:]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with installation(tmp_path_factory.mktemp("generated")) as there:
        yield there


@pytest.mark.parametrize(("who", "examples"), [(ANONYMOUS, "1"), ("member", "3"), ("member-others", "1")])
def test_no_request_is_answered_by_a_fault(generated: Installation, tmp_path: Path, who: str, examples: str) -> None:
    ask_everything(generated, tmp_path / "run", who, "--phases", "fuzzing", "--max-examples", examples)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("phases", ["examples,coverage", "fuzzing", "stateful"])
def test_no_request_of_thousands_is_answered_by_a_fault(tmp_path: Path, who: str, phases: str) -> None:
    with installation(tmp_path / "home") as there:
        ask_everything(there, tmp_path / "run", who, "--phases", phases, "--max-examples", "50")


class Described:
    """A caller whose every answer is held against the description."""

    def __init__(self, document: dict[str, Any], client: httpx.Client) -> None:
        self._schema, self._client = schemathesis.openapi.from_dict(document), client

    def ask(self, method: str, path: str, status: int, *, json: Any = None, **ids: int) -> httpx.Response:
        answer = self._client.request(method, path.format(**ids), json=json)
        assert answer.status_code == status, answer.text[:500]
        self._schema[path][method].validate_response(answer)
        return answer


def test_a_study_lives_and_ends_as_described_and_for_one_team_alone(generated: Installation) -> None:
    with generated.client("member") as member, generated.client("member-others") as others:
        document = description(generated)
        live_and_end(Described(document, member), Described(document, others))


def live_and_end(member: Described, others: Described) -> None:
    study = "/api/v1/studies/{study_id}"
    made = member.ask("POST", "/api/v1/studies", 201, json=STUDY).json()
    ids = {"study_id": made["id"]}
    run = member.ask("GET", "/api/v1/runs", 200).json()["items"][-1]["id"]
    steps: tuple[tuple[str, str, int, Any], ...] = (
        ("GET", study, 200, None),
        ("PATCH", study, 200, {"name": "Another name", "priority": 3}),
        ("GET", f"{study}/comparison", 200, None),
        ("GET", f"{study}/significance", 200, None),
        ("GET", f"{study}/environments", 200, None),
        ("GET", f"{study}/export", 200, None),
        ("PUT", f"{study}/tags", 200, {"tags": ["one"]}),
        ("POST", f"{study}/comments", 201, {"text": "words"}),
        ("GET", f"{study}/comments", 200, None),
        ("POST", f"{study}/cancel", 200, None),
        ("DELETE", study, 204, None),
    )
    for method, path, status, body in steps:
        others.ask(method, path, 404, json=body, **ids)
        member.ask(method, path, status, json=body, **ids)
    for method, path, _, body in steps:
        member.ask(method, path, 404, json=body, **ids)
    member.ask("GET", "/api/v1/runs/{run_id}", 404, run_id=run)


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": NaN}',
        b'{"name": "x", "seeds": Infinity}',
        b'{"name": "x", "seeds": -Infinity, "methods": []}',
        b'{"name": "x", "seeds": 1e999}',
        b'{"name": "x", "seeds": ' + b"9" * 5_000 + b"}",
        b'{"name": "x", "seeds": 1' + b"0" * 400 + b".0}",
        b'{"name": "\\ud800"}',
        b'{"name": "\\udfff\\ud800", "methods": [{"method": "\\ud800"}]}',
        b'{"name": "\\u0000"}',
        b'{"\\ud800": 1}',
        b'{"name": "\xed\xa0\x80"}',
        b'{"name": "\xff"}',
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"name": "a", "name": "b", "methods": [], "methods": [{}]}',
        b"",
        b"null",
        b"\x00",
        b'"x"',
        b"{} {}",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_no_json_is_a_fault_of_the_server(generated: Installation, body: bytes) -> None:
    with generated.client("root") as client:
        paths = description(generated)["paths"]
        for path, operations in paths.items():
            for method, operation in operations.items():
                if "application/json" in operation.get("requestBody", {}).get("content", {}) and "auth" not in path:
                    place = path.replace("{", "").replace("}", "")
                    place = "/".join("1" if part.endswith("_id") else part for part in place.split("/"))
                    answer = client.request(method, place, content=body, headers={"content-type": "application/json"})
                    assert answer.status_code < 500, (method, place, answer.text[:300])


@pytest.mark.parametrize(
    "value", ["%00", "%ff", "%ed%a0%80", "%F0%9F%92%A9", "9" * 5_000, "-1", "1e400", "NaN", "%0d%0ax:y", "'"]
)
def test_no_parameter_is_a_fault_of_the_server(generated: Installation, value: str) -> None:
    with generated.client("root") as client:
        for path, operations in description(generated)["paths"].items():
            if "get" not in operations or path.endswith("/events"):
                continue
            place = "/".join(value if part.startswith("{") else part for part in path.split("/"))
            asked = "&".join(f"{one['name']}={value}" for one in operations["get"].get("parameters", []))
            for address in {f"{place}?{asked}", f"{path.replace('{', '').replace('}', '')}?{asked}"}:
                answer = client.get(address)
                assert answer.status_code < 500 or answer.status_code == 503, (address[:200], answer.text[:300])


@pytest.mark.parametrize("value", [b"\xff\xfe", b"\x80", b"9" * 9_000, b"-1", b"1.5.x", b"'", b"\xc3\xa9"])
def test_no_header_is_a_fault_of_the_server(generated: Installation, value: bytes) -> None:
    with generated.client("root") as client:
        for name in HEADERS:
            for method, path in (("GET", "/api/v1/runs/1/log"), ("POST", "/api/v1/studies"), ("GET", "/")):
                answer = client.request(
                    method, path, headers=[(name.encode(), value)], json=None if method == "GET" else {}
                )
                assert answer.status_code < 500, (name, path, answer.text[:300])
