"""Datasets of one's own in every form and kind, and what the catalogue says of them before a launch."""

import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow
import pytest
from pyarrow import parquet
from safetensors.numpy import save_file
from sqlalchemy import Engine, func, select

from app.db.session import system_session
from app.db.tables import Study
from peft_core.method import methods
from peft_core.task import tasks

pytestmark = pytest.mark.anyio

BUDGET = {"steps": 2, "batch_size": 4, "max_length": 64}
ROWS = range(30)
KINDS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "classification": (
        {"text": "text", "label": "label"},
        [{"text": f"sentence {row}", "label": "ab"[row % 2]} for row in ROWS],
    ),
    "sentence_pair": (
        {"text": "premise", "pair": "hypothesis", "label": "label"},
        [{"premise": f"premise {row}", "hypothesis": f"it is {row}", "label": "ab"[row % 2]} for row in ROWS],
    ),
    "regression": (
        {"text": "text", "label": "stars"},
        [{"text": f"sentence {row}", "stars": row / 2} for row in ROWS],
    ),
    "token_classification": (
        {"text": "words", "label": "tags"},
        [{"words": ["word", str(row)], "tags": ["O", "B"]} for row in ROWS],
    ),
    "multiple_choice": (
        {"text": "question", "choices": ["a", "b"], "label": "right"},
        [{"question": f"question {row}", "a": "yes", "b": "no", "right": "AB"[row % 2]} for row in ROWS],
    ),
    "causal_lm": (
        {"text": "text"},
        [{"text": f"sentence {row}"} for row in ROWS],
    ),
    "instruction": (
        {"text": "prompt", "label": "response"},
        [{"prompt": f"say {row}", "response": str(row)} for row in ROWS],
    ),
    "generation": (
        {"text": "question", "label": "answer"},
        [{"question": f"what is {row}", "answer": str(row)} for row in ROWS],
    ),
}
"""The columns of each kind of task, and the records of a small dataset."""

BASES = ("minilm", "llama")


@pytest.fixture
def llama(home: Path) -> str:
    """A small Llama in the home's models: sizes and weights, which is all that a launch reads."""
    folder = home / "models" / "llama"
    folder.mkdir(parents=True)
    config = {
        "model_type": "llama",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 100,
        "max_position_embeddings": 512,
    }
    (folder / "config.json").write_text(json.dumps(config))
    layer = {
        "self_attn.q_proj": (64, 64),
        "self_attn.k_proj": (32, 64),
        "self_attn.v_proj": (32, 64),
        "self_attn.o_proj": (64, 64),
        "mlp.gate_proj": (128, 64),
        "mlp.up_proj": (128, 64),
        "mlp.down_proj": (64, 128),
        "input_layernorm": (64,),
        "post_attention_layernorm": (64,),
    }
    shapes = {f"model.layers.{place}.{name}.weight": dims for place in range(2) for name, dims in layer.items()}
    shapes |= {"model.embed_tokens.weight": (100, 64), "model.norm.weight": (64,)}
    save_file({name: np.zeros(dims, np.float32) for name, dims in shapes.items()}, folder / "model.safetensors")
    return "llama"


@pytest.fixture
def datasets(home: Path) -> Path:
    """The home's datasets, each kind's as KIND.jsonl."""
    folder = home / "datasets"
    folder.mkdir()
    for kind, (_, records) in KINDS.items():
        (folder / f"{kind}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def document(kind: str, /, **changes: Any) -> dict[str, Any]:
    """A study of LoRA on the dataset of a kind, on a base model that can do it; `changes` go to its task."""
    base = "llama" if tasks()[kind].language_model else "minilm"
    task = {"dataset": f"{kind}.jsonl", "kind": kind} | KINDS[kind][0] | changes
    rows = [{"method": "lora", "hyperparameters": {"rank": 4}}]
    return {
        "name": kind,
        "base_model": base,
        "task": task,
        "budget": BUDGET,
        "seeds": 1,
        "grid_points": 1,
        "methods": rows,
    }


def studies(engine: Engine) -> int:
    with system_session(engine) as session:
        return session.scalar(select(func.count()).select_from(Study)) or 0


@pytest.mark.usefixtures("datasets", "llama")
@pytest.mark.parametrize("kind", KINDS)
async def test_a_dataset_of_each_kind_makes_a_study(api: httpx.AsyncClient, kind: str) -> None:
    answer = await api.post("/api/v1/studies", json=document(kind))
    study = answer.json()
    assert answer.status_code == 201, study
    assert (study["task_kind"], study["metric"]) == (kind, tasks()[kind].headline)
    assert study["splits"] == {"train": 18, "validation": 6, "test": 6, "seed": 0}


@pytest.mark.usefixtures("llama")
@pytest.mark.parametrize("form", ["csv", "tsv", "parquet", "folder"])
async def test_a_dataset_may_have_any_form(api: httpx.AsyncClient, datasets: Path, form: str) -> None:
    records = KINDS["classification"][1]
    name = f"own.{form}"
    if form == "parquet":
        parquet.write_table(pyarrow.Table.from_pylist(records), datasets / name)
    elif form == "folder":
        (datasets / name).mkdir()
        (datasets / "classification.jsonl").rename(datasets / name / "train.jsonl")
    else:
        mark = "," if form == "csv" else "\t"
        lines = [mark.join(row) for row in (["text", "label"], *(list(record.values()) for record in records))]
        (datasets / name).write_text("\n".join(lines))
    answer = await api.post("/api/v1/studies", json=document("classification", dataset=name))
    assert answer.status_code == 201, answer.json()


@pytest.mark.usefixtures("datasets", "llama")
@pytest.mark.parametrize(
    ("kind", "changes", "field", "said"),
    [
        ("classification", {"kind": "sorting"}, "task.kind", "no kind of task named 'sorting'"),
        ("classification", {"label": None}, "task.label", "needs a label column: The class of each text"),
        ("classification", {"label": "text"}, "task", "Column 'text' is named for two things"),
        ("classification", {"label": "class"}, "task.dataset", "line 1, has no column 'class'"),
        ("classification", {"text": ""}, "task.text", "at least 1 character"),
        ("classification", {"pair": "label"}, "task.pair", "reads no pair column. Remove it"),
        ("classification", {"group": "label"}, "task.dataset", "2 different value(s) to split and 3 are"),
        ("classification", {"columns": {}}, "task.columns", "remove it"),
        ("classification", {"splits": {"train": 20, "validation": 9, "test": 9}}, "task.dataset", "has 30 without"),
        ("classification", {"splits": {"train": 3, "validation": 1}}, "task.splits.test", "required"),
        ("classification", {"splits": {"train": 3, "validation": 1, "test": 1, "seed": -1}}, "task.splits.seed", "0"),
        ("classification", {"dataset": "x" * 4_000}, "task.dataset", "no dataset"),
        ("classification", {"dataset": "."}, "task.dataset", "no dataset file in the folder"),
        ("sentence_pair", {"pair": None}, "task.pair", "needs a pair column"),
        ("regression", {"label": "text", "text": "stars"}, "task.dataset", "'sentence 0', which is no number"),
        ("token_classification", {"text": "sentence"}, "task.dataset", "has no column 'sentence'"),
        ("multiple_choice", {"choices": ["a"]}, "task", "2 to 26 columns of answers, not 1"),
        ("multiple_choice", {"choices": []}, "task.choices", "needs a choices column"),
        ("multiple_choice", {"choices": ["a"] * 27}, "task.choices", "at most 26"),
        ("multiple_choice", {"label": "question", "text": "right"}, "task.dataset", "which is no choice"),
        ("causal_lm", {"label": "text"}, "task.label", "reads no label column"),
        ("instruction", {"label": None}, "task.label", "needs a label column: What it should write"),
        ("generation", {"label": "question", "text": "question"}, "task", "named for two things"),
    ],
)
async def test_a_bad_task_is_refused_naming_its_field(
    api: httpx.AsyncClient, engine: Engine, kind: str, changes: dict[str, Any], field: str, said: str
) -> None:
    answer = await api.post("/api/v1/studies", json=document(kind, **changes))
    problem = answer.json()
    assert answer.status_code == 422
    assert [found["field"] for found in problem["errors"]] == [field]
    assert said in problem["errors"][0]["message"]
    assert studies(engine) == 0


async def test_a_link_inside_a_folder_is_not_followed_out_of_the_roots(
    api: httpx.AsyncClient, datasets: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.jsonl"
    (datasets / "classification.jsonl").rename(outside)
    (datasets / "own").mkdir()
    (datasets / "own" / "train.jsonl").symlink_to(outside)
    answer = await api.post("/api/v1/studies", json=document("classification", dataset="own"))
    assert answer.status_code == 422
    assert "outside the allowed folders" in answer.json()["detail"]


@pytest.mark.usefixtures("datasets", "llama")
async def test_items_may_not_be_longer_than_the_base_model_reads(api: httpx.AsyncClient) -> None:
    long = document("classification") | {"budget": BUDGET | {"max_length": 513}}
    problem = (await api.post("/api/v1/studies", json=long)).json()
    assert problem["errors"][0]["field"] == "budget.max_length"
    assert "reads 512 tokens at most and items may have 513. Lower max_length" in problem["detail"]


# -- what the catalogue says -------------------------------------------------------------------------------------------


async def test_the_kinds_of_task_say_what_they_read(api: httpx.AsyncClient) -> None:
    cards = {card["name"]: card for card in (await api.get("/api/v1/task-kinds")).json()["items"]}
    assert set(cards) == set(tasks())
    for card in cards.values():
        needed = {column["role"] for column in card["columns"] if column["required"]}
        assert needed == set(KINDS.get(card["name"], (needed, []))[0])
        assert card["metric"]
        assert card["better"] in ("higher", "lower")
        assert all(column["title"] and column["meaning"] for column in card["columns"])


@pytest.mark.usefixtures("datasets", "llama")
@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_not_offered_is_refused_with_the_same_sentence(
    api: httpx.AsyncClient, engine: Engine, kind: str, base: str
) -> None:
    cards = (await api.get("/api/v1/methods", params={"base_model": base, "kind": kind})).json()["items"]
    assert {card["name"] for card in cards} == set(methods())
    whole = document(kind) | {"base_model": base, "references": []}
    for card in cards:
        if card["not_offered"] is None:
            continue
        assert card["trainable_parameters"] is None
        answer = await api.post("/api/v1/studies", json=whole | {"methods": [{"method": card["name"]}]})
        assert (answer.status_code, answer.json()["detail"]) == (422, card["not_offered"]), card["name"]
    assert studies(engine) == 0
    offered = [{"method": card["name"]} for card in cards if card["not_offered"] is None]
    if offered:
        answer = await api.post("/api/v1/studies", json=whole | {"methods": offered})
        assert answer.status_code == 201, answer.json()


@pytest.mark.usefixtures("datasets", "llama")
@pytest.mark.parametrize(("kind", "base"), [("classification", "minilm"), ("instruction", "llama")])
async def test_a_preset_s_rows_are_a_study_or_say_why_not(api: httpx.AsyncClient, kind: str, base: str) -> None:
    presets = (await api.get("/api/v1/presets", params={"base_model": base, "kind": kind})).json()["items"]
    whole = document(kind) | {"base_model": base, "references": []}
    for preset in presets:
        offered = []
        for entry in preset["entries"]:
            row = {"method": entry["method"], "hyperparameters": entry["hyperparameters"]}
            if entry["not_offered"] is None:
                offered.append(row)
                continue
            refused = await api.post("/api/v1/studies", json=whole | {"methods": [row]})
            assert refused.json()["detail"] == entry["not_offered"]
        answer = await api.post("/api/v1/studies", json=whole | {"methods": offered})
        assert answer.status_code == 201, (preset["key"], answer.json())


@pytest.mark.parametrize("path", ["methods", "presets"])
async def test_a_kind_or_base_model_that_is_not_there_is_told(api: httpx.AsyncClient, path: str) -> None:
    for asked, field in (({"kind": "sorting"}, "kind"), ({"base_model": "gpt-9"}, "base_model")):
        answer = await api.get(f"/api/v1/{path}", params=asked)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == field
