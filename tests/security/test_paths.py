"""S7: no path leads out of its root: nothing beside it is read, and nothing is written there."""

import hashlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.dependencies import ROOT
from tests.security.installation import Installation, installation
from tests.security.raw import exchange, head

CANARY = "canary-7f3a, which lies outside"
DATASET = f"text,label\n{CANARY} 1,a\n{CANARY} 2,b\n{CANARY} 3,a\n{CANARY} 4,b\n{CANARY} 5,a\n{CANARY} 6,b\n"
STUDY: dict[str, Any] = {"name": "x", "seeds": 1, "grid_points": 1, "methods": [{"method": "lora"}]}
COLUMNS = {"text": "text", "label": "label"}
SERVED = (
    *("/assets/{up}{file}", "/api/docs/files/{up}{file}", "/_dash-component-suites/dash/{up}{file}", "/{up}{file}"),
    *("/_dash-component-suites/{up}{file}", "/api/v1/runs/1/artifacts/{up}{file}", "/api/v1/studies/{up}{file}"),
    *("/api/v1/datasets/{up}{file}/preview", "/api/{up}{file}", "/_favicon.ico/{up}{file}", "/login/{up}{file}"),
)
UPS = (
    *("../" * 3, "..%2f" * 3, "%2e%2e/" * 3, "%2e%2e%2f" * 3, "%252e%252e%252f" * 3, "%252e%252e/" * 3),
    *("..\\" * 3, "..%5c" * 3, "%2e%2e%5c" * 3, "..%255c" * 3, "....//" * 3, "..;/" * 3, "..%00/" * 3, "..%c0%af" * 3),
    *("..%ef%bc%8f" * 3, "/", "//", "%2f", "./../", ".%2e/" * 3, "..%0a/" * 3, "file:///", "~/"),
)


@dataclass(frozen=True)
class Attacked:
    """An installation with files of others beside its roots, and links in the roots that lead to them."""

    there: Installation
    outside: Path

    def traces(self) -> dict[str, str]:
        """What lies outside, by name: its content's hash and when it was changed."""
        return {
            str(file): f"{hashlib.sha256(file.read_bytes()).hexdigest()} {file.stat().st_mtime_ns}"
            for file in sorted(self.outside.rglob("*"))
            if file.is_file()
        }


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    folder = tmp_path_factory.mktemp("paths")
    home, outside = folder / "home", folder / "outside"
    (home / "datasets" / "inner").mkdir(parents=True)
    (home / "models").mkdir()
    outside.mkdir()
    for beside in (outside, folder / "home-other", folder / "datasets-other", home / "datasets-other"):
        beside.mkdir(exist_ok=True)
        (beside / "canary.csv").write_text(DATASET)
        (beside / "canary.json").write_text(json.dumps({"canary": CANARY}))
        (beside / "config.json").write_text(json.dumps({"model_type": "bert", "canary": CANARY}))
    (folder / "canary.csv").write_text(DATASET)
    (home / "datasets" / "link.csv").symlink_to(outside / "canary.csv")
    (home / "datasets" / "linked").symlink_to(outside)
    (home / "datasets" / "inner" / "up").symlink_to("../..")
    (home / "models" / "linked").symlink_to(outside)
    with installation(home) as there:
        yield Attacked(there, outside)


@pytest.fixture
def member(attacked: Attacked) -> Iterator[httpx.Client]:
    with attacked.there.client("member") as client:
        yield client


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_no_address_serves_what_lies_outside(attacked: Attacked, accept: str) -> None:
    there, outside = attacked.there, attacked.outside
    own = [("host", there.address), ("authorization", f"Bearer {there.tokens['root']}"), ("accept", accept)]
    files = (f"{outside}/canary.csv".lstrip("/"), "etc/passwd", "app/settings.py", "pyproject.toml", "atlas.sqlite")
    tried = 0
    for served, up, file in itertools.product(SERVED, UPS, files):
        answer = exchange(there.address, head("GET", served.format(up=up, file=file), own))
        tried += 1
        assert answer.status < 500, (served, up, file)
        for secret in (CANARY, "root:x:0:0", "SQLite format", "[build-system]", "PEFT_ATLAS_"):
            assert secret not in answer.text, (served, up, file)
    print(f"{tried} addresses")


def names(attacked: Attacked) -> list[str]:
    """Ways to name the file beside the root."""
    file, folder = attacked.outside / "canary.csv", attacked.outside.parent.name
    return [
        *(str(file), f"/{file}", "../../outside/canary.csv", "../../canary.csv", "../datasets-other/canary.csv"),
        *("..\\..\\outside\\canary.csv", "%2e%2e/%2e%2e/outside/canary.csv", "..%2f..%2foutside%2fcanary.csv"),
        *(
            "%252e%252e%252foutside%252fcanary.csv",
            "inner/../../../outside/canary.csv",
            "inner/up/../outside/canary.csv",
        ),
        *(
            "inner/up/atlas.sqlite",
            "link.csv",
            "linked/canary.csv",
            "linked",
            "canary.csv\0.csv",
            "../../outside/canary.csv\0",
        ),
        *(
            f"file://{file}",
            f"~/../{folder}/outside/canary.csv",
            "./../../outside/canary.csv",
            "....//....//outside/canary.csv",
        ),
        *(
            "/proc/self/environ",
            "/proc/self/cwd/pyproject.toml",
            "/dev/zero",
            "/dev/stdin",
            "/etc/passwd",
            "../atlas.sqlite",
        ),
    ]


def test_no_dataset_outside_the_roots_is_read(attacked: Attacked, member: httpx.Client) -> None:
    before = attacked.traces()
    for name in names(attacked):
        for task in (COLUMNS | {"dataset": name}, COLUMNS | {"dataset": "inner", "folder": name}, name):
            made = member.post("/api/v1/studies", json=STUDY | {"task": task})
            estimated = member.post("/api/v1/estimates/study", json={"study": STUDY | {"task": task}})
            assert made.status_code == 422, (name, made.text[:300])
            assert estimated.status_code in (200, 422), (name, estimated.text[:300])
            assert CANARY not in made.text + estimated.text
    assert attacked.traces() == before


def test_no_model_outside_the_roots_is_read(attacked: Attacked, member: httpx.Client) -> None:
    for name in [*names(attacked), "linked", str(attacked.outside), "../../outside", "..%2f..%2foutside"]:
        for answer in (
            member.post("/api/v1/studies", json=STUDY | {"base_model": name}),
            member.get("/api/v1/base-models/card", params={"name": name}),
            member.get("/api/v1/methods", params={"base_model": name}),
            member.post("/api/v1/estimates", json={"base_model": name, "method": "lora", "device": "cpu"}),
        ):
            assert answer.status_code in (404, 422), (name, answer.text[:300])
            assert CANARY not in answer.text


def test_no_upload_is_written_outside_the_root(attacked: Attacked, member: httpx.Client) -> None:
    before, folder = attacked.traces(), attacked.outside.parent
    listed = sorted(path.name for path in folder.iterdir())
    content = b"text,label\na 1,a\nb 2,b\nc 3,a\n"
    for name in names(attacked):
        for path, field in (("/api/v1/datasets", "file"), ("/api/v1/imports/hf-peft", "files")):
            kind = ("content-type", "multipart/form-data; boundary=b")
            quoted = name.replace("\0", "%00").replace('"', "")
            body = (
                f'--b\r\ncontent-disposition: form-data; name="{field}"; filename="{quoted}"\r\n\r\n'.encode()
                + content
                + b"\r\n--b--\r\n"
            )
            answer = member.post(path, content=body, headers=[kind])
            assert answer.status_code < 500, (name, answer.text)
    inside = attacked.there.settings.home_folder / "datasets"
    written = {path for path in folder.rglob("*") if path.is_file() and content in _content(path)}
    assert all(path.resolve().is_relative_to(inside) for path in written), written
    assert attacked.traces() == before
    assert sorted(path.name for path in folder.iterdir()) == listed


def _content(path: Path) -> bytes:
    return b"" if path.stat().st_size > 1_000_000 else path.read_bytes()


def test_a_name_that_looks_like_a_path_is_only_a_name(attacked: Attacked, member: httpx.Client) -> None:
    before = attacked.traces()
    for name in names(attacked)[::2]:
        for path, body in (
            ("/api/v1/templates", {"name": name, "document": STUDY}),
            ("/api/v1/scenarios/custom", {"name": name, "weights": {"quality": 1.0}}),
            (f"/api/v1/studies/{attacked.there.ours.study_id}/comments", {"text": name}),
            ("/api/v1/studies", STUDY | {"name": name, "base_model": name}),
        ):
            assert member.post(path, json=body).status_code < 500, (path, name)
    for export in ("html", "csv", "md", "yaml", "json"):
        answer = member.get(f"/api/v1/studies/{attacked.there.ours.study_id}/export", params={"format": export})
        file = answer.headers["content-disposition"].partition("filename=")[2].strip('"')
        assert "/" not in file
        assert ".." not in file
    assert attacked.traces() == before


def test_the_door_leads_to_no_other_host(attacked: Attacked) -> None:
    evil = [
        *("//evil.example", "///evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example"),
        *(
            "/\t/evil.example",
            "/%09/evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "/\r\nx: y",
            " //evil.example",
        ),
        *(
            "http:evil.example",
            "//evil.example/%2e%2e",
            "/.//evil.example",
            "\u2044\u2044evil.example",
            "／／evil.example",
        ),
    ]
    with attacked.there.client() as anybody:
        for next in evil:
            form = {"name": "viewer", "password": "seven dry garden stones", "next": next}
            shown = anybody.get("/login", params={"next": next})
            assert shown.status_code == 200
            assert "evil.example</" not in shown.text
            answer = anybody.post("/login", data=form, headers={"origin": attacked.there.url})
            if answer.status_code == 429:
                break
            led = httpx.URL(attacked.there.url).join(answer.headers["location"])
            assert (led.host, led.scheme) == ("127.0.0.1", "http"), next
            assert "x" not in answer.headers


def test_a_study_archive_names_nothing_outside(attacked: Attacked, member: httpx.Client) -> None:
    study = attacked.there.ours.study_id
    exported = member.get(f"/api/v1/studies/{study}/export", params={"format": "json"}).json()
    for place, name in enumerate(names(attacked)[::2]):
        for change in ("dataset", "base_model"):
            document = json.loads(json.dumps(exported))
            document["name"] = f"import {place} {change}"
            if change == "dataset":
                document["results"]["task"]["dataset"] = name
            else:
                document[change] = name
            answer = member.post("/api/v1/imports/study", json=document)
            assert answer.status_code in (200, 201, 422), answer.text
            assert CANARY not in answer.text


def test_an_import_of_a_folder_reads_no_file_that_a_link_in_it_leads_to(attacked: Attacked, tmp_path: Path) -> None:
    results = tmp_path / "MetaMathQA" / "results"
    results.mkdir(parents=True)
    (results / "link.json").symlink_to(attacked.outside / "canary.json")
    (results / "up.json").symlink_to("/etc/passwd")
    environment = os.environ | {"PEFT_ATLAS_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "import", "hf-peft", str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    print(done.stdout[-300:], done.stderr[-300:])
    assert CANARY not in done.stdout + done.stderr
    assert "root:x" not in done.stdout + done.stderr
