"""A second run changes nothing and writes nothing, whatever the server made of the first."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.golden import rendering

from ..conftest import Cluster
from ..test_golden_manifests import move
from . import objects
from .support import Engine

pytestmark = pytest.mark.cluster


def test_second_run_writes_nothing(engine: Engine) -> None:
    wanted = objects.namespaced()
    first = engine.apply(wanted)
    assert set(first.actions.values()) == {"created"}
    second = engine.apply(wanted)
    assert {name: action for name, action in second.actions.items() if action != "unchanged"} == {}
    assert second.writes == []


def test_second_run_writes_nothing_cluster_wide(engine: Engine, cluster_scope: Callable[[str, str], None]) -> None:
    wanted = objects.cluster_wide(engine.namespace)
    for obj in wanted:
        if obj["kind"] != "Widget":
            cluster_scope(obj["kind"], obj["metadata"]["name"])
    first = engine.apply(wanted)
    assert set(first.actions.values()) == {"created"}
    second = engine.apply(wanted)
    assert second.writes == []
    assert not second.result.changed


def test_routes_of_the_gateway_api(engine: Engine, cluster_scope: Callable[[str, str], None], tmp_path: Path) -> None:
    """The real definition, whose schema fills defaults in at every depth; definition and route in one run."""
    definition = _gateway_definition(tmp_path)
    cluster_scope("CustomResourceDefinition", definition["metadata"]["name"])
    route = objects.make(
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        "api",
        spec={
            "parentRefs": [{"name": "gateway"}],
            "hostnames": ["api.example.test"],
            "rules": [
                {"backendRefs": [{"name": "service", "port": 80}], "timeouts": {"request": "0s"}},
                {
                    "matches": [{"path": {"value": "/v2"}}],
                    "filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}],
                },
            ],
        },
    )
    assert set(engine.apply([definition, route], check=True).actions.values()) == {"created"}
    assert set(engine.apply([definition, route]).actions.values()) == {"created"}
    assert engine.apply([definition, route]).writes == []


@pytest.mark.parametrize("case", ["local", "prod", "http-route"])
def test_what_the_roles_template(
    cluster: Cluster, engine: Engine, cluster_scope: Callable[[str, str], None], tmp_path: Path, case: str
) -> None:
    """Every kind and field of the platform, with the real definitions of cert-manager and the Gateway API."""
    wanted = move(rendering.load(case), engine.namespace)
    kinds = {obj["kind"] for obj in wanted}
    if "Certificate" in kinds:
        wanted.insert(0, _certificate_definition(tmp_path))
    if "HTTPRoute" in kinds:
        wanted.insert(0, _gateway_definition(tmp_path))
    for obj in wanted:
        if obj["kind"] in {"CustomResourceDefinition", "PriorityClass"}:
            cluster_scope(obj["kind"], obj["metadata"]["name"])
    first = engine.apply(wanted)
    assert set(first.actions.values()) <= {"created", "configured"}
    second = engine.apply(wanted)
    assert {name: action for name, action in second.actions.items() if action != "unchanged"} == {}
    assert second.writes == []


def _gateway_definition(folder: Path) -> objects.Object:
    path = "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"
    return _definition(folder, "sigs.k8s.io/gateway-api@v1.4.0", path)


def _certificate_definition(folder: Path) -> objects.Object:
    return _definition(
        folder, "github.com/cert-manager/cert-manager@v1.19.1", "deploy/crds/cert-manager.io_certificates.yaml"
    )


def _definition(folder: Path, module: str, path: str) -> objects.Object:
    """A definition out of a Go module, which is how such projects are pinned and checked."""
    if not shutil.which("go"):
        pytest.skip(f"the definitions of {module} come as a Go module, and go is not installed")
    command = ["go", "mod", "download", "-json", module]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        pytest.skip(f"the Go module proxy does not answer: {done.stdout}")
    definition: objects.Object = yaml.safe_load(Path(json.loads(done.stdout)["Dir"], path).read_text())
    definition.pop("status", None)
    definition["metadata"].pop("creationTimestamp", None)
    return definition
