"""The operator's verbs, as a user runs them, against a whole platform on the embedded cluster."""

from __future__ import annotations

import base64
import gzip
import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ..conftest import ROOT, Cluster, ended, started

NEW_IMAGE: dict[str, Any] = {"platform_image_overrides": {"agent": "multi-agent/agent-service:2.0.0"}}
TIERS = {"namespace", "netpol", "datastores", "nats", "services", "frontend", "ingress"}


@dataclass(frozen=True)
class Platform:
    """A platform in a namespace of its own."""

    cluster: Cluster
    namespace: str

    def run(self, playbook: str, *arguments: str, expect: int = 0, **variables: Any) -> str:
        """Both streams of a playbook's run, as the make targets run it."""
        with self.started(playbook, *arguments, **variables) as process:
            return _ended(process, expect)

    def plan(self, *arguments: str, expect: int, **variables: Any) -> str:
        """As CI runs it."""
        with self._started([str(ROOT / "tools" / "plan")], arguments, variables) as process:
            return _ended(process, expect)

    def started(
        self, playbook: str, *arguments: str, **variables: Any
    ) -> AbstractContextManager[subprocess.Popen[str]]:
        """A playbook's run, which goes on."""
        return self._started(["ansible-playbook", f"playbooks/{playbook}.yml"], arguments, variables)

    def _started(
        self, command: list[str], arguments: tuple[str, ...], variables: dict[str, Any]
    ) -> AbstractContextManager[subprocess.Popen[str]]:
        every = {"platform_namespace": self.namespace, **variables}
        return started(
            [*command, "-i", "inventories/local", "-e", json.dumps(every), *arguments],
            K8S_AUTH_KUBECONFIG=str(self.cluster.kubeconfig),
            ANSIBLE_STDOUT_CALLBACK="multi_agent.platform.screen",
        )

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl("--namespace", self.namespace, *arguments)

    def get(self, *arguments: str) -> Any:
        return self.cluster.get("--namespace", self.namespace, *arguments)

    def releases(self) -> list[dict[str, Any]]:
        """Recorded releases, oldest first."""
        items = self.get("configmaps", "--selector=multi-agent.platform/release")["items"]
        return sorted((json.loads(i["data"]["release.json"]) for i in items), key=lambda body: body["number"])

    def image(self) -> str:
        found: str = self.get("deployment", "agent-service")["spec"]["template"]["spec"]["containers"][0]["image"]
        return found


def _ended(process: subprocess.Popen[str], expect: int) -> str:
    output = "".join(ended(process, expect))
    assert "Traceback" not in output
    return output


@pytest.fixture(scope="module")
def platform(cluster: Cluster) -> Iterator[Platform]:
    made = Platform(cluster, f"ops-{secrets.token_hex(4)}")
    made.run("site")
    yield made
    cluster.kubectl("delete", "namespace", made.namespace, "--wait=false", "--ignore-not-found")


def test_a_run_is_one_release_and_a_run_without_changes_is_none(platform: Platform) -> None:
    platform.run("site")
    (release,) = platform.releases()
    assert release["tiers"].keys() == release["changes"].keys() == TIERS
    assert release["cluster"] == "local"
    assert release["versions"]["server"].startswith("v1.")
    assert "created Deployment agent-service" in release["changes"]["services"]["objects"]


def test_a_release_holds_no_credential(platform: Platform) -> None:
    values = platform.get("secret", "platform-credentials")["data"].values()
    recorded = platform.get("secrets", "--selector=multi-agent.platform/manifests")["items"]
    texts = [gzip.decompress(base64.b64decode(item["data"]["manifests.json.gz"])).decode() for item in recorded]
    assert len(texts) == len(TIERS)
    assert any("platform-credentials" in text for text in texts)
    for value in values:
        clear = base64.b64decode(value).decode()
        assert not any(value in text or clear in text for text in texts)


def test_status_is_one_screen(platform: Platform) -> None:
    lines = platform.run("status").splitlines()
    assert "11 of 11 ready" in lines[0]
    assert lines[1].startswith("Last release: 1 by ")
    assert lines[2] == "Drift: no"
    row = next(line for line in lines if " gateway-service " in line)
    assert "2/2" in row
    assert row.endswith("http://api.multi-agent.local")
    assert sum(line.startswith("data-") for line in lines) == 3
    assert len(lines) < 40
    assert not any(line.startswith(("PLAY", "TASK")) or "\x1b" in line for line in lines)


def test_drift_says_what_and_who_and_the_next_run_heals_it(platform: Platform, tmp_path: Path) -> None:
    platform.kubectl("set", "image", "deployment/agent-service", "agent=by/hand:1")
    platform.kubectl("delete", "poddisruptionbudget", "tool-service")
    patch = '{"data": {"POSTGRES_USER": "aGFuZA=="}}'
    platform.kubectl("patch", "secret", "tool-service-credentials", "--patch", patch)
    file = tmp_path / "drift.json"
    output = platform.run("drift", expect=2, drift_json=str(file), drift_fail=True)
    assert "[agent].image: declared multi-agent/agent-service:1.0.0, is by/hand:1 (kubectl-set, " in output
    assert "PodDisruptionBudget tool-service was deleted" in output
    assert "data.POSTGRES_USER: declared ********, is ********" in output
    assert {found["name"] for found in json.loads(file.read_text())["objects"]} == {
        "agent-service",
        "tool-service",
        "tool-service-credentials",
    }
    assert "Drift: yes, 3 objects" in platform.run("status")
    platform.run("site")
    assert "none." in platform.run("drift", drift_fail=True)
    # The manifests are those of release 1, and the run changed something all the same.
    first, second = platform.releases()
    assert second["tiers"] == first["tiers"]
    assert second["changes"]["services"]["counts"] == {"configured": 2, "created": 1}


def test_plan_tells_nothing_changes_and_failure_apart(platform: Platform, tmp_path: Path) -> None:
    assert "nothing to change" in platform.plan(expect=0)
    markdown = tmp_path / "plan.md"
    output = platform.plan("-e", f"plan_markdown={markdown}", expect=2, **NEW_IMAGE)
    assert "multi-agent/agent-service:1.0.0 -> multi-agent/agent-service:2.0.0" in output
    assert "Would be: 1 configured" in output
    assert "| ~ | services | `Deployment agent-service` | configured |" in markdown.read_text()
    file = tmp_path / "plan.json"
    platform.plan("-e", f"plan_json={file}", expect=2, **NEW_IMAGE)
    assert json.loads(file.read_text())["changes"] is True
    platform.plan("-e", f"plan_json={file}", expect=0)
    assert json.loads(file.read_text())["changes"] is False
    assert "nothing to change" in platform.plan("--tags", "frontend", expect=0, **NEW_IMAGE)
    assert "platform_image_overrides" in platform.plan(expect=1, platform_image_overrides={"agent": "UPPER CASE"})
    assert platform.image() == "multi-agent/agent-service:1.0.0"


def test_fields_of_other_tools_are_planned_reported_and_removed(platform: Platform) -> None:
    platform.run("site", platform_config={"OLD_FLAG": "1"})
    theirs = platform.get("configmap", "platform-config")
    kept = {"name", "namespace", "labels", "annotations"}
    theirs["metadata"] = {key: value for key, value in theirs["metadata"].items() if key in kept}
    platform.kubectl("delete", "configmap", "platform-config")
    platform.cluster.kubectl("apply", "--filename=-", objects=[theirs])
    platform.kubectl("set", "env", "deployment/agent-service", "ADDED=1")
    container = {"name": "tool", "env": [{"name": "KEPT", "value": "1"}]}
    patch = json.dumps({"spec": {"template": {"spec": {"containers": [container]}}}})
    platform.kubectl("patch", "deployment/tool-service", "--field-manager=velero-server", "--patch", patch)
    drift = platform.run("drift", expect=2, drift_fail=True)
    assert "env[ADDED]: declared nothing, is " in drift
    assert "(kubectl-set, " in drift
    kept_line = "! Deployment tool-service: manager velero-server has spec.template.spec.containers[tool].env[KEPT], "
    output = platform.plan(expect=2)
    assert "data.OLD_FLAG: - 1" in output
    assert "spec.template.spec.containers[agent].env[ADDED]: - " in output
    assert kept_line in output
    platform.run("site")
    assert "OLD_FLAG" not in platform.get("configmap", "platform-config")["data"]
    assert "none." in platform.run("drift", drift_fail=True)
    output = platform.plan(expect=0)
    assert "nothing to change" in output
    assert kept_line in output
    platform.kubectl("set", "env", "deployment/tool-service", "KEPT-")


def test_plan_refuses_what_a_run_would_refuse(platform: Platform) -> None:
    gold = {"platform_stores_overrides": {"postgres": {"storage": {"storage_class": "gold"}}}}
    assert '"gold": is no StorageClass' in platform.plan(expect=1, **gold)


def test_plan_of_an_empty_cluster(platform: Platform) -> None:
    output = platform.plan(expect=2, platform_namespace="not-there-yet")
    assert "+ Namespace not-there-yet (created)" in output
    assert "0 unchanged" in output


def test_rollback_brings_a_release_back_and_records_it(platform: Platform) -> None:
    before = platform.releases()[-1]["number"]
    platform.run("site", **NEW_IMAGE)
    assert platform.image() == "multi-agent/agent-service:2.0.0"
    assert "would be configured" in platform.run("rollback", "--check")
    assert platform.image() == "multi-agent/agent-service:2.0.0"
    output = platform.run("rollback", rollback_to=before)
    assert "schema" in output
    assert platform.image() == "multi-agent/agent-service:1.0.0"
    last = platform.releases()[-1]
    assert (last["number"], last["note"]) == (before + 2, f"rollback to {before}")
    assert "nothing was changed" in platform.run("rollback", rollback_to=before)
    assert platform.releases()[-1]["number"] == before + 2
    listed = platform.run("releases")
    assert f"rollback to {before}" in listed
    compared = platform.run("releases", release_diff=f"{before},{before + 1}")
    assert "agent-service:1.0.0 -> multi-agent/agent-service:2.0.0" in compared


def test_rollback_leaves_what_holds_data_unless_it_is_named(platform: Platform) -> None:
    def image() -> str:
        found: str = platform.get("statefulset", "nats")["spec"]["template"]["spec"]["containers"][0]["image"]
        return found

    before, old, new = platform.releases()[-1]["number"], image(), "nats:2.14.3-alpine"
    assert old != new
    platform.run("site", "--tags", "nats", platform_image_overrides={"nats": new})
    refused = platform.run("rollback", rollback_to=before, expect=2)
    assert "only in tiers that hold data" in refused
    assert image() == new
    output = platform.run("rollback", rollback_to=before, rollback_tiers="nats")
    assert "hold data" not in output
    assert image() == old
    last = platform.releases()[-1]
    assert (last["note"], last["changes"]["nats"]["counts"]) == (f"rollback to {before}", {"configured": 1})


def test_a_part_without_credentials_is_not_brought_back_halfway(platform: Platform) -> None:
    before = platform.releases()[-1]["number"]
    calls = ["agent", "tool", "model", "execution"]
    platform.run("site", platform_services_overrides={"vector": None, "orchestration": {"calls": calls}})
    output = platform.run("rollback", rollback_to=before, expect=2)
    assert "Secret vector-service-credentials" in output
    assert "Nothing was written" in output
    assert platform.releases()[-1]["number"] == before + 1
    platform.run("site")


def test_restart_replaces_pods_and_is_no_drift(platform: Platform) -> None:
    def pods() -> set[str]:
        items = platform.get("pods", "--selector=app=tool-service")["items"]
        return {item["metadata"]["uid"] for item in items if not item["metadata"].get("deletionTimestamp")}

    before = pods()
    platform.run("restart", part="tool")
    assert not before & pods()
    assert "none." in platform.run("drift", drift_fail=True)


def test_store_restarts_after_its_proof(platform: Platform) -> None:
    before = platform.get("pod", "nats-0")["metadata"]["uid"]
    assert "proving" not in platform.run("restart", "--check", part="nats")
    assert "proving StatefulSet nats: image nats:" in platform.run("restart", part="nats")
    assert platform.get("pod", "nats-0")["metadata"]["uid"] != before
    assert "proving" not in platform.run("restart", part="nats", platform_prove=False)


def test_store_that_cannot_start_is_not_touched(platform: Platform) -> None:
    def there() -> set[str]:
        items = platform.get("statefulsets,pods", "--selector=app in (postgres, qdrant, nats)")["items"]
        return {f"{item['metadata']['uid']} {item['metadata'].get('generation', '')}" for item in items}

    before = there()
    wrong: dict[str, Any] = {"platform_image_overrides": {"postgres": "postgres:broken-image"}}
    said = "the new version is proven on a pod of its own before a pod is replaced"
    assert said in platform.plan("--tags", "datastores", expect=2, **wrong)
    assert said not in platform.plan("--tags", "datastores", expect=2, **wrong, platform_prove=False)
    assert "StatefulSet postgres: its new version would be proven" in platform.run("site", "--check", **wrong)
    output = platform.run("site", expect=2, **wrong)
    assert "proving StatefulSet postgres: image postgres:broken-image on a pod of its own" in output
    assert "StatefulSet postgres: the new version does not start on a pod of its own" in output
    assert "ImagePullBackOff" in output
    assert there() == before
    assert platform.get("jobs", "--selector=multi-agent.platform/proof-of")["items"] == []
    assert "nothing to change" in platform.plan(expect=0)


def test_scale_where_no_autoscaler_owns_the_number(platform: Platform) -> None:
    platform.kubectl("delete", "hpa", "tool-service")
    assert "2 -> 3 pods (not done: check mode)" in platform.run("scale", "--check", part="tool", replicas=3)
    assert "2 -> 3 pods." in platform.run("scale", part="tool", replicas=3)
    assert platform.get("deployment", "tool-service")["status"]["readyReplicas"] == 3
    platform.run("site")
    assert platform.get("hpa", "tool-service")


@pytest.mark.parametrize(
    ("playbook", "variables", "words"),
    [
        ("logs", {"part": "nobody"}, "no part 'nobody'"),
        ("logs", {"part": "agent", "since": "soon"}, "'soon' is no duration"),
        ("events", {"part": "nobody"}, "no part 'nobody'"),
        ("top", {}, "Install metrics-server"),
        ("restart", {}, "No part was named"),
        ("restart", {"part": "nobody"}, "It has: agent, execution"),
        ("scale", {"part": "agent", "replicas": 5}, "scaling: {min_replicas"),
        ("scale", {"part": "agent"}, "No number of pods"),
        ("scale", {"part": "postgres", "replicas": 2}, "platform_stores_overrides.postgres.replicas"),
        ("shell", {"part": "agent"}, "A shell needs a terminal"),
        ("shell", {"part": "nobody"}, "no part 'nobody'"),
        ("port_forward", {"port_forward_ports": {"nobody": 1}}, "no part 'nobody'"),
        ("port_forward", {"port_forward_ports": {"agent": 70000}}, "port_forward_ports.agent = 70000 is no port"),
        ("port_forward", {"port_forward_ports": {"agent": "abc"}}, "Give a number from 1 to 65535"),
        ("verify", {"verify_junit": "/dev/null/x.xml"}, "verify_junit = /dev/null/x.xml cannot be written"),
        ("releases", {"release": 999}, "There is no release 999"),
        ("releases", {"release_diff": "1,999"}, "There is no release 999"),
        ("rollback", {"rollback_to": 999}, "There is no release 999"),
        ("rollback", {"rollback_to": 1, "rollback_data_tiers": ["tapes"]}, "has no tier tapes"),
        ("rollback", {"rollback_to": 1, "rollback_tiers": "tapes"}, "has no tier tapes"),
        ("status", {"platform_namespace": "nowhere"}, "Nothing of the platform is in namespace nowhere"),
        ("drift", {"platform_namespace": "nowhere"}, "nothing to compare with"),
        ("check_health", {"platform_namespace": "nowhere"}, "Run site.yml first"),
    ],
)
def test_bad_input_is_a_sentence_with_the_remedy(
    platform: Platform, playbook: str, variables: dict[str, Any], words: str
) -> None:
    before = platform.releases()[-1]["number"]
    assert words in platform.run(playbook, expect=2, **variables)
    assert platform.releases()[-1]["number"] == before


def test_a_port_in_use_is_said_at_once(platform: Platform) -> None:
    import socket  # noqa: PLC0415

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        output = platform.run("port_forward", expect=2, port_forward_ports={"gateway": port})
    assert f"Port {port} for gateway is in use" in output


def test_health_and_events_and_doctor(platform: Platform) -> None:
    assert "healthy, all 11 workloads are ready" in platform.run("check_health")
    assert "TYPE" in platform.run("events", part="agent")
    assert "Nothing measures pods" in platform.run("doctor")
    platform.run("doctor", expect=2, doctor_fail=True)


def test_health_says_what_is_wrong_and_what_to_do(platform: Platform) -> None:
    platform.kubectl("patch", "resourcequota", "platform", "--patch", '{"spec": {"hard": {"pods": "1"}}}')
    platform.kubectl("wait", "resourcequota/platform", "--for=jsonpath={.status.hard.pods}=1", "--timeout=60s")
    platform.kubectl("delete", "pod", "--selector=app=agent-service")
    platform.kubectl("wait", "deployment/agent-service", "--for=condition=ReplicaFailure", "--timeout=60s")
    said = platform.run("check_health", expect=2)
    assert "Deployment agent-service: " in said
    assert "exceeded quota" in said
    assert "-> pods cannot be made (quota or admission)" in said
    platform.run("site")
    assert "healthy, all 11 workloads are ready" in platform.run("check_health")


def test_no_verb_shows_a_credential_that_a_pod_or_an_event_tells(platform: Platform) -> None:
    value = base64.b64decode(platform.get("secret", "platform-credentials")["data"]["jwt_secret"]).decode()
    about = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "agent-service", "namespace": platform.namespace}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "tells", "namespace": platform.namespace},
        "involvedObject": about,
        "type": "Warning",
        "reason": "Told",
        "message": f"it said {value}",
        "lastTimestamp": "2099-01-01T00:00:00Z",  # the last is shown
    }
    platform.cluster.kubectl("create", "--filename=-", objects=[event])
    platform.kubectl("patch", "resourcequota", "platform", "--patch", '{"spec": {"hard": {"pods": "1"}}}')
    said = platform.run("restart", expect=2, part="agent", platform_wait_timeout=5)
    platform.kubectl("delete", "event", "tells")
    platform.run("site")
    hidden = value not in said  # not compared by assert, which would print it
    assert hidden
    assert "Told: it said ********" in said


def test_each_cluster_of_an_inventory_and_one_of_them(platform: Platform, tmp_path: Path) -> None:
    """The second is not reachable: it is said, and costs the first nothing."""
    hosts = {"eu": {}, "us": {"platform_kubeconfig": str(tmp_path / "none")}}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    arguments = ("-i", str(tmp_path / "hosts.json"), "--limit")
    for playbook, words in (("status", "11 of 11 ready"), ("check_health", "healthy"), ("releases", "1 ")):
        assert words in platform.run(playbook, *arguments, "eu")
        both = platform.run(playbook, *arguments, "eu,us", expect=2)
        assert words in both
        assert both.count("there is no file") == 1


def test_teardown_keeps_what_cannot_be_made_again(platform: Platform) -> None:
    claims = {item["metadata"]["uid"] for item in platform.get("persistentvolumeclaims")["items"]}
    credentials = platform.get("secret", "platform-credentials")["data"]
    platform.kubectl("create", "configmap", "foreign")
    platform.kubectl("delete", "resourcequota", "platform")  # it has no room for a claim of others
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    foreign = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "foreign"}, "spec": spec}
    platform.cluster.kubectl("--namespace", platform.namespace, "create", "--filename=-", objects=[foreign])
    said = platform.run("teardown", "--check", platform_prune_data=["PersistentVolumeClaim/data-nats-0"])
    goes, stays = said[said.index("goes:") :].split("stays:")
    for name in ("Deployment agent-service", "StatefulSet postgres", "Ingress api"):
        assert f"- {name}\n" in goes
    for name in ("Secret platform-credentials", f"Namespace {platform.namespace}", "the releases"):
        assert name in stays
    assert "- PersistentVolumeClaim data-nats-0\n" in goes
    assert "- PersistentVolumeClaim data-postgres-0\n- PersistentVolumeClaim data-qdrant-0\n" in stays
    assert "data-nats-0" not in stays
    assert "foreign" not in said
    refused = platform.run("teardown", expect=2, platform_prune_data=["PersistentVolumeClaim/foreign"])
    assert "platform_prune_data names PersistentVolumeClaim/foreign" in refused
    assert len(platform.get("deployments")["items"]) == 8
    platform.run("teardown", expect=2, platform_environment="prod", teardown_cluster="another")
    assert len(platform.get("deployments")["items"]) == 8
    platform.run("teardown")
    assert platform.get("deployments,statefulsets,services,networkpolicies")["items"] == []
    platform.kubectl("delete", "configmap/foreign", "persistentvolumeclaim/foreign")  # both are still there
    last = platform.releases()[-1]
    assert (last["note"], last["tiers"]) == ("teardown", {})
    output = platform.run("rollback", expect=2, rollback_to=last["number"])
    assert f"Release {last['number']} holds nothing to bring back" in output
    platform.run("teardown", teardown_releases=True)
    assert platform.releases() == []
    assert platform.get("secrets", "--selector=multi-agent.platform/manifests")["items"] == []
    platform.run("site")
    assert {item["metadata"]["uid"] for item in platform.get("persistentvolumeclaims")["items"]} == claims
    assert platform.get("secret", "platform-credentials")["data"] == credentials
    assert "11 of 11 ready" in platform.run("status")


def test_a_cluster_that_is_not_there_is_said_once(platform: Platform, tmp_path: Path) -> None:
    said = platform.run("teardown", expect=2, platform_kubeconfig=str(tmp_path / "none"))
    assert said.count("there is no file") == 1
