"""Bad input through ansible-playbook against a real API server: refused before anything is written, with the remedy."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import ROOT, Cluster

pytestmark = pytest.mark.cluster


@dataclass(frozen=True)
class Case:
    """extra: variables of -e. env: environment, None takes a variable out. pairs: -e name=value, always texts."""

    name: str
    says: tuple[str, ...]
    extra: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str | None] = field(default_factory=dict)
    pairs: tuple[str, ...] = ()
    inventory: str = "dev"
    hides: tuple[str, ...] = ()


def override(**entry: Any) -> dict[str, Any]:
    return {"platform_services_overrides": {"tool": entry}}


CASES = [
    Case(
        "missing kubeconfig",
        ("there is no file", "K8S_AUTH_KUBECONFIG"),
        env={"K8S_AUTH_KUBECONFIG": "/nonexistent/config"},
    ),
    Case("unknown context", ("no context 'nowhere'", "Contexts there"), extra={"platform_context": "nowhere"}),
    Case(
        "unreachable API",
        ("https://127.0.0.1:1", "cannot be reached"),
        env={
            "K8S_AUTH_KUBECONFIG": None,
            "K8S_AUTH_HOST": "https://127.0.0.1:1",
            "K8S_AUTH_API_KEY": "t0k3n-nobody-sees",
        },
        hides=("t0k3n-nobody-sees",),
    ),
    Case(
        "wrong credentials",
        ("does not accept these credentials",),
        env={"K8S_AUTH_KUBECONFIG": None, "K8S_AUTH_HOST": "", "K8S_AUTH_API_KEY": "t0k3n-nobody-sees"},
        hides=("t0k3n-nobody-sees",),
    ),
    Case(
        "storage class that does not exist",
        ('platform_stores.postgres.storage.storage_class = "gold"', "no StorageClass", "There are"),
        extra={"platform_stores_overrides": {"postgres": {"storage": {"storage_class": "gold"}}}},
    ),
    Case(
        "server too old",
        ("platform_server_version_minimum", "99.0", "Upgrade"),
        pairs=("platform_server_version_minimum=99.0",),
    ),
    Case(
        "kind that the cluster does not serve",
        ("httproutes.gateway.networking.k8s.io", "does not serve"),
        extra={"ingress_kind": "HTTPRoute", "ingress_parents": [{"name": "public"}]},
    ),
    Case(
        "issuer without cert-manager",
        ("ingress_issuer: needs certificates.cert-manager.io/v1", "Install cert-manager"),
        extra={"ingress_tls_secret": "tls", "ingress_issuer": {"name": "letsencrypt"}},
    ),
    Case("misspelt variable", ("platform_domian", 'Did you mean "platform_domain"'), pairs=("platform_domian=x.org",)),
    Case("misspelt key", ("tool.resorces", 'Did you mean "resources"'), extra=override(resorces={})),
    Case("unknown part in calls", ("tool.calls[0]", 'Did you mean "model"'), extra=override(calls=["modle"])),
    Case(
        "malformed quantity",
        ("tool.resources.limits.memory", "512MB"),
        extra=override(resources={"limits": {"memory": "512MB"}}),
    ),
    Case(
        "min above max",
        ("tool.scaling.min_replicas = 50", "above max_replicas"),
        extra=override(scaling={"min_replicas": 50}),
    ),
    Case("text that is no number", ("platform_wait_timeout", "whole number"), pairs=("platform_wait_timeout=soon",)),
    Case("text that is no boolean", ("platform_wait", "true or false"), pairs=("platform_wait=maybe",)),
    Case("no credentials in prod", ("platform_credentials.jwt_secret", "is empty", "vault"), inventory="prod"),
    Case(
        "short JWT in staging",
        ("platform_credentials.jwt_secret", "9 characters of at least 32"),
        env={"PLATFORM_JWT_SECRET": "xK4mPz8Qw"},
        inventory="staging",
        hides=("xK4mPz8Qw",),
    ),
    Case(
        "placeholder in prod",
        ("platform_credentials.openai_api_key: is a placeholder",),
        env={"PLATFORM_OPENAI_API_KEY": "your-openai-key-here"},
        inventory="prod",
        hides=("your-openai-key-here",),
    ),
    Case(
        "undefined vault variable",
        ("platform_credentials.jwt_secret", "'vault_jwt' is undefined", "Define what it refers to"),
        extra={"platform_credentials": {"jwt_secret": "{{ vault_jwt }}"}},
    ),
]


def play(tmp_path: Path, case: Case, kubeconfig: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run site.yml as a user would."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("K8S_AUTH_", "KUBECONFIG", "PLATFORM_"))}
    environment["K8S_AUTH_KUBECONFIG"] = str(kubeconfig)
    for name, value in case.env.items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = value or _server(kubeconfig)
    if "K8S_AUTH_HOST" in environment:
        environment["K8S_AUTH_VERIFY_SSL"] = "false"
    extra = tmp_path / "extra.json"
    extra.write_text(json.dumps(case.extra))
    pairs = [argument for pair in case.pairs for argument in ("-e", pair)]
    command = [
        "ansible-playbook",
        "site.yml",
        "-i",
        f"inventories/{case.inventory}",
        "-e",
        f"@{extra}",
        *pairs,
        *options,
    ]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def _server(kubeconfig: Path) -> str:
    return str(yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_is_refused_and_nothing_is_written(case: Case, cluster: Cluster, tmp_path: Path) -> None:
    done = play(tmp_path, case, cluster.kubeconfig, "-vvv")
    output = done.stdout + done.stderr
    assert done.returncode != 0, output
    assert "nothing was written" in output, output
    for part in case.says:
        assert part in output
    for secret in case.hides:
        assert secret not in output
    assert not cluster.kubectl("get", "namespace", "multi-agent", "--ignore-not-found")
    assert "changed=0" in done.stdout


def test_texts_from_surveys_count_as_what_they_read(cluster: Cluster, tmp_path: Path) -> None:
    case = Case("texts", (), override(port="3003", scaling={"min_replicas": "3"}, internet="false"))
    texts = ("-e", "platform_wait=false", "-e", "platform_wait_timeout=30", "-e", "platform_generate_credentials=true")
    done = play(tmp_path, case, cluster.kubeconfig, "--check", "--tags", "services", *texts)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Inventory and cluster allow what is asked for") == 1


def test_preflight_runs_once_under_any_tag(cluster: Cluster, tmp_path: Path) -> None:
    for tags in ((), ("--tags", "services"), ("--tags", "namespace,frontend")):
        done = play(tmp_path, Case("once", ()), cluster.kubeconfig, "--check", *tags)
        assert done.stdout.count("Inventory and cluster allow what is asked for") == 1


def test_what_tags_leave_out_is_not_asked_of_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    gold = {"platform_stores_overrides": {"postgres": {"storage": {"storage_class": "gold"}}}}
    texts = ("-e", "platform_generate_credentials=true", "--check", "--tags", "services")
    done = play(tmp_path, Case("tags", (), gold), cluster.kubeconfig, *texts)
    assert done.returncode == 0, done.stdout + done.stderr
