"""Each recipe moves a chat, is stopped by what stops it there, and goes on where it was.

Every one is really run: its own text, by the shell and in the environment that it gets where it
belongs, with the real program and rclone against the stand-in. What stands in here, too, are the
services around it (cron, systemd, the runner, Colab's secrets), by what their documentation says.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import warnings
from pathlib import Path

import psutil
import pytest

from scripts import reaper
from tests.e2e.expectations import assert_on_remote, remote_files, the_state, wanted
from tests.e2e.program import PATIENCE_SECONDS, ROOT
from tests.recipes.conftest import NewHost
from tests.recipes.hosts import (
    SHARDED_WORKFLOW,
    SIZES,
    SLOW_UPLOADS,
    WORKFLOWS,
    Dockerfile,
    Host,
    Service,
    Workflow,
    as_first_process,
    assert_private,
    cancel_as_the_runner_does,
    cron_command,
    cron_variables,
    environment_file,
    machine_variables,
    recipe,
)

DEFAULT_STAGING = "home/.local/share/tdl-sync/staging"


def install_for_one_user(host: Host, image: Path) -> Path:
    """As pipx does it. Returns the settings, put in place by the command that they name."""
    programs = host.home / ".local" / "bin"
    programs.mkdir(parents=True)
    (programs / "tdl-sync").symlink_to(image / "opt" / "tdl-sync" / "bin" / "tdl-sync")
    host.write_rclone_config(host.home / ".config" / "rclone" / "rclone.conf")
    command = re.findall(r"^#   (install .+)$", recipe("settings.env"), re.MULTILINE)
    variables = {"HOME": str(host.home), "PATH": os.environ["PATH"], **reaper.mark()}
    subprocess.run(["/bin/sh", "-c", *command], cwd=ROOT, env=variables, check=True)
    settings = host.home / ".config" / "tdl-sync" / "settings.env"
    assert_private(settings)
    return settings


def test_cron_runs_it_without_a_mail_and_a_second_start_ends_at_once(
    new_host: NewHost, image: Path
) -> None:
    host = new_host(DEFAULT_STAGING)
    settings = install_for_one_user(host, image)
    variables, log = cron_variables(host.home), host.home / "tdl-sync.log"
    host.write_settings(settings, slow=True)

    running = host.start(cron_command(), variables)
    host.wait_until_uploading(running)
    second = host.start(cron_command(), variables).wait()
    assert (second.exit_status, second.stdout, second.stderr) == (5, "", "")
    assert "another run" in log.read_text()

    running.signal(signal.SIGTERM)
    ended = running.wait()
    assert (ended.exit_status, ended.stdout, ended.stderr) == (143, "", "")
    assert log.read_text().splitlines()[-1].startswith("result: status=stopped")
    host.assert_stopped_cleanly()

    host.write_settings(settings, slow=False)
    ended = host.start(cron_command(), variables).wait()
    assert (ended.exit_status, ended.stdout, ended.stderr) == (0, "", "")
    assert log.read_text().splitlines()[-1].startswith("result: status=complete")
    host.assert_moved_without_another_download()
    assert_private(log)

    settings.unlink()
    assert "settings.env" in host.start(cron_command(), variables).wait().stderr


def test_systemd_runs_it_for_a_user_and_a_stop_counts_as_success(
    new_host: NewHost, image: Path
) -> None:
    host = new_host(DEFAULT_STAGING)
    settings = install_for_one_user(host, image)
    specifiers = {"%h": str(host.home), "%E": str(host.home / ".config")}
    service = Service.read(recipe("systemd/user/tdl-sync.service"), specifiers)
    run_and_stop_service(host, service, settings, {"HOME": str(host.home)})


def test_systemd_runs_it_for_the_machine_with_all_that_it_writes_in_its_two_directories(
    new_host: NewHost, image: Path
) -> None:
    host = new_host("cache/tdl-sync")
    places = {"%S": "state", "%C": "cache", "/etc": "etc"}
    specifiers = {place: str(host.directory / name) for place, name in places.items()}
    text = recipe("systemd/system/tdl-sync.service").replace("/opt/", f"{image}/opt/")
    service = Service.read(text, specifiers)
    state, cache = (
        host.directory / places[specifier] / service.one(f"{name}Directory")
        for name, specifier in (("State", "%S"), ("Cache", "%C"))
    )
    for name, directory in (("State", state), ("Cache", cache)):
        directory.mkdir(int(service.one(f"{name}DirectoryMode"), 8), parents=True)
    host.write_rclone_config(state / "rclone.conf")
    settings = host.directory / "etc" / "tdl-sync" / "settings.env"
    settings.parent.mkdir(parents=True)
    settings.touch(0o600)
    # `ProtectHome=`: the account's home is the one directory, and there is no other.
    run_and_stop_service(host, service, settings, {"HOME": str(state)})
    assert list(host.home.iterdir()) == []
    assert_private(state, cache)


def test_systemd_keeps_it_with_a_chat_until_it_is_stopped(new_host: NewHost, image: Path) -> None:
    host = new_host(DEFAULT_STAGING)
    settings = install_for_one_user(host, image)
    host.write_settings(settings, slow=False)
    specifiers = {"%h": str(host.home), "%E": str(host.home / ".config")}
    service = Service.read(recipe("systemd/user/tdl-sync-follow.service"), specifiers)
    running = host.start(service.command, {"HOME": str(host.home), **service.variables()})
    channel = host.scene.world.source
    running.wait_until(lambda: len(remote_files(host.scene.machine)) == len(SIZES))
    ended = service.stop(running)
    assert ended.result["status"] == "stopped", ended.stderr
    assert service.counts_as_success(ended.exit_status)
    assert the_state(host.scene.world)["status"] == "stopped"
    assert_on_remote(host.scene.machine, (channel, wanted(channel)))


def run_and_stop_service(
    host: Host, service: Service, settings: Path, account: dict[str, str]
) -> None:
    base = {**account, "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    host.write_settings(settings, slow=True)
    running = host.start(service.command, {**base, **service.variables()})
    host.wait_until_uploading(running)
    ended = service.stop(running)
    assert ended.result["status"] == "stopped", ended.stderr
    assert service.counts_as_success(ended.exit_status)
    host.assert_stopped_cleanly()

    host.write_settings(settings, slow=False)
    ended = host.start(service.command, {**base, **service.variables()}).wait()
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    host.assert_moved_without_another_download()


def test_a_job_that_is_cancelled_saves_its_state_in_the_time_that_the_runner_gives(
    new_host: NewHost, runner_temp: Path
) -> None:
    host, workflow = new_host(DEFAULT_STAGING), Workflow.read()
    runner = {
        **{"HOME": str(host.home), "PATH": os.environ["PATH"], "CI": "true"},
        **{"RUNNER_TEMP": str(runner_temp), "GITHUB_ACTIONS": "true"},
    }
    contexts = {
        "secrets.RCLONE_CONFIG": host.rclone_config(),
        "secrets.TDL_SYNC_SESSION_STRING": host.scene.telegram.session_string(),
        "runner.temp": str(runner_temp),
    }

    def step(name: str, **more: str) -> tuple[list[str], dict[str, str], Path]:
        own = workflow.variables(name, contexts)
        return workflow.command(name, runner_temp), {**runner, **more, **own}, ROOT

    assert host.start(*step("Write rclone's configuration")).wait().exit_status == 0
    assert_private(runner_temp / "tdl-sync" / "rclone.conf")

    proxy = host.settings(slow=False)
    del proxy["TDL_SYNC_SESSION_STRING"]
    running = host.start(*step("Move", **proxy, **SLOW_UPLOADS))
    host.wait_until_uploading(running)
    ended = cancel_as_the_runner_does(running)
    assert (ended.exit_status, ended.result["status"]) == (130, "stopped"), ended.stderr
    host.assert_stopped_cleanly()

    ended = host.start(*step("Move", **proxy)).wait()
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    host.assert_moved_without_another_download()


def test_the_matrix_gives_each_machine_its_own_part_of_the_chat(
    new_host: NewHost, runner_temp: Path
) -> None:
    host, workflow = new_host(DEFAULT_STAGING), Workflow.read(SHARDED_WORKFLOW)
    strategy = workflow.job["strategy"]
    shards = strategy["matrix"]["shard"]
    assert (shards, strategy["fail-fast"]) == ([*range(1, len(shards) + 1)], False)
    machines = {str(workflow.job[key]) for key in ("runs-on", "environment", "concurrency")}
    assert all("${{ matrix.shard }}" in each for each in machines)
    host.write_rclone_config(runner_temp / "tdl-sync" / "rclone.conf")
    runner = {"HOME": str(host.home), "PATH": os.environ["PATH"], "RUNNER_TEMP": str(runner_temp)}
    proxy = host.settings(slow=False)
    done = []
    for shard in shards[:2]:
        contexts = {
            "secrets.TDL_SYNC_SESSION_STRING": host.scene.telegram.session_string(),
            "runner.temp": str(runner_temp),
            "matrix.shard": str(shard),
            "strategy.job-total": str(len(shards)),
        }
        variables = {**runner, **proxy, **workflow.variables("Move", contexts)}
        ended = host.start(workflow.command("Move", runner_temp), variables, ROOT).wait()
        assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
        done.append(ended.result["done"])
    assert done == ["2", "0"]
    assert_on_remote(host.scene.machine, (host.scene.world.source, wanted(host.scene.world.source)))


@pytest.mark.parametrize("name", WORKFLOWS)
def test_the_last_step_of_a_job_removes_the_secrets_whatever_happened(
    tmp_path: Path, name: str
) -> None:
    workflow = Workflow.read(name)
    (tmp_path / "tdl-sync").mkdir()
    (tmp_path / "tdl-sync" / "rclone.conf").touch()
    last = workflow.job["steps"][-1]
    assert (last["name"], last["if"]) == ("Clean up", "always()")
    variables = {"RUNNER_TEMP": str(tmp_path), "PATH": os.environ["PATH"], **reaper.mark()}
    subprocess.run(workflow.command("Clean up", tmp_path), env=variables, check=True)
    assert not (tmp_path / "tdl-sync").exists()


@pytest.mark.parametrize("name", WORKFLOWS)
def test_each_secret_is_seen_by_one_step_and_stands_in_no_command(name: str) -> None:
    workflow = Workflow.read(name)
    secrets = re.findall(r"secrets\.(\w+)", str(workflow.job))
    assert sorted(secrets) == ["RCLONE_CONFIG", "TDL_SYNC_SESSION_STRING"]
    for step in workflow.job["steps"]:
        assert "${{" not in step.get("run", "")


def test_the_container_stops_cleanly_with_the_program_as_its_first_process(
    new_host: NewHost, image: Path
) -> None:
    host = new_host("volumes/staging")
    volumes = {name: host.directory / "volumes" / name for name in ("data", "staging")}
    dockerfile = Dockerfile.read(
        {"/opt": image / "opt", **{f"/{name}": path for name, path in volumes.items()}}
    )
    for path in volumes.values():
        path.mkdir(mode=0o700, parents=True)
    host.write_rclone_config(volumes["data"] / "rclone.conf")
    settings = host.directory / "settings.env"
    settings.touch(0o600)
    host.write_settings(settings, slow=True)
    first_process = as_first_process()
    command = [*first_process, *dockerfile.exec_form("ENTRYPOINT"), *dockerfile.exec_form("CMD")]

    def variables() -> dict[str, str]:
        file = dict(line.split("=", 1) for line in environment_file(settings))
        return {"HOME": str(volumes["data"]), **dockerfile.variables("/usr/bin:/bin"), **file}

    running = host.start(command, variables(), volumes["data"])
    host.wait_until_uploading(running)
    # Some that it has started have ended by now, and left no zombie behind.
    statuses = {child.status() for child in running.children()}
    assert psutil.STATUS_ZOMBIE not in statuses
    (number,) = dockerfile.all("STOPSIGNAL")
    main = running.children()[0] if first_process else psutil.Process(running.process.pid)
    main.send_signal(signal.Signals[number])
    ended = running.wait()
    assert (ended.exit_status, ended.result["status"]) == (143, "stopped"), ended.stderr
    host.assert_stopped_cleanly()

    host.write_settings(settings, slow=False)
    ended = host.start(command, variables(), volumes["data"]).wait()
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    host.assert_moved_without_another_download()
    if not first_process:
        warnings.warn("run, but not as process 1: this account may make no namespace", stacklevel=2)


def test_a_colab_cell_that_is_interrupted_saves_the_state_and_goes_on_when_run_again(
    new_host: NewHost, runner_temp: Path, tmp_path: Path
) -> None:
    host = new_host("content/tdl-sync-work/data/staging")
    content = host.directory / "content"
    content.mkdir()
    cell, secrets = tmp_path / "cell.py", tmp_path / "google" / "colab"
    text = recipe("colab.py").replace('"/content/tdl_sync"', repr(str(ROOT)))
    cell.write_text(text.replace("/content/tdl-sync-work", str(content / "tdl-sync-work")))
    secrets.mkdir(parents=True)
    known = {
        "RCLONE_CONFIG": host.rclone_config(),
        "TDL_SYNC_SESSION_STRING": host.scene.telegram.session_string(),
    }
    (secrets / "userdata.py").write_text(f"get = {known!r}.__getitem__\n")
    python = str(runner_temp / "tdl-sync" / "bin" / "python")

    def start(*, slow: bool) -> tuple[list[str], dict[str, str]]:
        variables = {**machine_variables(), **host.settings(slow=slow)}
        del variables["TDL_SYNC_SESSION_STRING"]
        return [python, "-u", str(cell)], {**variables, "PYTHONPATH": str(tmp_path)}

    running = host.start(*start(slow=True))
    host.wait_until_uploading(running)
    assert_private(content / "tdl-sync-work", content / "tdl-sync-work" / "rclone.conf")
    # As Jupyter interrupts: the notebook's process and all that is in its group.
    os.killpg(running.process.pid, signal.SIGINT)
    ended = running.wait()
    assert "result: status=stopped" in ended.stdout
    assert ended.stdout.splitlines()[-1] == "exit status 130"
    assert "stopped at once" not in ended.stdout, "it got more than one signal"
    host.assert_stopped_cleanly()
    assert not (content / "tdl-sync-work" / "rclone.conf").exists()

    ended = host.start(*start(slow=False)).wait(PATIENCE_SECONDS)
    assert ended.stdout.splitlines()[-1] == "exit status 0"
    assert "result: status=complete" in ended.stdout
    host.assert_moved_without_another_download()
