"""docker-compose.yml and Dockerfile: the services, nothing open beyond this machine, no secret, no torch in web."""

import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.dependencies import ROOT, closure, requirements

PASSWORD_MUST_BE_GIVEN = re.compile(r"\$\{[A-Z_]+:\?[^}]+\}")
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
    assert set(services) == {"db", "migrate", "web", "worker"}
    assert services["migrate"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    for name in ("web", "worker"):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


def test_only_web_is_published_and_only_on_loopback(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert set(published) == {"web"}
    assert all(port.startswith("127.0.0.1:") for port in published["web"])
    assert not [name for name, service in compose["services"].items() if service.get("network_mode")]
    assert compose["networks"]["inside"] == {"internal": True}
    assert compose["services"]["db"]["networks"] == ["inside"]


def test_no_secret_has_a_default(compose: dict[str, Any]) -> None:
    settings = [entry for service in compose["services"].values() for entry in service.get("environment", {}).items()]
    secrets = [value for name, value in settings if re.search("PASSWORD|SECRET|TOKEN|KEY", name)]
    assert len(secrets) == 4  # The database's own, and the one each of its three clients sends.
    assert all(PASSWORD_MUST_BE_GIVEN.fullmatch(value) for value in secrets)
    assert not [value for _, value in settings if re.search(r"//[^/@]*:[^/@]*@", str(value))]
    assert not [name for name, _ in settings if name == "POSTGRES_HOST_AUTH_METHOD"]


def test_web_and_workers_share_home_and_run_with_few_rights(compose: dict[str, Any]) -> None:
    for name in ("migrate", "web", "worker"):
        service = compose["services"][name]
        assert service["volumes"] == ["home:/var/lib/peft-atlas"]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert "privileged" not in service


def test_every_target_is_a_stage_of_the_dockerfile(
    compose: dict[str, Any], stages: dict[str, tuple[str, list[str]]]
) -> None:
    targets = {name: service["build"]["target"] for name, service in compose["services"].items() if "build" in service}
    assert targets == {"migrate": "web", "web": "web", "worker": "worker"}
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
