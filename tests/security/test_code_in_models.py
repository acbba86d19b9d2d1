"""S8: code that comes with a model never runs: not when it is named, not when it is looked at, not when it trains."""

import io
import json
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.processes import running
from tests.hub_repositories import sentences, tiny_model
from tests.security.installation import Installation, installation

ENDED = ("succeeded", "failed", "cancelled")
MOST_SECONDS = 240


class Payload:
    """What a pickle does when it is loaded."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.write_text, (self.canary, "a pickle ran")


def pickled(canary: Path) -> bytes:
    return pickle.dumps(Payload(canary))


def zipped_pickle(canary: Path) -> bytes:
    """As torch.save writes it."""
    import zipfile

    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(canary))
        archive.writestr("archive/version", "3\n")
    return written.getvalue()


def code(canary: Path, classes: str) -> bytes:
    made = "\n".join(f"class {name}:\n    pass" for name in classes.split())
    return f"from pathlib import Path\nPath({str(canary)!r}).write_text('a module ran')\n{made}\n".encode()


Folder = dict[str, bytes]


def with_auto_map(files: Folder, canary: Path) -> None:
    own = {"AutoConfig": "evil.EvilConfig", "AutoModel": "evil.EvilModel"}
    own["AutoModelForSequenceClassification"] = "evil.EvilModel"
    files["config.json"] = changed(files["config.json"], auto_map=own, trust_remote_code=True)
    files["evil.py"] = code(canary, "EvilConfig EvilModel")


def with_an_unknown_type(files: Folder, canary: Path) -> None:
    with_auto_map(files, canary)
    files["config.json"] = changed(files["config.json"], model_type="evil", architectures=["EvilModel"])


def with_a_tokenizer_of_its_own(files: Folder, canary: Path) -> None:
    own = {"AutoTokenizer": ["evil.EvilTokenizer", "evil.EvilTokenizer"]}
    files["tokenizer_config.json"] = changed(
        files["tokenizer_config.json"], auto_map=own, tokenizer_class="EvilTokenizer", trust_remote_code=True
    )
    files["evil.py"] = code(canary, "EvilTokenizer")
    files["tokenization_evil.py"] = code(canary, "EvilTokenizer")


def with_a_tokenizer_beside(files: Folder, canary: Path) -> None:
    """Known by its class, with code that only trust would load."""
    own = {"AutoTokenizer": [None, "evil.EvilTokenizer"]}
    files["tokenizer_config.json"] = changed(files["tokenizer_config.json"], auto_map=own)
    files["evil.py"] = code(canary, "EvilTokenizer")


def with_pickles_beside(files: Folder, canary: Path) -> None:
    for name in (
        "pytorch_model.bin",
        "training_args.bin",
        "optimizer.pt",
        "adapter_model.bin",
        "model.pkl",
        "rng_state.pth",
    ):
        files[name] = zipped_pickle(canary)
    files["scheduler.pt"] = pickled(canary)


def with_pickles_alone(files: Folder, canary: Path) -> None:
    del files["model.safetensors"]
    files["pytorch_model.bin"] = zipped_pickle(canary)


def with_a_pickle_called_safetensors(files: Folder, canary: Path) -> None:
    files["model.safetensors"] = zipped_pickle(canary)


def with_parts_outside(files: Folder, canary: Path) -> None:
    files["part.safetensors"] = files.pop("model.safetensors")
    parts = {"weight_map": {"embeddings.word_embeddings.weight": "../outside.bin"}, "metadata": {"total_size": 1}}
    files["model.safetensors.index.json"] = json.dumps(parts).encode()


def with_a_template(files: Folder, canary: Path) -> None:
    call = f"os.popen('touch {canary}').read()"
    template = f"{{{{ cycler.__init__.__globals__.{call} }}}}{{{{ ''.__class__.__mro__[1].__subclasses__() }}}}"
    files["chat_template.jinja"] = f"{template}{{{{ lipsum.__globals__.{call} }}}}".encode()
    files["tokenizer_config.json"] = changed(files["tokenizer_config.json"], chat_template=template)


def with_adapters_beside(files: Folder, canary: Path) -> None:
    files["adapter_config.json"] = json.dumps(
        {
            "peft_type": "LORA",
            "base_model_name_or_path": "../outside",
            "auto_mapping": {"base_model_class": "EvilModel", "parent_library": "evil"},
        }
    ).encode()
    files["adapter_model.bin"] = zipped_pickle(canary)
    files["evil.py"] = code(canary, "EvilModel")
    files["sitecustomize.py"] = files["conftest.py"] = files["__init__.py"] = code(canary, "")


def with_deep_json(files: Folder, canary: Path) -> None:
    files["config.json"] = b'{"a":' * 100_000


VARIANTS = (
    *(with_auto_map, with_an_unknown_type, with_a_tokenizer_of_its_own, with_a_tokenizer_beside, with_pickles_beside),
    *(with_pickles_alone, with_a_pickle_called_safetensors, with_parts_outside, with_a_template, with_adapters_beside),
    with_deep_json,
)
REFUSED_AT_ONCE = {
    *("with_auto_map", "with_an_unknown_type", "with_pickles_alone", "with_a_pickle_called_safetensors"),
    *("with_parts_outside", "with_deep_json", "with_adapters_beside"),
}
TRAINS = {"with_pickles_beside", "with_a_template"}


def changed(config: bytes, **more: Any) -> bytes:
    return json.dumps(json.loads(config) | more).encode()


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that is there as soon as any of the code has run."""
    return tmp_path_factory.mktemp("canary") / "ran"


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory, canary: Path) -> Iterator[Installation]:
    """An installation among whose models are all of these, and a dataset to train them on."""
    home = tmp_path_factory.mktemp("poisoned") / "home"
    (home / "models").mkdir(parents=True)
    (home / "datasets").mkdir()
    (home / "models" / "outside.bin").write_bytes(zipped_pickle(canary))
    (home / "datasets" / "words.csv").write_text(sentences(60))
    for variant in VARIANTS:
        files = dict(tiny_model())
        variant(files, canary)
        folder = home / "models" / variant.__name__
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
    with installation(home) as there:
        yield there


def study_on(model: str) -> dict[str, Any]:
    return {
        "name": model,
        "base_model": model,
        "task": {"dataset": "words.csv", "text": "text", "label": "label"},
        "budget": {"steps": 2, "batch_size": 4, "max_length": 16},
        "seeds": 1,
        "grid_points": 1,
        "references": [],
        "methods": [{"method": "lora", "hyperparameters": {"rank": 2}}],
        "metrics": ["task_performance"],
    }


def test_the_payloads_work(tmp_path: Path) -> None:
    pickle.loads(pickled(tmp_path / "ran"))  # noqa: S301
    assert (tmp_path / "ran").is_file()
    exec(code(tmp_path / "imported", "EvilModel"))
    assert (tmp_path / "imported").is_file()


@pytest.mark.parametrize("variant", [variant.__name__ for variant in VARIANTS])
def test_nothing_runs_when_a_model_is_named(poisoned: Installation, canary: Path, variant: str) -> None:
    with poisoned.client("member") as member:
        member.get("/api/v1/base-models")
        member.get("/api/v1/base-models/card", params={"name": variant})
        member.get("/api/v1/methods", params={"base_model": variant})
        member.post("/api/v1/estimates", json={"base_model": variant, "method": "lora"})
        made = member.post("/api/v1/studies", json=study_on(variant))
        assert made.status_code in (201, 422), made.text
        if made.status_code == 201:
            member.delete(made.headers["location"])
    assert not canary.exists(), canary.read_text()
    assert (made.status_code == 422) == (variant in REFUSED_AT_ONCE), made.text


@pytest.mark.slow
def test_nothing_runs_when_a_worker_trains(poisoned: Installation, canary: Path) -> None:
    with poisoned.client("member") as member:
        made = {}
        for variant in VARIANTS:
            answer = member.post("/api/v1/studies", json=study_on(variant.__name__))
            if answer.status_code == 201:
                made[variant.__name__] = answer.headers["location"]
        began = time.monotonic()
        with running(poisoned.settings, "app.worker"):
            while time.monotonic() - began < MOST_SECONDS:
                states = {variant: member.get(place).json()["status"] for variant, place in made.items()}
                if all(state in ENDED for state in states.values()):
                    break
                time.sleep(1)
        print(states, f"{time.monotonic() - began:.0f} s")
    assert not canary.exists(), canary.read_text()
    assert {variant for variant, state in states.items() if state == "succeeded"} >= TRAINS


@pytest.mark.parametrize(
    "name", ["model.pkl", "model.bin", "model.pt", "model.pth", "model.ckpt", "model.joblib", "a.npy"]
)
def test_no_pickle_can_be_uploaded(poisoned: Installation, canary: Path, name: str) -> None:
    with poisoned.client("member") as member:
        for path, field in (("datasets", "file"), ("imports/hf-peft", "files")):
            content = zipped_pickle(canary)
            answer = member.post(f"/api/v1/{path}", files={field: (name, content)})
            assert answer.status_code == 422 or answer.json()["refused"], answer.text
        for ending in ("csv", "jsonl", "parquet"):
            answer = member.post("/api/v1/datasets", files={"file": (f"a.{ending}", pickled(canary))})
            assert answer.status_code == 422
    assert not canary.exists()
