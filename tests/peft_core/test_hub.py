"""Base models and datasets of a hub, over the hub's protocol: pinned to a commit, found without a network."""

from dataclasses import replace

import pytest

from peft_core.errors import HubError
from peft_core.hub import NotCached, fetch, find, is_hub_name
from peft_core.hub_access import Hub
from peft_core.hub_download import download
from peft_core.spec import HubSource
from tests.hub_repositories import DATA, FILES, READ, WEIGHTS, got, progress
from tests.hub_server import HubServer

# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["org/name", "a/b", "org/name@main", "org/name@refs/pr/3", "o.r-g/n_1.5@v1.0", f"org/name@{'a' * 40}"]
)
def test_what_a_hub_calls_a_repository(name: str) -> None:
    assert is_hub_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("minilm", "/etc", "../../etc", "./a/b", "a/../b", "a/..", "../b", "a/b/c", "a//b", "a/b@", "a/b@../../x"),
        *("a\0/b", "a/b\n", "org/na me", "org/name@x y", "http://host/a", "a/b?c", "a/b#c", "a/%2e%2e", "org/n--m"),
        *("org/name.git", "org\\name", "örg/name", "org/name@main/", "org/" + "x" * 97),
    ],
)
def test_what_is_no_id_never_reaches_the_hub(hub: Hub, hub_server: HubServer, name: str) -> None:
    assert not is_hub_name(name)
    with pytest.raises(HubError, match="Write org/name"):
        find(hub, "model", name)
    assert hub_server.requests == []


# -- pinned ------------------------------------------------------------------------------------------------------------


def test_a_branch_is_pinned_to_its_commit_and_only_config_is_fetched(hub: Hub, hub_server: HubServer) -> None:
    commit = hub_server.add("org/tiny", FILES).branches["main"]
    snapshot = find(hub, "model", "org/tiny")
    assert snapshot.source == HubSource(kind="model", repository="org/tiny", commit=commit)
    assert {file.name: file.size_bytes for file in snapshot.files} == {name: len(FILES[name]) for name in READ}
    assert hub_server.files_got() == ["config.json"]
    assert [file.name for file in snapshot.missing][-1] == "model.safetensors"


def test_a_branch_that_moves_changes_nothing_that_was_pinned(hub: Hub, hub_server: HubServer) -> None:
    repository = hub_server.add("org/tiny", FILES)
    pinned = find(hub, "model", "org/tiny").source
    moved = repository.commit(FILES | {"model.safetensors": b"other"})
    folder, _ = got(hub, pinned)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert find(hub, "model", "org/tiny").source.commit == moved != pinned.commit
    assert find(hub, "model", f"org/tiny@{pinned.commit}").source == pinned


def test_a_tag_a_commit_and_an_unknown_revision(hub: Hub, hub_server: HubServer) -> None:
    repository = hub_server.add("org/tiny", FILES)
    first = repository.branches["v1/beta"] = repository.branches["main"]
    repository.commit(FILES | {"config.json": b'{"model_type": "llama"}'})
    assert find(hub, "model", "org/tiny@v1/beta").source.commit == first
    assert find(hub, "model", f"org/tiny@{first}").source.commit == first
    with pytest.raises(HubError, match=r"no revision 'v2'\. Name one of its branches"):
        find(hub, "model", "org/tiny@v2")


# -- without a network -------------------------------------------------------------------------------------------------


def test_without_network_the_cache_is_used_and_the_missing_file_is_named(hub: Hub, hub_server: HubServer) -> None:
    hub_server.add("org/tiny", FILES)
    offline = replace(hub, offline=True)
    with pytest.raises(
        NotCached, match=r"^config.json of org/tiny at main is not in the cache .*HF_HUB_OFFLINE is set"
    ):
        find(offline, "model", "org/tiny")
    snapshot = find(hub, "model", "org/tiny")
    with pytest.raises(NotCached) as refused:
        find(offline, "model", "org/tiny")
    assert str(refused.value) == (
        f"tokenizer.json of org/tiny at commit {snapshot.source.commit} is not in the cache ({hub.cache}), and the hub"
        " is not asked (HF_HUB_OFFLINE is set, or PEFT_ATLAS_HUB_ENABLED is not). Run `peft-atlas fetch model org/tiny`"
        " where the hub can be reached, or allow it to be asked."
    )
    folder = download(hub, snapshot, lambda _: None)
    hub_server.requests.clear()
    assert find(offline, "model", "org/tiny").source == snapshot.source
    (folder / "model.safetensors").unlink()
    with pytest.raises(NotCached, match=rf"^model.safetensors of org/tiny at commit {snapshot.source.commit} is not"):
        fetch(offline, snapshot.source, lambda _: None)
    assert hub_server.requests == []


def test_the_librarys_own_switch_is_obeyed(hub: Hub, hub_server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hub_server.add("org/tiny", FILES)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(NotCached, match="the hub is not asked"):
        find(hub, "model", "org/tiny")
    assert hub_server.requests == []


def test_a_hub_that_does_not_answer(hub: Hub, hub_server: HubServer) -> None:
    hub_server.add("org/tiny", FILES)
    source = find(hub, "model", "org/tiny").source
    hub_server.out_of_order = True
    with pytest.raises(NotCached, match=rf"^tokenizer.json of .* {hub_server.url} is out of order \(status 503\)"):
        find(hub, "model", "org/tiny")
    hub_server.out_of_order = False
    got(hub, source)
    hub_server.stop()
    assert find(hub, "model", "org/tiny").source == source
    with pytest.raises(NotCached, match=rf"^config.json of org/other at main .* {hub_server.url} did not answer \("):
        find(hub, "model", "org/other")


def test_a_model_that_another_tool_fetched_is_used(hub: Hub, hub_server: HubServer) -> None:
    from huggingface_hub import hf_hub_download

    repository = hub_server.add("org/tiny", FILES)
    offline, commit = replace(hub, offline=True), repository.branches["main"]
    for name, lacking in (("config.json", "tokenizer.json"), ("tokenizer.json", "model.safetensors")):
        hf_hub_download("org/tiny", name, endpoint=hub.endpoint, cache_dir=hub.cache)
        with pytest.raises(NotCached, match=f"^{lacking} of org/tiny at commit {commit}"):
            find(offline, "model", "org/tiny")
    hf_hub_download("org/tiny", "model.safetensors", endpoint=hub.endpoint, cache_dir=hub.cache)
    assert find(offline, "model", "org/tiny").source.commit == commit


# -- datasets ----------------------------------------------------------------------------------------------------------


def test_a_datasets_split_files_are_downloaded_and_nothing_else(hub: Hub, hub_server: HubServer) -> None:
    hub_server.add("org/data", DATA, kind="dataset")
    source = find(hub, "dataset", "org/data").source
    assert source.folder == "data"
    folder, events = got(hub, source)
    assert folder.name == "data"
    assert {file.name for file in folder.iterdir()} == {"train-00000-of-00001.csv", "test-00000-of-00001.csv"}
    assert progress(events)[-1] == (42, 42)
    assert find(replace(hub, offline=True), "dataset", "org/data").source == source


def test_a_dataset_with_several_folders_asks_for_one(hub: Hub, hub_server: HubServer) -> None:
    files = {f"{name}/train.jsonl": b"{}" for name in ("cola", "sst2")}
    hub_server.add("org/many", files, kind="dataset")
    with pytest.raises(HubError, match=r"several folders\. Name one of them as `folder`: 'cola', 'sst2'"):
        find(hub, "dataset", "org/many")
    with pytest.raises(HubError, match=r"no folder '\.\./cola' with data\. Name one of: 'cola', 'sst2'"):
        find(hub, "dataset", "org/many", "../cola")
    assert got(hub, find(hub, "dataset", "org/many", "sst2").source)[0].name == "sst2"


def test_a_dataset_that_cannot_be_read_is_refused(hub: Hub, hub_server: HubServer) -> None:
    hub_server.add("org/none", {"data.zip": b"", "README.md": b""}, kind="dataset")
    with pytest.raises(HubError, match="no data files named after their splits"):
        find(hub, "dataset", "org/none")
    hub_server.add("org/huge", DATA, kind="dataset", announced_bytes={"data/test-00000-of-00001.csv": 2**30})
    with pytest.raises(HubError, match="holds 1024 MiB of data; at most 512 MiB"):
        find(hub, "dataset", "org/huge")
    with pytest.raises(HubError, match="There is no dataset org/huge2"):
        find(hub, "dataset", "org/huge2")


def test_a_dataset_that_is_not_whole_is_not_used(hub: Hub, hub_server: HubServer) -> None:
    hub_server.add("org/data", DATA, kind="dataset")
    offline = replace(hub, offline=True)
    with pytest.raises(NotCached, match=r"^The list of files of org/data at main"):
        find(offline, "dataset", "org/data")
    source = find(hub, "dataset", "org/data").source
    folder, _ = got(hub, source)
    (folder / "train-00000-of-00001.csv").unlink()
    with pytest.raises(NotCached, match=r"^data/train-00000-of-00001.csv of org/data at commit"):
        find(offline, "dataset", "org/data")
