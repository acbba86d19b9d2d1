"""Downloading from a hub, over the hub's protocol: whole or not at all, told as it goes on, refused with a reason."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from peft_core.errors import HubError
from peft_core.hub import find
from peft_core.hub_access import Hub
from peft_core.hub_download import download
from peft_core.spec import Log
from tests.dependencies import ROOT
from tests.hub_repositories import FILES, READ, TOKEN, WEIGHTS, got, progress
from tests.hub_server import HubServer

# -- downloading -------------------------------------------------------------------------------------------------------


def test_only_what_a_run_reads_is_downloaded_and_told_from_nothing_to_all(hub: Hub, hub_server: HubServer) -> None:
    hub_server.add("org/tiny", FILES)
    folder, events = got(hub, find(hub, "model", "org/tiny").source)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {name: FILES[name] for name in READ}
    assert "pytorch_model.bin" not in hub_server.files_got()
    told, total = progress(events), len(WEIGHTS) + 4
    assert (told[0], told[-1]) == ((0, total), (total, total))
    assert [step for step, _ in told] == sorted(step for step, _ in told)
    assert isinstance(events[0], Log)
    assert "model.safetensors 5.1 MB; 5.1 MB in all" in events[0].message


def test_what_is_in_the_cache_is_used_without_a_request_or_a_word(hub: Hub, hub_server: HubServer) -> None:
    hub_server.add("org/tiny", FILES)
    source = find(hub, "model", "org/tiny").source
    got(hub, source)
    hub_server.requests.clear()
    assert got(hub, source)[1] == []
    assert hub_server.requests == []


def test_a_connection_that_breaks_is_taken_up_where_it_broke(
    hub: Hub, hub_server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 500_000)
    hub_server.add("org/tiny", FILES)
    hub_server.break_after["model.safetensors"] = [1_000_000]
    folder, events = got(hub, find(hub, "model", "org/tiny").source)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert [request.bytes_from for request in hub_server.requests if "/store/" in request.path] == [0, 1_000_000]
    steps = [step for step, _ in progress(events)]
    assert steps == sorted(steps)


def test_a_download_that_fails_leaves_no_half_file_and_goes_on_later(
    hub: Hub, hub_server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    repository = hub_server.add("org/tiny", FILES)
    source = find(hub, "model", "org/tiny").source
    hub_server.break_after["model.safetensors"] = [0] * 6
    with pytest.raises(HubError, match=r"model.safetensors of org/tiny@\w+ broke off .*the files that have arrived"):
        got(hub, source)
    blobs = hub.repository_folder(source) / "blobs"
    assert list(blobs.glob("*.incomplete")) == []
    folder = hub.snapshot_folder(source)
    assert {file.name for file in folder.iterdir()} == READ - {"model.safetensors"}
    got(hub, source)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert hub_server.files_got().count("tokenizer.json") == 1
    assert repository.branches["main"] == source.commit


FETCH = """
import sys
from pathlib import Path
from peft_core.hub import fetch, find
from peft_core.hub_access import Hub

hub = Hub(endpoint=sys.argv[1], cache=Path(sys.argv[2]))
fetch(hub, find(hub, "model", "org/tiny").source, lambda event: None)
"""


def fetching(hub: Hub) -> "subprocess.Popen[bytes]":
    """Another process that fetches org/tiny."""
    assert hub.endpoint is not None
    command = [sys.executable, "-c", FETCH, hub.endpoint, str(hub.cache)]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"HF_HUB_OFFLINE": "0"})


def wait_until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_a_killed_download_left_is_removed(hub: Hub, hub_server: HubServer) -> None:
    hub_server.add("org/tiny", FILES)
    hub_server.held.add("model.safetensors")
    leftovers = list_of(hub.cache_folder, f"{hashlib.sha256(WEIGHTS).hexdigest()}.*.incomplete")
    with fetching(hub) as process:
        wait_until(leftovers)
        process.kill()
    assert len(leftovers()) == 1
    hub_server.held.clear()
    hub_server.release.set()
    folder, _ = got(hub, find(hub, "model", "org/tiny").source)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert leftovers() == []


def list_of(folder: Path, pattern: str) -> Callable[[], list[Path]]:
    return lambda: list(folder.rglob(pattern))


def test_two_runs_at_once_download_once(hub: Hub, hub_server: HubServer) -> None:
    hub_server.add("org/tiny", FILES)
    hub_server.held.add("model.safetensors")
    with fetching(hub) as first, fetching(hub) as second:
        heads = "/org/tiny/resolve/", "model.safetensors"
        wait_until(
            lambda: (
                sum(request.path.startswith(heads[0]) and heads[1] in request.path for request in hub_server.requests)
                == 2
            )
        )
        hub_server.release.set()
        assert (first.wait(30), second.wait(30)) == (0, 0)
    assert hub_server.files_got().count("model.safetensors") == 1


def test_damaged_weights_are_refused_and_not_kept(hub: Hub, hub_server: HubServer) -> None:
    repository = hub_server.add("org/tiny", FILES)
    snapshot = find(hub, "model", "org/tiny")
    announced = [replace(file, sha256="0" * 64) if file.sha256 else file for file in snapshot.files]
    with pytest.raises(HubError, match="not what the hub announced"):
        download(hub, replace(snapshot, files=tuple(announced)), lambda _: None)
    assert not (snapshot.folder / "model.safetensors").exists()
    assert repository.branches["main"] == snapshot.source.commit
    assert (download(hub, snapshot, lambda _: None) / "model.safetensors").read_bytes() == WEIGHTS


def test_a_disk_that_is_too_small_is_told_with_its_numbers(hub: Hub, hub_server: HubServer) -> None:
    hub_server.add("org/tiny", FILES, announced_bytes={"model.safetensors": 10**16})
    with pytest.raises(HubError) as refused:
        got(hub, find(hub, "model", "org/tiny").source)
    free, kept = (shutil.disk_usage(hub.cache_folder)[place] / 1e6 for place in (2, 0))
    said = re.fullmatch(
        r"org/tiny@\w+ needs 10,000,000,000\.0 MB and the disk of .* has ([\d,.]+) MB free, of which ([\d,.]+) MB"
        r" \(10% of the disk\) stay free\. Make room, or set HF_HUB_CACHE to a folder on a larger disk\.",
        str(refused.value),
    )
    assert said
    assert float(said[1].replace(",", "")) == pytest.approx(free, rel=0.05)
    assert float(said[2].replace(",", "")) == pytest.approx(kept / 10, rel=0.001)
    assert hub_server.files_got() == ["config.json"]


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"model.safetensors": None}, r"no complete safetensors weights \(model.safetensors\), only pytorch_model.bin"),
        (
            {"model.safetensors": None, "pytorch_model.bin": None},
            r"no complete safetensors weights \(model.saf\S+\)\. C",
        ),
        ({"config.json": None}, "has no config.json"),
        ({"config.json": b"[]"}, "config.json of org/tiny@\\w+ is not a JSON object"),
        ({"config.json": b'{"auto_map": {}}'}, r"run code of its own \(auto_map in config.json\)"),
        ({"config.json": b" " * 1_000_001}, "larger than 1,000,000 bytes"),
        ({"tokenizer.json": None}, "has no tokenizer"),
        ({"tokenizer_config.json": b'{"auto_map": {}}'}, r"run code of its own \(auto_map in tokenizer_config.json\)"),
    ],
)
def test_what_no_run_can_use_is_refused_before_its_weights(
    hub: Hub, hub_server: HubServer, files: dict[str, bytes | None], said: str
) -> None:
    changed = FILES | files
    hub_server.add("org/tiny", {name: content for name, content in changed.items() if content is not None})
    with pytest.raises(HubError, match=said):
        got(hub, find(hub, "model", "org/tiny").source)
    assert not {"model.safetensors", "pytorch_model.bin", "modeling_own.py"} & set(hub_server.files_got())


def test_weights_in_parts_come_with_their_index_and_not_without_one_of_them(hub: Hub, hub_server: HubServer) -> None:
    parts = {f"model-0000{i}-of-00002.safetensors": bytes([i]) for i in (1, 2)}
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    whole = {"config.json": b"{}", "vocab.txt": b"", "model.safetensors.index.json": json.dumps(index).encode()} | parts
    hub_server.add("org/parts", whole)
    folder, _ = got(hub, find(hub, "model", "org/parts").source)
    assert {file.name for file in folder.iterdir()} == whole.keys()
    hub_server.add("org/part", {name: content for name, content in whole.items() if "00002-of" not in name})
    with pytest.raises(HubError, match="no complete safetensors weights"):
        find(hub, "model", "org/part")


# -- access ------------------------------------------------------------------------------------------------------------


def test_gated_weights_need_a_token_whose_account_accepted_the_terms(
    hub: Hub, hub_server: HubServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    hub_server.add("org/gated", FILES, gated_for=frozenset({TOKEN}))
    said = []
    for token in (None, "hf_canary_of_another_account"):
        with pytest.raises(HubError) as refused:
            find(replace(hub, token=token), "model", "org/gated")
        said.append(str(refused.value))
    assert said[0] == (
        f"org/gated is gated: its owner asks for consent. Accept the terms at {hub_server.url}/org/gated, then set"
        " PEFT_ATLAS_HUB_TOKEN (HF_TOKEN outside the product) to a token of the account that accepted them."
    )
    with caplog.at_level("DEBUG"):
        allowed = replace(hub, token=TOKEN)
        folder, events = got(allowed, find(allowed, "model", "org/gated").source)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    written = "".join(path.read_text() for path in hub.cache_folder.rglob("*.json"))
    everything = [*said, *(event.model_dump_json() for event in events), caplog.text, *capfd.readouterr(), written]
    assert not [text for text in (*everything, repr(allowed)) if "hf_canary" in text]


def test_the_token_is_sent_to_the_hub_and_to_nobody_else(hub: Hub, hub_server: HubServer) -> None:
    hub_server.add("org/tiny", FILES)
    allowed = replace(hub, token=TOKEN)
    got(allowed, find(allowed, "model", "org/tiny").source)
    stored = {request.token for request in hub_server.requests if request.path.startswith("/store/")}
    asked = {request.token for request in hub_server.requests if not request.path.startswith("/store/")}
    assert (stored, asked) == ({None}, {TOKEN})


def test_private_unknown_and_a_token_that_has_expired(hub: Hub, hub_server: HubServer) -> None:
    hub_server.add("org/private", FILES, private=True)
    for name, token in (("org/private", None), ("org/none", None), ("org/none", TOKEN)):
        with pytest.raises(HubError, match=f"There is no model {name} at {hub_server.url}, or it is private"):
            find(replace(hub, token=token), "model", name)
    assert find(replace(hub, token=TOKEN), "model", "org/private").files
    with pytest.raises(HubError, match=r"refused the token \(status 401\)"):
        find(replace(hub, token="expired"), "model", "org/private")


def test_an_address_that_is_no_hub(tmp_path: Path, hub_server: HubServer) -> None:
    with pytest.raises(HubError, match=r"elsewhere does not answer as a model hub does\."):
        find(Hub(endpoint=f"{hub_server.url}/elsewhere", cache=tmp_path), "model", "org/tiny")


def test_a_cache_that_cannot_be_written_is_named(hub: Hub, hub_server: HubServer, tmp_path: Path) -> None:
    hub_server.add("org/tiny", FILES)
    (tmp_path / "file").touch()
    with pytest.raises(HubError, match=r"file/cache cannot be written \(Not a directory\)"):
        find(replace(hub, cache=tmp_path / "file" / "cache"), "model", "org/tiny")
