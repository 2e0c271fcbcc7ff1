"""kube-score, checkov and nats-server over the golden manifests.

A program is the one that its variable names (KUBE_SCORE, CHECKOV, NATS_SERVER), else the one on PATH. Where it is
missing its tests are skipped, and fail with GATES=required.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.golden import rendering

KUBE_SCORE_CHECKS = 370  # with a grade, of each case
CHECKOV_PASSED = 1100  # of each case
# One pod that reads its secrets from the environment, because its part asks for that.
ALLOWED = {"secrets-as-env": {"CKV_K8S_35"}}
# cert-manager makes the pods that it selects, while a certificate is issued.
UNSCORED = ("acme-http01-solver", "networkpolicy-targets-pod")


def program(name: str) -> str:
    """Where a program is."""
    found = os.environ.get(name.upper().replace("-", "_")) or shutil.which(name)
    if not found:
        if os.environ.get("GATES") == "required":
            pytest.fail(
                f"{name} is not there: `make setup` installs it, or name it in {name.upper().replace('-', '_')}"
            )
        pytest.skip(f"{name} is not installed")
    return found


def write(case: str, folder: Path) -> Path:
    """All of a case in one file: policies and pods are looked at together."""
    file = folder / f"{case}.yaml"
    file.write_text("".join(rendering.stored(case).values()))
    return file


@pytest.mark.parametrize("case", rendering.WHOLE)
def test_kube_score_has_nothing_to_say(case: str, tmp_path: Path) -> None:
    command = [program("kube-score"), "score", "--output-format", "json", "--kubernetes-version", "v1.34"]
    for optional in ("container-seccomp-profile", "container-ports-check"):
        command += ["--enable-optional-test", optional]
    run = subprocess.run([*command, str(write(case, tmp_path))], capture_output=True, text=True, check=False)
    graded = [
        (obj["object_name"], check["check"]["id"], check["grade"], check["comments"])
        for obj in json.loads(run.stdout)
        for check in obj["checks"]
        if not check["skipped"]
    ]
    assert [item for item in graded if item[2] < 10 and (item[0].rpartition("/")[2], item[1]) != UNSCORED] == []
    assert len(graded) >= KUBE_SCORE_CHECKS


@pytest.mark.parametrize("case", [*rendering.WHOLE, "secrets-as-env"])
def test_checkov_fails_nothing(case: str, tmp_path: Path) -> None:
    file = write(case, tmp_path)
    command = [program("checkov"), "--file", str(file), "--framework", "kubernetes"]
    command += ["--skip-download", "--compact", "--output", "json"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    report: dict[str, Any] = json.loads(run.stdout)
    failed = {(c["check_id"], c["resource"]) for c in report["results"]["failed_checks"]}
    assert {item for item in failed if item[0] not in ALLOWED.get(case, set())} == set()
    if case in rendering.WHOLE:
        # It can exit 0 having read nothing.
        assert report["summary"]["passed"] >= CHECKOV_PASSED
        assert report["summary"]["parsing_errors"] == 0


@pytest.mark.parametrize("case", ["local", "prod"])
def test_nats_server_takes_its_configuration(case: str, tmp_path: Path) -> None:
    server = program("nats-server")
    texts: dict[str, str] = {}
    for obj in yaml.safe_load_all(rendering.stored(case)["nats"]):
        if obj["kind"] in ("ConfigMap", "Secret"):
            texts |= obj.get("data", {}) | obj.get("stringData", {})
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    run = subprocess.run(
        [server, "-t", "-c", str(tmp_path / "nats.conf")],
        env={**os.environ, "POD_NAME": "nats-0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
