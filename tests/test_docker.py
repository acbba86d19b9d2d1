"""docker-compose.yml and Dockerfile: the services, nothing open beyond this machine, no secret, no torch in web."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from sqlalchemy import make_url

from app.settings import Settings
from tests.dependencies import ROOT, closure, requirements

SECRET = re.compile("PASSWORD|SECRET|TOKEN|KEY")
PRODUCT = ("migrate", "web", "worker", "worker-gpu")
WORKERS = ("worker", "worker-gpu")
TRAINING = {"torch", "transformers", "peft"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    parsed: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return parsed


@pytest.fixture(scope="module")
def stages() -> dict[str, tuple[str, list[str]]]:
    """Stage -> (what it is built from, its instructions), continuation lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, tuple[str, list[str]]] = {}
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("FROM "):
            _, base, _, name = line.split()
            found[name] = (base, [])
        elif found and line and not line.startswith("#"):
            found[name][1].append(line)
    return found


def instructions(stages: dict[str, tuple[str, list[str]]], name: str) -> list[str]:
    """Everything that goes into an image: its own stage, those it builds on, those it copies from."""
    if name not in stages:
        return []
    base, own = stages[name]
    copied = [match[1] for line in own if (match := re.match(r"COPY --from=(\S+)", line))]
    return [line for source in (base, *copied) for line in instructions(stages, source)] + own


def test_the_services(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"db", *PRODUCT}
    assert services["migrate"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    for name in ("web", *WORKERS):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert services["worker-gpu"]["profiles"] == ["gpu"]
    assert [device["capabilities"] for device in devices(services["worker-gpu"])] == [["gpu"]]


def devices(service: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service["deploy"]["resources"]["reservations"]["devices"]
    return found


def test_only_web_is_published_and_only_on_loopback(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert set(published) == {"web"}
    assert all(port.startswith("127.0.0.1:") for port in published["web"])
    assert not [name for name, service in compose["services"].items() if service.get("network_mode")]
    assert compose["networks"]["inside"] == {"internal": True}
    assert compose["services"]["db"]["networks"] == ["inside"]


def test_secrets_come_from_files_and_from_nowhere_else(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        files = {variable: value for variable, value in settings_of(service).items() if SECRET.search(variable)}
        assert files, name
        assert all(variable.endswith("_FILE") for variable in files)
        assert {value.removeprefix("/run/secrets/") for value in files.values()} == set(service["secrets"])
        assert not [value for value in settings_of(service).values() if re.search(r"//[^/@]*:[^/@]*@", str(value))]
        assert "POSTGRES_HOST_AUTH_METHOD" not in settings_of(service)
    assert all(secret["file"].startswith("./secrets/") for secret in compose["secrets"].values())
    assert "secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def settings_of(service: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = service.get("environment", {})
    return found


def test_every_variable_of_the_product_is_a_setting(
    compose: dict[str, Any], stages: dict[str, tuple[str, list[str]]]
) -> None:
    named = {variable for service in compose["services"].values() for variable in settings_of(service)}
    in_images = {word for _, lines in stages.values() for line in lines for word in re.findall(r"PEFT_ATLAS_\w+", line)}
    ours = {name.removeprefix("PEFT_ATLAS_").lower() for name in named | in_images if name.startswith("PEFT_ATLAS_")}
    assert len(ours) > 5
    assert ours <= Settings.model_fields.keys()


def test_the_settings_of_the_web_server_are_read(compose: dict[str, Any], tmp_path: Path) -> None:
    """As its process reads them, with what a person has to give."""
    password = tmp_path / "password"
    password.write_text("p@ss:w/rd%\n", encoding="utf-8")
    given = {name: str(value) for name, value in settings_of(compose["services"]["web"]).items()}
    given |= {name: str(password) for name in given if name.endswith("_FILE")} | {
        "PEFT_ATLAS_HOSTS": "atlas.example.org"
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        read = Settings()
    url = make_url(read.database)
    assert (url.host, url.username, url.password) == ("db", "atlas", "p@ss:w/rd%")
    assert read.leave_seconds + read.stop_seconds < 15  # The container's own patience.


def test_the_product_shares_its_home_and_runs_with_few_rights(compose: dict[str, Any]) -> None:
    for name in PRODUCT:
        service = compose["services"][name]
        assert service["volumes"] == ["home:/var/lib/peft-atlas"]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service


def test_whatever_lasts_is_looked_after(compose: dict[str, Any]) -> None:
    for name in ("db", "web", *WORKERS):
        service = compose["services"][name]
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
        assert service["restart"] == "unless-stopped"
    drain = Settings.model_fields["drain_seconds"].default
    assert all(int(compose["services"][name]["stop_grace_period"][:-1]) > drain for name in WORKERS)


def test_no_image_holds_a_secret(stages: dict[str, tuple[str, list[str]]]) -> None:
    set_there = [line for _, lines in stages.values() for line in lines if re.match("ENV|ARG", line)]
    assert set_there
    assert not [line for line in set_there if SECRET.search(line)]


def test_every_target_is_a_stage_of_the_dockerfile(
    compose: dict[str, Any], stages: dict[str, tuple[str, list[str]]]
) -> None:
    targets = {name: service["build"]["target"] for name, service in compose["services"].items() if "build" in service}
    assert targets == {"migrate": "web", "web": "web", "worker": "worker", "worker-gpu": "worker"}
    assert set(targets.values()) <= set(stages)


@pytest.mark.parametrize("target", ["web", "worker"])
def test_images_do_not_run_as_root(stages: dict[str, tuple[str, list[str]]], target: str) -> None:
    users = [line.split()[1] for line in instructions(stages, target) if line.startswith("USER ")]
    assert users[-1] not in {"root", "0"}


def test_the_web_image_has_no_torch(stages: dict[str, tuple[str, list[str]]]) -> None:
    installs = [line for line in instructions(stages, "web") if "pip install" in line]
    assert installs
    assert not [line for line in installs if "[" in line or TRAINING & set(re.findall(r"\w+", line))]
    linux = {"sys_platform": "linux", "platform_system": "Linux", "python_version": "3.13"}
    assert not closure(requirements(), linux) & TRAINING
    assert [line for line in instructions(stages, "worker") if "[worker]" in line]


def test_images_install_from_the_lock_file(stages: dict[str, tuple[str, list[str]]]) -> None:
    installs = [line for name in stages for line in stages[name][1] if "pip install" in line]
    assert all("-c requirements.lock" in line for line in installs)


def test_what_the_images_copy_is_not_ignored(stages: dict[str, tuple[str, list[str]]]) -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    copies = [line.split()[1:-1] for name in stages for line in stages[name][1] if re.match("COPY (?!--)", line)]
    assert {source for sources in copies for source in sources} == sent
    assert all((ROOT / source).exists() for source in sent)
