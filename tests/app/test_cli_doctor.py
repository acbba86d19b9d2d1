"""`peft-atlas doctor` where something is really broken: it says what, and what to do."""

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from app.cli import app
from app.cli.doctor import access, assets, database, disk, hub, ports, python, secret_files, server, training
from app.cli.doctor.finding import Finding
from app.db.migrate import migrate
from app.main import create_app
from app.services.accounts.first_visit import first_visit_key
from app.services.accounts.users import add_user
from app.settings import Settings
from tests.app.services import exported
from tests.flow.conftest import free_port, serving
from tests.hub_server import HubServer

BOUND_BY_PERMISSIONS = (
    [] if os.geteuid() else ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all"]
)
"""What makes even root's process keep to what files allow."""


@pytest.fixture
def broken_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A torch that lacks a library of the system, as after a driver or a package was taken away."""
    folder = tmp_path / "broken" / "torch"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('libcudart.so.12: cannot open shared object file')\n")
    path = os.pathsep.join([str(folder.parent), *sys.path])
    monkeypatch.setenv("PYTHONPATH", path)
    return folder


def run(*words: str) -> tuple[int, list[dict[str, Any]]]:
    found = CliRunner().invoke(app, ["doctor", "--json", "--port", str(free_port()), *words])
    assert found.stdout, found.output
    return found.exit_code, json.loads(found.stdout)["checks"]


def run_bound_by_permissions(home: Path) -> list[dict[str, Any]]:
    command = [*BOUND_BY_PERMISSIONS, sys.executable, "-m", "app.cli", "doctor", "--json", "--port", str(free_port())]
    done = subprocess.run(command, env=os.environ | {"PEFT_ATLAS_HOME": str(home)}, capture_output=True, check=False)
    assert done.stdout, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["checks"]
    return found


def problems(findings: list[Finding]) -> list[str]:
    assert all((found.status == "ok") == (found.advice is None) for found in findings)
    return [found.name for found in findings if found.status == "problem"]


def test_every_check_is_told_in_words_and_as_json(home: Path, engine: Engine, broken_torch: Path) -> None:
    code, checks = run()
    assert all(check.keys() == {"name", "status", "detail", "advice"} for check in checks)
    names = [check["name"] for check in checks]
    assert names == [
        *("python", "settings", "torch", "home", "database", "workers"),
        *("access", "assets", "port", "secrets", "hub"),
    ]
    assert code == 1
    (torch,) = (check for check in checks if check["status"] == "problem")
    assert torch["name"] == "torch"
    assert "libcudart.so.12" in torch["detail"]
    assert "make setup" in torch["advice"]
    told = CliRunner().invoke(app, ["doctor", "--port", str(free_port())])
    assert told.exit_code == 1
    assert "problem  torch      torch" in told.stdout
    assert told.stdout.splitlines()[-1] == "11 checks: 1 problems, 0 warnings."


@pytest.mark.slow
def test_a_whole_installation_has_no_problem(home: Path, engine: Engine) -> None:
    code, checks = run()
    assert (code, {check["status"] for check in checks}) == (0, {"ok"})


def test_doctor_itself_loads_no_torch() -> None:
    code = "import app.cli, app.cli.doctor, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_pythons_are_those_of_the_packages() -> None:
    wanted = SpecifierSet(metadata("peft-atlas")["Requires-Python"])
    told = [f"{major}.{minor}" for major, minor in (python.OLDEST, python.NEWEST)]
    assert [version for version in ("3.10", "3.11", "3.13", "3.14") if f"{version}.0" in wanted] == told
    assert python.check().status == "ok"


def test_a_machine_without_torch_may_serve_pages(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    (found,) = training.check(settings)
    assert (found.status, "pages can be served" in found.detail) == ("warning", True)


def test_a_torch_that_kills_its_process(settings: Settings, broken_torch: Path) -> None:
    (broken_torch / "__init__.py").write_text("import os\nos.abort()\n")
    (found,) = training.check(settings)
    assert (found.status, "it ended with code -6" in found.detail) == ("problem", True)


def test_a_ray_that_is_not_installed(home: Path, broken_torch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert problems(list(training.check(Settings(executor="ray")))) == ["torch", "ray"]


def cuda(**seen: Any) -> Finding:
    return training.cuda({"built_for": None, "driver": None, "devices": []} | seen)


def test_what_is_said_of_cuda() -> None:
    assert cuda().status == "ok"
    assert cuda(devices=["H200"], driver="575", built_for="12.8").status == "ok"
    assert cuda(driver="575").status == "warning"
    assert cuda(driver="418", built_for="12.8").status == "problem"


def test_no_database_yet_is_no_problem(settings: Settings) -> None:
    (found,) = database.check(settings)
    assert (found.status, "the first start makes" in found.detail) == ("ok", True)
    assert list(settings.home_folder.iterdir()) == []


def test_a_database_that_was_never_migrated_or_long_ago(settings: Settings) -> None:
    file = settings.home_folder / "atlas.sqlite"
    file.touch()
    (empty,) = database.check(settings)
    migrate(settings.database, "0005")
    (old,) = database.check(settings)
    assert [found.status for found in (empty, old)] == ["problem", "problem"]
    assert "Run `peft-atlas migrate`" in str(empty.advice) + str(old.advice)
    assert "at revision 0005" in old.detail
    migrate(settings.database)
    assert problems(list(database.check(settings))) == []


def test_a_database_of_a_newer_version(engine: Engine, settings: Settings) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    (found,) = database.check(settings)
    assert (found.status, "does not know" in found.detail) == ("problem", True)


def test_a_file_that_is_no_database(settings: Settings) -> None:
    (settings.home_folder / "atlas.sqlite").write_bytes(b"not a database, by far not" * 200)
    (found,) = database.check(settings)
    assert (found.status, "file is not a database" in found.detail) == ("problem", True)


@pytest.mark.skipif(shutil.which("setpriv") is None and not os.geteuid(), reason="Root may write everywhere.")
def test_a_database_that_this_user_may_only_read(home: Path, broken_torch: Path) -> None:
    migrate(f"sqlite:///{home / 'atlas.sqlite'}")
    for file in home.iterdir():
        file.chmod(0o444)
    home.chmod(0o555)
    found = run_bound_by_permissions(home)
    home.chmod(0o755)
    said = {check["name"]: check["detail"] for check in found if check["status"] == "problem"}
    assert {"home", "database"} <= said.keys()
    assert "cannot be written to by this user" in said["home"]
    assert "readonly database" in said["database"] or "unable to open" in said["database"]


def test_a_server_of_the_database_that_does_not_answer(home: Path) -> None:
    url = f"postgresql+psycopg://atlas:canary@127.0.0.1:{free_port()}/atlas"
    (found,) = database.check(Settings(database_url=url))
    assert (found.status, "PEFT_ATLAS_DATABASE_URL" in str(found.advice)) == ("problem", True)
    assert "canary" not in found.model_dump_json()


@pytest.mark.postgres
@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_a_postgresql_that_takes_no_writes(engine: Engine, settings: Settings) -> None:
    from app.cli.doctor import database as checked

    assert problems(list(checked.check(settings))) == []
    name = engine.url.database
    with engine.begin() as connection:
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    found = list(checked.check(settings))
    assert problems(found) == ["database"]
    assert "read-only transaction" in found[0].detail


def test_runs_that_nobody_takes(engine: Engine, settings: Settings) -> None:
    exported.interrupted(engine)
    found = list(database.check(settings))
    assert [(check.name, check.status) for check in found] == [("database", "ok"), ("workers", "warning")]


def test_a_disk_that_takes_no_more(home: Path, settings: Settings) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
    try:
        (found,) = disk.check(settings)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (found.status, "takes no more files" in found.detail) == ("problem", True)
    assert "Free some room" in str(found.advice)


def test_a_disk_that_is_nearly_full(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "SHARE_LEFT_FREE", 1.0)
    (found,) = disk.check(settings)
    assert (found.status, "studies are refused below 100%" in found.detail) == ("problem", True)


def test_a_store_of_its_own_is_looked_at_too(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = list(disk.check(Settings(store=tmp_path / "elsewhere")))
    assert [(check.name, check.status) for check in found] == [("home", "ok"), ("store", "ok")]


def test_models_and_data_that_are_not_installed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    (missing,) = assets.check(settings)
    assert (missing.status, "minilm" in missing.detail) == ("problem", True)
    assert "make setup" in str(missing.advice)
    (tmp_path / "share" / "peft-atlas" / "minilm").mkdir(parents=True)
    damaged = list(assets.check(settings))[-1]
    assert (damaged.status, "minilm is damaged" in damaged.detail) == ("problem", True)


def test_folders_that_are_named_and_not_there(home: Path, tmp_path: Path) -> None:
    (home / "models" / "half").mkdir(parents=True)
    (home / "models" / "half" / "config.json").write_text("{}")
    found = list(assets.check(Settings(model_roots=str(tmp_path / "unmounted"))))
    assert [check.status for check in found] == ["ok", "warning", "warning"]
    assert "PEFT_ATLAS_MODEL_ROOTS names" in found[1].detail
    assert str(home / "models" / "half") in found[2].detail


def test_a_port_that_something_else_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        found = ports.check("127.0.0.1", port)
    assert found.status == "problem"
    assert f"(process {os.getpid()})" in found.detail
    assert f"--port {port + 1}" in str(found.advice)
    assert ports.check("127.0.0.1", free_port()).status == "ok"
    assert "cannot be used" in ports.check("192.0.2.1", 8050).detail


def test_a_port_where_the_product_answers(settings: Settings) -> None:
    web = create_app(settings)
    with serving(web) as url:
        port = int(url.rpartition(":")[2])
        assert ports.check("127.0.0.1", port).detail == f"PEFT Atlas answers at {url}"
        with web.state.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '0005'"))
        found = ports.check("127.0.0.1", port)
    assert (found.status, "is not ready" in found.detail) == ("warning", True)


def test_secrets_that_others_can_read(home: Path) -> None:
    first_visit_key(home)
    token = home / "token"
    token.write_text("canary")
    token.chmod(0o644)
    (found,) = secret_files.check(Settings(token_file=token))
    assert (found.status, found.advice) == ("warning", f"Run `chmod 600 {token}`.")
    assert "canary" not in found.model_dump_json()
    token.chmod(0o600)
    (fine,) = secret_files.check(Settings(token_file=token))
    assert (fine.status, fine.detail[:7]) == ("ok", "2 files")
    (home / "first-visit-key").chmod(0o640)
    assert problems(list(secret_files.check(Settings()))) == ["secrets"]


def test_who_comes_in(engine: Engine, settings: Settings) -> None:
    def said(host: str, **given: Any) -> list[str]:
        return [found.status for found in access.check(settings.model_copy(update=given), host)]

    assert said("127.0.0.1") == ["ok"]
    assert said("0.0.0.0") == ["problem"]
    assert said("localhost", hosts="atlas.example.org") == ["ok", "warning"]
    add_user(engine, "ada", "four words in a row", operator=True)
    assert said("0.0.0.0") == ["ok", "warning"]
    assert said("0.0.0.0", hosts="atlas.example.org") == ["ok"]


def test_the_hub(home: Path, hub_server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(**given: Any) -> tuple[str, str]:
        (found,) = hub.check(Settings(**given))
        return found.status, found.detail

    assert said()[1].startswith("off")
    assert said(hub_enabled=True, hub_endpoint=hub_server.url)[0] == "ok"
    assert said(hub_enabled=True, hub_endpoint=f"http://127.0.0.1:{free_port()}")[0] == "warning"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in said(hub_enabled=True)[1]


def test_the_server_that_commands_ask(home: Path, settings: Settings) -> None:
    assert list(server.check(settings)) == []
    with serving(create_app(settings)) as url:
        assert [check.status for check in server.check(Settings(url=url))] == ["ok"]
    (gone,) = server.check(Settings(url=url))
    assert (gone.status, "does not answer" in gone.detail) == ("problem", True)
    *_, open_text = server.check(Settings(url=f"http://0.0.0.0:{free_port()}", token="t"))
    assert "unencrypted" in open_text.detail


def test_a_variable_that_nothing_reads(home: Path, broken_torch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEFT_ATLAS_HUB_ENABELD", "1")
    _, checks = run()
    (mistyped,) = (check for check in checks if check["status"] == "warning")
    assert mistyped["advice"] == "Rename it to PEFT_ATLAS_HUB_ENABLED, or unset it."


def test_a_variable_that_cannot_be_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEFT_ATLAS_SLOTS", "many")
    code, checks = run()
    assert code == 1
    assert checks[-1]["detail"].startswith("PEFT_ATLAS_SLOTS: ")
