"""The collection away from its checkout: installed from its tarball, and run by ansible-runner as AWX does."""

import base64
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import ansible_runner  # type: ignore[import-untyped]
import pytest

from tests.integration.conftest import ROOT, Cluster

pytestmark = pytest.mark.cluster

FOREIGN = ("ANSIBLE_", "K8S_AUTH_", "KUBECONFIG")
INVENTORY = """
all:
  hosts:
    target:
      ansible_connection: local
      ansible_python_interpreter: "{{ ansible_playbook_python }}"
      platform_environment: local
      platform_generate_credentials: true
      platform_credentials:
        jwt_secret: %s
"""
JWT = "a-jwt-secret-that-a-test-can-find-again-0123456789"


def clean_environment(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)} | more


def run(*command: str, cwd: Path, **more: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=clean_environment(**more), capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def secrets_of(cluster: Cluster, namespace: str) -> set[str]:
    """Every secret value in a namespace, in clear and as the API writes it; names of users are no secrets."""
    values = set()
    for secret in cluster.get("secrets", "--namespace", namespace)["items"]:
        if secret["metadata"]["name"].startswith("manifests-"):
            continue  # what a release applied, packed: tested where releases are
        for key, value in (secret.get("data") or {}).items():
            clear = base64.b64decode(value).decode()
            if not key.endswith("_USER") and len(clear) >= 16:
                values |= {clear, value}
    return values


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A path that holds the collection as `ansible-galaxy collection install` puts it there, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    run("ansible-galaxy", "collection", "build", str(ROOT), "--output-path", str(folder), cwd=folder)
    (tarball,) = folder.glob("multi_agent-platform-*.tar.gz")
    assert tarball.stat().st_size < 2 << 20, "something that is no source is in the tarball"
    with tarfile.open(tarball) as content:
        assert not [name for name in content.getnames() if name.startswith("inventories")]
    # Dependencies come from a server that is not reachable in a test; the ansible package has brought them.
    install = ("ansible-galaxy", "collection", "install", str(tarball), "--no-deps")
    run(*install, "--collections-path", str(folder), cwd=folder)
    return folder


def test_site_runs_from_the_installed_collection(installed: Path, cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(INVENTORY % JWT)
    variables = {"ANSIBLE_COLLECTIONS_PATH": str(installed), "K8S_AUTH_KUBECONFIG": str(cluster.kubeconfig)}
    command = ("ansible-playbook", "multi_agent.platform.site", "-i", "hosts.yml")
    name = "-eplatform_namespace=from-tarball"
    first = run(*command, name, cwd=tmp_path, **variables)
    assert "failed=0" in first
    second = run(*command, name, cwd=tmp_path, **variables)
    assert "changed=0" in second
    documentation = run("ansible-doc", "multi_agent.platform.apply", cwd=tmp_path, **variables)
    assert "ADDED IN" in documentation.upper() or "OPTIONS" in documentation


def test_runner_needs_a_host_and_a_token_only(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """What AWX's bearer token credential sets is enough, and no job event holds a secret."""
    cluster.kubectl("create", "serviceaccount", "awx", "--namespace", namespace)
    subject = f"--serviceaccount={namespace}:awx"
    cluster.kubectl("create", "clusterrolebinding", f"awx-{namespace}", "--clusterrole=cluster-admin", subject)
    token = cluster.kubectl("create", "token", "awx", "--namespace", namespace).strip()
    config = cluster.get_config()
    authority = tmp_path / "ca.crt"
    authority.write_bytes(base64.b64decode(config["certificate-authority-data"]))
    project = tmp_path / "project"
    tracked = run("git", "ls-files", cwd=ROOT).splitlines()
    for file in tracked:
        if (ROOT / file).is_file() or (ROOT / file).is_symlink():
            (project / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, project / file, follow_symlinks=False)
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "hosts.yml").write_text(INVENTORY % JWT)
    platform = "from-runner"
    result = ansible_runner.run(
        private_data_dir=str(tmp_path),
        playbook="site.yml",
        envvars={
            "K8S_AUTH_HOST": config["server"],
            "K8S_AUTH_API_KEY": token,
            "K8S_AUTH_VERIFY_SSL": "True",
            "K8S_AUTH_SSL_CA_CERT": str(authority),
        },
        # As survey answers arrive: texts.
        extravars={"platform_namespace": platform, "platform_wait": "true", "platform_wait_timeout": "300"},
        cmdline="--diff",
        verbosity=3,
        quiet=True,
        settings={"suppress_env_files": True},
    )
    assert result.status == "successful", (tmp_path / "artifacts").rglob("stdout").__next__().read_text()[-3000:]
    values = secrets_of(cluster, platform) | {JWT}
    assert len(values) > 20
    written = [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]
    events = [path for path in written if path.parent.name == "job_events"]
    assert len(events) > 10
    leaks = {
        str(path.relative_to(tmp_path))
        for path in written
        for value in values
        if value in path.read_text(errors="replace")
    }
    assert not leaks, f"secret values in {sorted(leaks)}"
    applied = [json.loads(path.read_text()) for path in events]
    assert any("Secret" in json.dumps(event) for event in applied), "the events say nothing of Secrets at all"
