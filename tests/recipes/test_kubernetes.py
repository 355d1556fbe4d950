"""The recipe for Kubernetes: its fields are Kubernetes' own, its values are those that the API
takes, and its container's command does what the Job counts on.

The command is really run, with the variables that Kubernetes sets and the program itself; volumes
and secrets are directories. What is not run is Kubernetes.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from scripts import reaper
from tdl_sync.options.units import parse_bytes
from tests.e2e.expectations import assert_on_remote, the_state, wanted
from tests.e2e.program import PROGRAM, Running
from tests.recipes.conftest import NewHost
from tests.recipes.hosts import Dockerfile, Host, needed_to_stop_seconds, recipe

OLDEST, NEWEST = "1.29.0", kubernetes_validate.latest_version()


def the_job() -> dict[str, Any]:
    job: dict[str, Any] = yaml.safe_load(recipe("kubernetes.yaml"))
    return job


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_each_field_is_one_of_the_oldest_and_of_the_newest_kubernetes(version: str) -> None:
    kubernetes_validate.validate(the_job(), version, strict=True)
    broken = the_job()
    broken["spec"]["backofLimitPerIndex"] = 6
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, version, strict=True)


# --- values, which the schemas don't check -----------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """What the API documents of a value, where it stands, and one that it refuses.

    https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.29/#jobspec-v1-batch
    """

    says: str
    holds: Callable[[dict[str, Any]], bool]
    refused: Callable[[dict[str, Any]], object]


def pod(job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = job["spec"]["template"]["spec"]
    return found


def container(job: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod(job)["containers"]
    assert isinstance(found, dict)
    return found


def rules(job: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = job["spec"]["podFailurePolicy"]["rules"]
    return found


def exits(job: dict[str, Any]) -> list[dict[str, Any]]:
    return [rule["onExitCodes"] for rule in rules(job) if "onExitCodes" in rule]


def conditions(job: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for rule in rules(job) for each in rule.get("onPodConditions", ())]


def quantities(job: dict[str, Any]) -> list[str]:
    resources = container(job)["resources"]
    found = [*resources["requests"].values(), *resources["limits"].values()]
    return found + [
        each["emptyDir"]["sizeLimit"] for each in pod(job)["volumes"] if "emptyDir" in each
    ]


def _codes_are_right(codes: dict[str, Any]) -> bool:
    values = codes["values"]
    in_order = sorted(set(values)) == values and 1 <= len(values) <= 255
    return in_order and all(isinstance(each, int) and 0 < each <= 255 for each in values)


_QUANTITY = re.compile(r"\d+(m|Ki|Mi|Gi|Ti|k|M|G|T)?")

RULES = (
    Rule(
        "completionMode is one of two",
        lambda job: job["spec"]["completionMode"] in ("Indexed", "NonIndexed"),
        lambda job: job["spec"].update(completionMode="Indexxed"),
    ),
    Rule(
        "backoffLimitPerIndex is for indexed jobs",
        lambda job: job["spec"]["completionMode"] == "Indexed",
        lambda job: job["spec"].update(completionMode="NonIndexed"),
    ),
    Rule(
        "a podFailurePolicy is for pods that are never restarted",
        lambda job: pod(job)["restartPolicy"] == "Never",
        lambda job: pod(job).update(restartPolicy="OnFailure"),
    ),
    Rule(
        "each action is a known one",
        lambda job: (
            {each["action"] for each in rules(job)} <= {"FailJob", "FailIndex", "Ignore", "Count"}
        ),
        lambda job: rules(job)[0].update(action="Skip"),
    ),
    Rule(
        "FailIndex is for jobs with a backoffLimitPerIndex",
        lambda job: job["spec"].get("backoffLimitPerIndex", -1) >= 0,
        lambda job: job["spec"].pop("backoffLimitPerIndex"),
    ),
    Rule(
        "a rule is about exit codes or about conditions",
        lambda job: all(
            ("onExitCodes" in each) != ("onPodConditions" in each) for each in rules(job)
        ),
        lambda job: rules(job)[0].update(onExitCodes={"operator": "In", "values": [1]}),
    ),
    Rule(
        "an operator is In or NotIn",
        lambda job: {each["operator"] for each in exits(job)} <= {"In", "NotIn"},
        lambda job: exits(job)[0].update(operator="Equals"),
    ),
    Rule(
        "exit codes are in order, each once, none of them 0 with In",
        lambda job: all(map(_codes_are_right, exits(job))),
        lambda job: exits(job)[0].update(values=[4, 2]),
    ),
    Rule(
        "the container of a rule is one of the pod's",
        lambda job: {each["containerName"] for each in exits(job)} <= {container(job)["name"]},
        lambda job: exits(job)[0].update(containerName="other"),
    ),
    Rule(
        "a condition has its status written out, as a text",
        lambda job: all(each.get("status") == "True" for each in conditions(job)),
        lambda job: conditions(job)[0].update(status=True),
    ),
    Rule(
        "a condition is a known one",
        lambda job: {each["type"] for each in conditions(job)} <= {"DisruptionTarget"},
        lambda job: conditions(job)[0].update(type="Disruption"),
    ),
    Rule(
        "a quantity is a number and a unit",
        lambda job: all(
            re.fullmatch(r"\d+(m|Ki|Mi|Gi|Ti|k|M|G|T)?", each) for each in quantities(job)
        ),
        lambda job: container(job)["resources"]["limits"].update(memory="1 GB"),
    ),
    Rule(
        "a variable is a text",
        lambda job: all(isinstance(each["value"], str) for each in container(job)["env"]),
        lambda job: container(job)["env"][0].update(value=4),
    ),
    Rule(
        "what is mounted is a volume of the pod",
        lambda job: (
            {each["name"] for each in container(job)["volumeMounts"]}
            == {each["name"] for each in pod(job)["volumes"]}
        ),
        lambda job: pod(job)["volumes"].pop(),
    ),
    Rule(
        "a seccomp profile is a known one",
        lambda job: pod(job)["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault",
        lambda job: pod(job)["securityContext"]["seccompProfile"].update(type="Default"),
    ),
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.says)
def test_each_value_is_one_that_the_api_takes(rule: Rule) -> None:
    job = the_job()
    assert rule.holds(job)
    broken = deepcopy(job)
    rule.refused(broken)
    assert not rule.holds(broken)


def test_the_pod_is_what_the_program_and_its_image_need() -> None:
    job = the_job()
    spec, pods, own = job["spec"], pod(job), container(job)
    variables = {each["name"]: each["value"] for each in own["env"]}
    assert spec["completions"] == spec["parallelism"] == int(variables["SHARDS"])
    assert spec["activeDeadlineSeconds"] > 7 * 24 * 3600
    assert pods["terminationGracePeriodSeconds"] > 2 * needed_to_stop_seconds()
    (user,) = Dockerfile.read({}).all("USER")
    security = pods["securityContext"]
    assert f"{security['runAsUser']}:{security['fsGroup']}" == user
    assert security["runAsNonRoot"] is True
    assert own["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    # A volume is not the pod's user's own: the program makes a directory for itself below it.
    mounted = {each["mountPath"] for each in own["volumeMounts"]}
    for name in ("DATA_DIR", "STAGING"):
        path = Path(variables[f"TDL_SYNC_{name}"])
        assert str(path) not in mounted
        assert str(path.parent) in mounted
    limits = {each["name"]: each.get("emptyDir", {}).get("sizeLimit") for each in pods["volumes"]}
    max_disk = parse_bytes(variables["TDL_SYNC_MAX_DISK"])
    staging = int(limits["staging"].removesuffix("Gi")) * 1024**3
    assert max_disk < staging
    total = own["resources"]["limits"]["ephemeral-storage"]
    assert int(total.removesuffix("Gi")) * 1024**3 > staging


def test_every_status_of_the_program_ends_a_shard_puts_it_off_or_fails_it() -> None:
    (refused, put_off) = exits(the_job())
    assert (refused["values"], put_off["values"]) == ([2, 4], [5, 75])
    actions = [each["action"] for each in rules(the_job())]
    assert actions == ["Ignore", "FailIndex", "Ignore"]


# --- the command -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pod:
    """A pod of the Job: its container's command, at other places than /."""

    host: Host
    directory: Path

    @classmethod
    def on(cls, host: Host) -> Pod:
        pod = cls(host, host.directory / "pod")
        for each in container(the_job())["volumeMounts"]:
            directory = pod.directory / each["mountPath"].strip("/")
            directory.mkdir(parents=True)
            if each.get("readOnly") is None:
                directory.chmod(0o2777)  # as an emptyDir is, whose owner is not the pod's user
                if os.geteuid() == 0:
                    os.chown(directory, 12_345, -1)
        secrets = pod.directory / "secrets"
        (secrets / "rclone.conf").write_text(host.rclone_config())
        for index in range(2):
            (secrets / f"session-{index}").write_text(host.scene.telegram.session_string() + "\n")
        for path in secrets.iterdir():
            path.chmod(0o440)
        programs = pod.directory / "bin"
        programs.mkdir()
        (programs / "tdl-sync").write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(PROGRAM))} "$@"\n'
        )
        (programs / "tdl-sync").chmod(0o755)
        return pod

    def _placed(self, text: str) -> str:
        return re.sub(r"(?<![\w.])/(tmp|data|staging|secrets)\b", rf"{self.directory}/\1", text)

    def start(self, index: int, **more: str) -> Running:
        own = container(the_job())
        variables = {each["name"]: self._placed(each["value"]) for each in own["env"]}
        proxy = self.host.settings(slow=False)
        del proxy["TDL_SYNC_SESSION_STRING"]
        path = f"{self.directory / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return self.host.start(
            [*own["command"], *map(self._placed, own["args"])],
            {
                **variables,
                **proxy,
                "PATH": path,
                "HOME": "/nonexistent",
                "JOB_COMPLETION_INDEX": str(index),
                "PAUSE_SECONDS": "0",
                **more,
            },
        )


def test_a_pod_moves_its_shard_and_counts_as_complete_only_where_nothing_is_left(
    new_host: NewHost,
) -> None:
    host = new_host("pod/staging/tdl-sync")
    pod = Pod.on(host)
    source = host.scene.world.source
    ended = pod.start(0, TDL_SYNC_LIMIT="1").wait()
    assert (ended.exit_status, ended.result["status"]) == (75, "more"), ended.stderr
    assert len(ended.stdout.splitlines()) == 1

    slow = pod.start(0, TDL_SYNC_RCLONE_ARG="--bwlimit-file=20k", PAUSE_SECONDS="3000")
    slow.wait_until(lambda: slow.uploads(host.staging) == {2})
    slow.signal(signal.SIGTERM)  # as a node that is drained; the shell is the first process
    ended = slow.wait()
    assert (ended.exit_status, ended.result["status"]) == (143, "stopped"), ended.stderr

    ended = pod.start(0).wait()
    assert (ended.exit_status, ended.result["status"]) == (0, "complete"), ended.stderr
    assert_on_remote(host.scene.machine, (source, wanted(source)))
    assert the_state(host.scene.world)["status"] == "complete"

    ended = pod.start(1).wait()
    assert (ended.exit_status, ended.result["seen"]) == (0, "0"), ended.stderr

    ended = pod.start(2).wait()  # no session for this index
    assert ended.exit_status == 2
    assert "session-2" in ended.stderr


@pytest.mark.parametrize(
    ("status", "word", "pod_status"),
    [
        (0, "complete", 0),
        (0, "more", 75),
        (5, "error", 5),
        (75, "quota", 75),
        (4, "error", 4),
        (3, "failed", 3),
        (143, "stopped", 143),
    ],
)
def test_the_pods_status_is_the_programs_but_where_something_is_left(
    tmp_path: Path, status: int, word: str, pod_status: int
) -> None:
    """What is paused is said by a program in the place of sleep."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "session-0").write_text("1\n")
    for name, text in {
        "tdl-sync": f'echo "result: status={word} seen=1"; exit {status}',
        "sleep": f'echo "$1" >"{tmp_path}/slept"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    own = container(the_job())
    (script,) = own["args"]
    script = script.replace("/tmp/", f"{tmp_path}/").replace("/secrets/", f"{tmp_path}/secrets/")
    variables = {
        **{each["name"]: each["value"] for each in own["env"]},
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "JOB_COMPLETION_INDEX": "0",
        **reaper.mark(),
    }
    run = subprocess.run([*own["command"], script], env=variables, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (pod_status, "")
    assert (tmp_path / "slept").exists() == (pod_status in (5, 75))
