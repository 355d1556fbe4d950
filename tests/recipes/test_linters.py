"""The recipes are right by the word of the programs that read them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tdl_sync.cli.parse import parse_config
from tdl_sync.options.config import Command
from tests.e2e.program import ROOT
from tests.recipes.hosts import WORKFLOWS, Dockerfile, needed_to_stop_seconds, recipe
from tests.recipes.tools import SystemdAnalyze, actionlint, hadolint, systemd_analyze

RECIPES = ROOT / "recipes"
MOST_EXPOSURE = 2.0
"""Of 10, by the figure of ``systemd-analyze security``; a service without any hardening has 9.6."""


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actionlint_finds_nothing_in_the_workflow_and_an_error_where_there_is_one(
    tmp_path: Path, name: str
) -> None:
    workflow = RECIPES / name
    assert actionlint(workflow) == []
    broken = tmp_path / "broken.yml"
    broken.write_text(workflow.read_text().replace("secrets.RCLONE_CONFIG", "secret.RCLONE_CONFIG"))
    (problem,) = actionlint(broken)
    assert 'undefined variable "secret"' in problem


def test_hadolint_finds_nothing_in_the_dockerfile_and_an_error_where_there_is_one(
    tmp_path: Path,
) -> None:
    dockerfile = RECIPES / "Dockerfile"
    assert hadolint(dockerfile) == []
    broken = tmp_path / "Dockerfile"
    broken.write_text(dockerfile.read_text().replace("python:3.13-slim", "python"))
    assert any("DL3006" in line for line in hadolint(broken))


def test_the_image_is_built_from_what_dockerignore_lets_through() -> None:
    let_through = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (RECIPES / "Dockerfile").read_text(), re.M)
    assert sorted(" ".join(copied).split()) == sorted(let_through)
    assert all((ROOT / name).exists() for name in let_through)


def test_the_images_health_is_what_status_says() -> None:
    dockerfile = Dockerfile.read({})
    (check,) = dockerfile.all("HEALTHCHECK")
    command = yaml.safe_load(check[check.index("CMD ") + len("CMD ") :])
    assert command == [*dockerfile.exec_form("ENTRYPOINT"), "status"]


def test_compose_keeps_the_images_program_with_the_chats_of_the_settings() -> None:
    (service,) = yaml.safe_load(recipe("compose.yaml"))["services"].values()
    config = parse_config(service["command"], {"TDL_SYNC_URL": "@somebody"})
    assert (config.command, config.running.follow) == (Command.SYNC, True)
    built = service["build"]
    assert (RECIPES / built["context"] / built["dockerfile"]).resolve() == RECIPES / "Dockerfile"
    volumes = [volume.partition(":")[2] for volume in service["volumes"]]
    assert volumes == yaml.safe_load(Dockerfile.read({}).all("VOLUME")[0])
    assert service["env_file"] == "${HOME}/.config/tdl-sync/settings.env"
    assert float(service["stop_grace_period"].removesuffix("s")) > needed_to_stop_seconds()


def test_systemd_takes_the_services_and_the_timer_of_a_user(tmp_path: Path) -> None:
    program = tmp_path / ".local" / "bin" / "tdl-sync"
    make_program(program)
    services = sorted((RECIPES / "systemd" / "user").glob("*.service"))
    units = [*services, RECIPES / "systemd" / "tdl-sync.timer"]
    assert len(units) == 3
    run = systemd_analyze().run("--user", "verify", *map(str, units), home=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")


def test_systemd_takes_the_service_of_the_machine_and_finds_it_locked_up_well(
    tmp_path: Path,
) -> None:
    """At another place: its program is not installed on this machine."""
    make_program(tmp_path / "bin" / "tdl-sync")
    text = (RECIPES / "systemd" / "system" / "tdl-sync.service").read_text()
    assert text.count("/opt/tdl-sync/") == 1
    service, timer = tmp_path / "tdl-sync.service", tmp_path / "tdl-sync.timer"
    service.write_text(text.replace("/opt/tdl-sync/", f"{tmp_path}/"))
    timer.write_text((RECIPES / "systemd" / "tdl-sync.timer").read_text())
    analyze = systemd_analyze()
    run = analyze.run("verify", str(service), str(timer), home=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert exposure(analyze, service) <= MOST_EXPOSURE
    service.write_text(service.read_text().replace("TimeoutStopSec=", "TimeoutStop="))
    assert "TimeoutStop" in analyze.run("verify", str(service), home=tmp_path).stderr


def make_program(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def exposure(analyze: SystemdAnalyze, service: Path) -> float:
    run = analyze.run("security", "--offline=yes", str(service), home=service.parent)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", run.stdout)
    assert found is not None, run.stdout + run.stderr
    return float(found[1])
