"""What an installation holds and is: room by study, leftovers, versions, and settings without their secrets."""

import os
import time
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine
from sqlalchemy import insert as insert_rows

from app.client import ApiProblem, AtlasClient
from app.db.session import system_session
from app.db.tables import ArtifactRow, Configuration, Run, Study
from app.services.callers import LOCAL
from app.services.storage import storage
from app.services.system import system
from app.settings import Settings
from tests.databases import on_both_databases
from tests.flow.finished_study import STARTED, insert

pytestmark = [pytest.mark.anyio, on_both_databases]


def kept(engine: Engine, run: int, *files: tuple[str, int]) -> None:
    with system_session(engine) as session:
        for place, (sha256, size) in enumerate(files):
            session.add(
                ArtifactRow(team_id=1, run_id=run, path=f"{place}.safetensors", size_bytes=size, sha256=sha256 * 64)
            )


def finished(engine: Engine, name: str) -> list[int]:
    with system_session(engine) as session:
        study = insert(session, team_id=1, name=name)
        return [run.id for run in session.query(Run).filter(Run.study_id == study.id).order_by(Run.id)]


async def test_room_is_told_by_study_and_shared_files_once(web: FastAPI, engine: Engine) -> None:
    first, second = finished(engine, "Small"), finished(engine, "Large")
    kept(engine, first[0], ("a", 100), ("b", 50))
    kept(engine, first[1], ("a", 100))
    kept(engine, second[0], ("a", 100), ("c", 700))
    client = AtlasClient.in_process(web)
    found = await client.storage()
    assert [(one.name, one.runs, one.files, one.bytes) for one in found.studies] == [
        ("Large", 1, 2, 800),
        ("Small", 2, 2, 150),
    ]
    assert (found.files, found.file_bytes, found.other_studies) == (3, 850, 0)
    assert found.database_bytes > 10_000
    assert 0 < found.disk_free_bytes < found.disk_total_bytes
    await client.close()


async def test_what_nothing_refers_to_is_freed(web: FastAPI, engine: Engine, settings: Settings) -> None:
    (run, *_) = finished(engine, "Kept")
    kept(engine, run, ("d", 3))
    old = time.time() - 7_200
    for sha256 in ("d" * 64, "e" * 64):
        path = settings.store_folder / "objects" / sha256[:2] / sha256
        path.parent.mkdir(parents=True)
        path.write_bytes(b"abc")
        os.utime(path, (old, old))
    left = settings.store_folder / "runs" / "999"
    left.mkdir(parents=True)
    (left / "checkpoint.safetensors").write_bytes(bytes(4_000))
    client = AtlasClient.in_process(web)
    assert (await client.storage()).checkpoint_bytes == 4_000
    assert (await client.sweep_storage()).checkpoint_bytes == 0
    assert [path.name[0] for path in (settings.store_folder / "objects").glob("*/*")] == ["d"]
    await client.close()


async def test_ten_thousand_runs_are_told_at_once(web: FastAPI, engine: Engine) -> None:
    finished(engine, "Small")
    with system_session(engine) as session:
        study = session.query(Study).one()
        row = session.query(Configuration).first()
        assert row is not None
        common = {"team_id": 1, "study_id": study.id, "configuration_id": row.id, "purpose": "report", "position": 1}
        times = {"created_at": STARTED, "updated_at": STARTED, "status": "succeeded"}
        session.execute(insert_rows(Run), [{**common, **times, "seed": seed} for seed in range(10_000)])
        runs = [run for (run,) in session.query(Run.id).filter(Run.seed >= 10)]
        session.execute(
            insert_rows(ArtifactRow),
            [
                {"team_id": 1, "run_id": run, "path": f"{part}", "size_bytes": 9, "sha256": f"{run:060}{part:04}"}
                for run in runs
                for part in range(3)
            ],
        )
    began = time.perf_counter()
    found = storage(engine, web.state.settings, LOCAL)
    assert found.files == 3 * len(runs)
    assert time.perf_counter() - began < 2


async def test_the_system_says_what_it_is(web: FastAPI, settings: Settings) -> None:
    broken = settings.home_folder / "models" / "half"
    broken.mkdir(parents=True)
    client = AtlasClient.in_process(web)
    found = await client.system()
    assert found.revision == found.newest_revision
    assert found.packages["dash"] is not None
    assert found.database == ("PostgreSQL" if settings.database_url else "SQLite")
    assert [Path(one.folder).name for one in found.unusable_models] == ["half"]
    assert "config.json" in found.unusable_models[0].reason
    assert all(one.command.startswith("make assets NAMES=") for one in found.not_installed)
    await client.check_ready()
    await client.close()


def test_no_secret_leaves(engine: Engine, settings: Settings) -> None:
    told = Settings(
        home=settings.home,
        database_url="postgresql+psycopg://atlas:hunter2@db.internal/atlas",
        hub_endpoint="https://me:hunter2@hub.internal/api",
        hub_token="hunter2",
    )
    found = {one.variable: one.value for one in system(engine, told).settings}
    assert found["PEFT_ATLAS_HUB_TOKEN"] == "set, not shown"
    assert found["PEFT_ATLAS_DATABASE_URL"] == "postgresql+psycopg://db.internal/atlas"
    assert found["PEFT_ATLAS_HUB_ENDPOINT"] == "https://hub.internal/api"
    assert "hunter2" not in repr(found)


async def test_what_keeps_it_from_its_work_is_told_by_readyz(web: FastAPI, settings: Settings) -> None:
    settings.store_folder.write_text("a file where the store should be")
    client = AtlasClient.in_process(web)
    with pytest.raises(ApiProblem, match="takes no more files"):
        await client.check_ready()
    await client.close()
