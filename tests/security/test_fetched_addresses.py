"""S9: no address that somebody writes into a field is ever fetched, and the hub's token goes to the hub alone."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from peft_core.errors import HubError
from peft_core.hub import find
from peft_core.hub_access import Hub
from tests.hub_repositories import TOKEN
from tests.security.installation import Installation, installation
from tests.security.listener import Listener, listening

STUDY: dict[str, Any] = {"name": "x", "seeds": 1, "grid_points": 1, "methods": [{"method": "lora"}]}
COLUMNS = {"text": "text", "label": "label"}


def addresses(listener: Listener) -> list[str]:
    """Ways to write where it listens."""
    port, hex_host = listener.port, "0x7f000001"
    return [
        *(
            f"http://127.0.0.1:{port}/x",
            f"https://127.0.0.1:{port}/x",
            f"ftp://127.0.0.1:{port}/x",
            f"127.0.0.1:{port}/x",
        ),
        *(
            f"//127.0.0.1:{port}/x",
            f"\\\\127.0.0.1:{port}\\x",
            f"http://localhost:{port}/a/b",
            f"http://{hex_host}:{port}",
        ),
        *(f"http://[::ffff:127.0.0.1]:{port}/x", f"HTTP://127.0.0.1:{port}", f"http:127.0.0.1:{port}/x"),
        *(
            f"file://127.0.0.1:{port}/x",
            f"hf://127.0.0.1:{port}/x",
            f"s3://127.0.0.1:{port}/x",
            f"git+http://127.0.0.1:{port}",
        ),
        *(
            f"a/b@http://127.0.0.1:{port}",
            f"..//127.0.0.1:{port}/x",
            f"http%3a%2f%2f127.0.0.1:{port}",
            "file:///etc/passwd",
        ),
    ]


@pytest.fixture(scope="module")
def asking_a_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Listener]]:
    """An installation that may ask a hub, which is a listener of its own."""
    with listening() as hub:
        variables = {
            "PEFT_ATLAS_HUB_ENABLED": "true",
            "PEFT_ATLAS_HUB_ENDPOINT": hub.url,
            "PEFT_ATLAS_HUB_TOKEN": TOKEN,
            "HF_HUB_OFFLINE": "0",
        }
        with installation(tmp_path_factory.mktemp("asking"), variables) as asking:
            yield asking, hub


def send_everywhere(installed: Installation, address: str) -> None:
    """An address in every field that names something, as somebody who may do everything."""
    with installed.client("root") as client:
        for document in (
            STUDY | {"base_model": address},
            STUDY | {"task": address},
            STUDY | {"task": COLUMNS | {"dataset": address}},
            STUDY | {"task": COLUMNS | {"dataset": "x.csv", "folder": address}},
            STUDY | {"methods": [{"method": address}]},
            STUDY | {"methods": [{"method": "lora", "hyperparameters": {"target_modules": address}}]},
        ):
            for path in ("studies", "estimates/study", "study-documents/write"):
                answer = client.post(
                    f"/api/v1/{path}", json=document if path != "estimates/study" else {"study": document}
                )
                assert answer.status_code in (200, 422, 503), (path, answer.text)
            client.post("/api/v1/templates", json={"name": address[:190], "document": document})
            client.post("/api/v1/estimates", json=document)
        client.post("/api/v1/imports/study", json=STUDY | {"base_model": address, "results": {}})
        client.post("/api/v1/imports/hf-peft", files={"files": (address, b"{}")})
        client.post("/api/v1/datasets", files={"file": (address, b"text,label\na,b\nc,d\ne,b\n")})
        for path in ("base-models/card", "methods", "presets"):
            client.get(f"/api/v1/{path}", params={"name": address, "base_model": address, "task": address})
        client.get("/login", params={"next": address}, follow_redirects=False)
        client.post(f"/api/v1/studies/{installed.ours.study_id}/comments", json={"text": address})
        client.get("/", headers={"referer": address, "x-forwarded-host": address, "x-original-url": address})


def test_without_a_hub_nothing_is_ever_fetched(installed: Installation) -> None:
    with listening() as listener:
        for address in addresses(listener):
            send_everywhere(installed, address)
    assert listener.heard == []


def test_with_a_hub_only_the_hub_is_asked(asking_a_hub: tuple[Installation, Listener]) -> None:
    asking, hub = asking_a_hub
    with listening() as listener:
        for address in addresses(listener):
            send_everywhere(asking, address)
    assert listener.heard == []
    foreign = [heard for heard in hub.heard if f"Host: 127.0.0.1:{hub.port}".lower().encode() not in heard.lower()]
    assert foreign == []


def test_a_hubs_name_leads_to_the_configured_hub_alone(asking_a_hub: tuple[Installation, Listener]) -> None:
    asking, hub = asking_a_hub
    before = len(hub.heard)
    with asking.client("member") as client:
        answer = client.post("/api/v1/studies", json=STUDY | {"base_model": "somebody/something"})
    assert answer.status_code in (422, 503)
    assert len(hub.heard) > before


class _Elsewhere(BaseHTTPRequestHandler):
    """A hub that sends everybody on."""

    to = ""

    def log_message(self, *_arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", f"{self.to}{self.path}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        self.do_GET()


@contextmanager
def sending_on(to: str) -> Iterator[str]:
    handler = type("Elsewhere", (_Elsewhere,), {"to": to})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_hub_that_sends_elsewhere_does_not_send_its_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    hub = partial(Hub, cache=tmp_path, token=TOKEN)
    with listening() as listener, sending_on(f"http://{name}:{listener.port}") as endpoint, pytest.raises(HubError):
        find(hub(endpoint=endpoint), "model", "somebody/something")
    print(f"{len(listener.heard)} requests were sent on")
    assert all(TOKEN.encode() not in heard for heard in listener.heard)
