"""Finished studies of base models of several sizes, for looking up a case between them."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from app.db.tables import Study
from peft_core.model_config import read_config
from tests.flow.finished_study import QUICKSTART, Row, insert

LAW = -0.5
"""LoRA's share of full's parameters falls with the square root of the base's size."""

SMALLEST = 22_565_376


def encoder(layers: int) -> dict[str, Any]:
    """The config of a BERT as wide as MiniLM, with so many layers."""
    return {
        "model_type": "bert",
        "hidden_size": 384,
        "intermediate_size": 1536,
        "num_hidden_layers": layers,
        "num_attention_heads": 12,
        "vocab_size": 30_522,
        "max_position_embeddings": 512,
    }


def parameters(layers: int) -> int:
    return read_config(encoder(layers))[0].parameters


def insert_sized(session: Session, models: Path, layers: int, *, name: str, train: int = 400, **changes: Any) -> Study:
    """A finished study on a base of `layers` layers under `models`; `changes` are columns of the study."""
    folder = models / f"bert-{layers}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(encoder(layers)))
    study = insert(session, team_id=1, rows=_rows(parameters(layers)), name=name)
    study.base_model_path = str(folder)
    study.document = study.document | {"base_model": str(folder)}
    study.task = study.task | {"splits": study.task["splits"] | {"train": train}}
    for column, value in changes.items():
        setattr(study, column, value)
    session.flush()
    return study


def _rows(size: int) -> tuple[Row, ...]:
    """The quickstart's rows, its costs as a law of the base's size."""
    full = next(row for row in QUICKSTART if row.method == "full")
    rows = []
    for row in QUICKSTART:
        if row.method == "full":
            rows.append(replace(row, parameters=size, storage_bytes=4 * size))
        elif row.method == "lora":
            share = 0.01 * (size / SMALLEST) ** LAW
            costs = row.probe | {"training_speed": 2 * (full.probe["training_speed"] or math.nan)}
            rows.append(
                replace(row, parameters=round(share * size), storage_bytes=round(4 * share * size), probe=costs)
            )
        else:
            rows.append(row)
    return tuple(rows)
