"""S11: what a spreadsheet would run as a formula is text in every CSV file, and numbers stay the numbers they are."""

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from app.db.session import system_session
from tests.flow.finished_study import QUICKSTART, insert
from tests.security.installation import Installation, installation

FORMULAS = (
    *(
        "=1+1",
        "+1+1",
        "-1+1",
        "@SUM(A1)",
        "\t=1+1",
        "\r=1+1",
        "\n=1+1",
        " =1+1",
        "\u00a0=1+1",
        "\u200b=1+1",
        "\ufeff=1+1",
    ),
    *('=HYPERLINK("http://evil.example","x")', "=cmd|' /C calc'!A0", "＝1+1", "＋1", "－1+1", "＠SUM(A1)"),
    *('";=1+1', "x\r=1+1", "x\n=1+1", "x\r\n=1+1", '"\n=1+1'),
)
RUNS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
BLANK = " \u00a0\u200b\ufeff\n"
BASES = {"cells": "/api/v1/studies/{study}/export?format=csv", "studies": "/api/v1/comparisons/csv?kind=classification"}


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, list[int]]]:
    """A study for each formula, in its name and the labels of its rows."""
    with installation(tmp_path_factory.mktemp("spread")) as there:
        studies = []
        for formula in FORMULAS:
            with system_session(there.engine) as session:
                rows = tuple(replace(row, label=f"{formula} {row.label}") for row in QUICKSTART)
                study = insert(session, team_id=there.ours.team_id, rows=rows, name=formula)
                study.document = study.document | {"base_model": formula}
                study.task = study.task | {"name": formula}
                studies.append(study.id)
        yield there, studies


@pytest.fixture
def viewer(spread: tuple[Installation, list[int]]) -> Iterator[httpx.Client]:
    with spread[0].client("viewer") as client:
        yield client


def cells_of(text: str, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def runs_as_formula(cell: str) -> bool:
    """Whether a spreadsheet would: by its first character that is no blank, unless all of it is a number."""
    try:
        float(cell)
    except ValueError:
        return cell.lstrip(BLANK).startswith(RUNS) or cell.startswith(RUNS)
    return False


@pytest.mark.parametrize("file", BASES)
def test_no_cell_runs(spread: tuple[Installation, list[int]], viewer: httpx.Client, file: str) -> None:
    looked = 0
    for study in spread[1] if file == "cells" else [0]:
        text = viewer.get(BASES[file].format(study=study)).text
        table = cells_of(text)
        assert len({len(row) for row in table}) == 1, "a line was broken"
        assert [cell for row in table for cell in row if runs_as_formula(cell)] == []
        looked += sum(map(len, table))
    print(f"{file}: {looked} cells")


def test_the_texts_are_whole(spread: tuple[Installation, list[int]], viewer: httpx.Client) -> None:
    for formula, study in zip(FORMULAS, spread[1], strict=True):
        said = cells_of(viewer.get(BASES["cells"].format(study=study)).text)
        written = formula.replace("\r\n", "\n").replace("\r", "\n")
        assert any(written in cell for row in said for cell in row)


def test_numbers_round_trip(spread: tuple[Installation, list[int]], viewer: httpx.Client) -> None:
    study = spread[0].ours.study_id
    header, *rows = cells_of(viewer.get(BASES["cells"].format(study=study)).text)
    written = [dict(zip(header, row, strict=True)) for row in rows]
    numbers = [
        float(text) for row in written for name, text in row.items() if name in ("mean", "value", "lo", "hi") and text
    ]
    told = {value for value in walk(viewer.get(f"/api/v1/studies/{study}/comparison").json()) if math.isfinite(value)}
    assert len(numbers) > 50
    assert set(numbers) <= told


def walk(document: Any) -> Iterator[float]:
    """Every number of a JSON document."""
    match document:
        case bool() | None | str():
            return
        case int() | float():
            yield float(document)
        case list():
            for part in document:
                yield from walk(part)
        case dict():
            for part in document.values():
                yield from walk(part)


@pytest.mark.parametrize("value", [-0.1, -1e-300, -17.0, 1e300, 0.1 + 0.2, 5e-324, -0.0])
def test_a_negative_number_is_no_formula(value: float) -> None:
    from app.services.exports.cells_csv import neutralised
    from app.services.exports.table import number_text

    assert float(number_text(value)) == value
    assert json.loads(number_text(value)) == value
    assert neutralised(number_text(value)) == number_text(value)
