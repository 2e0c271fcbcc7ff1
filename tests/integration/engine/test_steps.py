"""Through ansible-playbook: the twelve steps of kubernetes.core, and what a run must never show."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import ansible_runner  # type: ignore[import-untyped]
import pytest
import yaml

from ..conftest import ROOT, Cluster

pytestmark = pytest.mark.cluster

TEMPLATE = """\
{% for thing in things %}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ thing.name }}
data:
  value: {{ thing.value | string | to_json }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ thing.name }}
stringData:
  value: {{ thing.value | string | to_json }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ thing.name }}
spec:
  selector: {app: {{ thing.name }}}
  ports: [{port: {{ thing.value | int }}}]
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ thing.name }}
spec:
  replicas: 1
  selector: {matchLabels: {app: {{ thing.name }}}}
  template:
    metadata: {labels: {app: {{ thing.name }}}}
    spec:
      containers: [{name: main, image: "registry.example.test/app:{{ thing.value }}"}]
{% endfor %}
"""
CREATE = [{"name": "a", "value": 1}, {"name": "b", "value": 1}]
MODIFY = [{"name": "a", "value": 2}, {"name": "b", "value": 1}]
DELETE = [{"name": "a", "value": 2}]

# name of the step, state, things, what the eight objects become in both modes
STEPS: list[tuple[str, str, list[dict[str, Any]], dict[str, int]]] = [
    ("create", "present", CREATE, {"created": 8}),
    ("re-create", "present", CREATE, {"unchanged": 8}),
    ("modify", "present", MODIFY, {"configured": 4, "unchanged": 4}),
    ("re-modify", "present", MODIFY, {"unchanged": 8}),
    ("delete", "present", DELETE, {"unchanged": 4, "pruned": 4}),
    ("re-delete", "present", DELETE, {"unchanged": 4}),
    ("absent", "absent", DELETE, {"pruned": 4}),
    ("re-absent", "absent", DELETE, {}),
]


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("K8S_AUTH_", "KUBECONFIG"))}
    return kept | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "false"}


def write_project(folder: Path, tasks: list[dict[str, Any]], **variables: Any) -> Path:
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    (folder / "templates" / "things.yaml.j2").write_text(TEMPLATE)
    variables |= {"ansible_python_interpreter": sys.executable}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": variables, "tasks": tasks}
    file = folder / "play.yml"
    file.write_text(yaml.safe_dump([play]))
    return file


def test_twelve_steps_and_absence(kubeconfig: Path, namespace: str, tmp_path: Path) -> None:
    tasks: list[dict[str, Any]] = []
    for name, state, things, _ in STEPS:
        for check in (True, False):
            tasks.append(
                {
                    "name": f"{name}, {'check' if check else 'real'}",
                    "multi_agent.platform.apply": {
                        "tier": "steps",
                        "namespace": namespace,
                        "state": state,
                        "kubeconfig": str(kubeconfig),
                    },
                    "vars": {"things": things},
                    "check_mode": check,
                    "register": f"step_{len(tasks)}",
                }
            )
    results = ", ".join(f"step_{number}" for number in range(len(tasks)))
    content = f"{{{{ [{results}] | to_json }}}}"
    tasks.append({"ansible.builtin.copy": {"content": content, "dest": str(tmp_path / "out"), "mode": "0600"}})
    play = write_project(tmp_path, tasks)
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "--diff", str(play)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    answers = iter(json.loads((tmp_path / "out").read_text()))
    for name, _, _, expected in STEPS:
        planned, real = next(answers), next(answers)
        for mode, answer in (("check", planned), ("real", real)):
            counts = {action: number for action, number in answer["counts"].items() if number}
            assert counts == expected, f"{name}, {mode}"
            assert answer["changed"] == bool(set(expected) - {"unchanged"}), f"{name}, {mode}"
        assert planned["objects"] == real["objects"], name
        assert len(planned["diff"]) == len(real["diff"]) == sum(n for a, n in expected.items() if a != "unchanged")


SECRETS = {"jwt_secret": "jwt-value-that-nobody-may-see-1234567890", "api_key": "sk-value-that-nobody-may-see"}


def _traces(folder: Path) -> dict[str, str]:
    return {str(file): file.read_text(errors="replace") for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("broken", [False, True], ids=["applied", "refused"])
def test_secret_values_are_nowhere(
    cluster: Cluster, kubeconfig: Path, namespace: str, tmp_path: Path, broken: bool
) -> None:
    """At the highest verbosity in use, with diffs: not on stdout, not in job events, not in results."""
    project = tmp_path / "project"
    described = {"secret": "platform-credentials", "keys": [{"name": name} for name in SECRETS]}
    apply = {
        "tier": "secrets",
        "namespace": namespace,
        "kubeconfig": str(kubeconfig),
        "templates": ["secret.yaml.j2"],
        "credentials": described,
    }
    show = {"ansible.builtin.debug": {"var": "result"}}
    write_project(project, [{"multi_agent.platform.apply": apply, "register": "result"}, show])
    (project / "templates" / "secret.yaml.j2").write_text(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: consumer\n"
        "  annotations: {sum: {{ checksum(credential('api_key')) }}}\n"
        "type: {{ kind_of_secret }}\nstringData:\n"
        "  {{ key }}: {{ credential('jwt_secret') | to_json }}\n  API_KEY: {{ credential('api_key') | to_json }}\n"
    )
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    variables = {
        "platform_credentials": SECRETS,
        "kind_of_secret": "kubernetes.io/dockerconfigjson" if broken else "Opaque",
        "key": ".dockerconfigjson" if broken else "JWT_SECRET",
    }
    hosts = {"all": {"hosts": {"localhost": {"ansible_connection": "local"}}, "vars": variables}}
    (inventory / "hosts.yml").write_text(yaml.safe_dump(hosts))
    for turn in (1, 2):
        run = ansible_runner.run(
            private_data_dir=str(tmp_path),
            playbook="play.yml",
            cmdline="-vvv --diff",
            envvars=environment(),
            quiet=True,
            ident=f"turn-{turn}",
        )
        assert (run.status == "failed") is broken, run.stdout.read()
    if broken:
        assert "Secret consumer" in Path(run.config.artifact_dir, "stdout").read_text()
    else:
        live = cluster.get("--namespace", namespace, "secret", "consumer")["data"]
        assert base64.b64decode(live["JWT_SECRET"]).decode() == SECRETS["jwt_secret"]
    traces = _traces(tmp_path / "artifacts")
    assert any("job_events" in name for name in traces)
    for value in SECRETS.values():
        for shape in (value, base64.b64encode(value.encode()).decode(), base64.b64encode(value.encode()).decode()[:24]):
            assert [name for name, text in traces.items() if shape in text] == []
