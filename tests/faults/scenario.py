"""What is applied while faults happen: a small tier in two versions, and a driver that runs in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ansible_collections.multi_agent.platform.plugins.module_utils.engine import lease, transport

from tests.integration.engine.objects import container, make, selector
from tests.integration.engine.support import Engine, Run

Object = dict[str, Any]

TIER = "faults"
# A request that gets no answer is given up after this long (60 s in production), and a dead run's Lease after this.
READ_SECONDS = 1.0
LEASE_SECONDS = 2


def hurry() -> None:
    """Shorten what production waits for."""
    transport.READ_SECONDS = READ_SECONDS
    lease.SECONDS = LEASE_SECONDS


def version(number: int) -> list[Object]:
    """The tier as of version 0 or 1: objects common to both that change, and one of each kind that only one has."""
    other = 1 - number
    hosts = [{"ip": "192.0.2.1", "hostnames": [f"v{number}"]}]
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "hostAliases": hosts,
        "containers": [{"name": "main", "image": f"registry.example.test/app:{number}"}],
    }
    return [
        make("v1", "ConfigMap", "common", data={"version": str(number), "same": "x"}),
        make("v1", "ConfigMap", f"only-{number}", data={f"v{other}": "gone"}),
        make("v1", "Secret", "secret", stringData={"password": f"correct horse {number}"}),
        make("v1", "ServiceAccount", "account", automountServiceAccountToken=False),
        make("v1", "ServiceAccount", f"account-{number}", automountServiceAccountToken=False),
        make(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "policy",
            spec={"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 3000 + number}]}]},
        ),
        *(
            make(
                "v1",
                "Service",
                name,
                spec={"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 3000 + number}]},
            )
            for name in ("one", "two", f"only-{number}")
        ),
        *(
            make(
                "apps/v1",
                "Deployment",
                name,
                spec={"selector": selector(name), "template": {"metadata": {"labels": {"app": name}}, "spec": spec}},
            )
            for name in ("one", f"only-{number}")
        ),
        make("batch/v1", "CronJob", "cron", spec=_cron(number)),
        make(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "one",
            spec={
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "one"},
                "minReplicas": 1,
                "maxReplicas": 3 + number,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
                    }
                ],
            },
        ),
        make(
            "policy/v1", "PodDisruptionBudget", "one", spec={"maxUnavailable": 1 + number, "selector": selector("one")}
        ),
    ]


def _cron(number: int) -> Object:
    spec = {"restartPolicy": "Never", "containers": [container(image=f"registry.example.test/app:{number}")]}
    spec["containers"][0].pop("volumeMounts")  # type: ignore[attr-defined]
    return {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": {"template": {"spec": spec}}}}


def run(kubeconfig: Path, namespace: str, number: int, patience: float = 10, **how: Any) -> Run:
    """Apply a version of the tier, as a run of the playbook would."""
    options: dict[str, Any] = {"lock_seconds": 30, "wait_seconds": 0} | how
    return Engine(kubeconfig, namespace, TIER, patience=patience).apply(version(number), **options)


if __name__ == "__main__":
    # python -m tests.faults.scenario <kubeconfig> <namespace> <version> <wait seconds>
    hurry()
    run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), wait_seconds=float(sys.argv[4]))
