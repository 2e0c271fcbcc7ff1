"""Each check of the doctor finds what it is for, and nothing in a sound platform."""

import base64
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.transport import Disconnected, Untrusted
from ansible_collections.multi_agent.platform.plugins.module_utils.operations.doctor import (
    ADVICE,
    PROBLEM,
    Facts,
    _text,
    examine,
    full_scale_out,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = datetime(2026, 11, 22, tzinfo=UTC)
LABELS = {"applyset.kubernetes.io/part-of": "applyset-x-v1"}
DEGENERATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
DIGEST = "r.example/agent:1@sha256:0"


def _deployment(image=DIGEST, initial=DIGEST):
    container = {"name": "a", "image": image, "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}
    pod = {"containers": [container], "initContainers": [{"name": "i", "image": initial}]}
    metadata = {"name": "agent"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"replicas": 2, "template": {"spec": pod}},
    }


def _cron_job(name, image=DIGEST):
    pod = {"containers": [{"name": "c", "image": image}]}
    spec = {"jobTemplate": {"spec": {"template": {"spec": pod}}}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name}, "spec": spec}


def _sound():
    return {
        "Deployment": [_deployment()],
        "HorizontalPodAutoscaler": [
            {
                "metadata": {"name": "agent", "labels": LABELS},
                "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "agent"}, "maxReplicas": 10},
            }
        ],
        "StorageClass": [{"metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}],
        "system": [{"metadata": {"name": "cilium"}}],
        "NetworkPolicy": [{"metadata": {"name": "allow-dns", "labels": LABELS}, "spec": {"egress": []}}],
        "ResourceQuota": [{"metadata": {"name": "q"}, "spec": {"hard": {"requests.cpu": "5", "pods": "10"}}}],
        "Node": [{"spec": {}, "status": {"allocatable": {"cpu": "8", "memory": "32Gi"}}}],
    }


def _examined(change=None, **facts):
    objects = _sound()
    objects.update(change or {})
    return examine(Facts(**{"version": "v1.37.2", "objects": objects, **facts}), NOW)


def test_a_sound_platform_has_no_findings():
    assert _examined(_definition()) == []


def test_a_full_scale_out_is_what_autoscalers_allow():
    wanted = full_scale_out(Facts(objects=_sound()))
    assert (wanted["pods"], wanted["requests.cpu"]) == (10, 5.0)


def _secret(name, kind="Opaque", **values):
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"metadata": {"name": name}, "type": kind, "data": data}


def _certificate(**left):
    """A TLS Secret whose certificate ends that far from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "edge")])
    begin, end = NOW - timedelta(days=90), NOW + timedelta(**left)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, begin, end)
    text = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    return _secret("edge", "kubernetes.io/tls", **{"tls.crt": text})


def _ingress(secret):
    return {"metadata": {"name": "gateway"}, "spec": {"tls": [{"secretName": secret}]}}


HTTP_ROUTES = "httproutes.gateway.networking.k8s.io"


def _definition(bundle="v1.4.0", **version):
    metadata = {"name": HTTP_ROUTES, "annotations": {"gateway.networking.k8s.io/bundle-version": bundle}}
    return {HTTP_ROUTES: [{"metadata": metadata, "spec": {"versions": [{"name": "v1", "served": True} | version]}}]}


_LABELS = 'group="x",removed_release="1.38",resource="y",version="v1"'
REMOVED_API = f"apiserver_requested_deprecated_apis{{{_LABELS}}} 1"
CASES = [
    ({}, {"version": "v1.30.1"}, PROBLEM, "older than 1.34"),
    ({}, {"version": "v1.40.0"}, ADVICE, "tests go up to 1.37"),
    (_definition("v1.1.0"), {}, PROBLEM, "the Gateway API v1.1.0"),
    (_definition(name="v1beta1"), {}, PROBLEM, "not in the version v1"),
    (_definition(deprecated=True), {}, ADVICE, "calls its version v1 deprecated"),
    ({}, {"metrics": False}, PROBLEM, "metrics.k8s.io"),
    ({"StorageClass": []}, {}, ADVICE, "no default StorageClass (or this user may not see them)"),
    ({"StorageClass": [{"metadata": {"name": "gold"}}]}, {}, ADVICE, "has no default StorageClass"),
    ({"system": []}, {}, ADVICE, "enforce NetworkPolicy"),
    ({"NetworkPolicy": [{"metadata": {"name": "open"}, "spec": {}}]}, {}, ADVICE, "NetworkPolicy open is not ours"),
    ({"system": [{"metadata": {"name": n}} for n in ("cilium", "node-local-dns")]}, {}, PROBLEM, "NodeLocal"),
    ({"ResourceQuota": [{"metadata": {"name": "q"}, "spec": {"hard": {"pods": "9"}}}]}, {}, PROBLEM, "allows pods 9"),
    (
        {"Node": [{"spec": {}, "status": {"allocatable": {"cpu": "4", "memory": "64Gi"}}}]},
        {},
        ADVICE,
        "requests 5 of cpu",
    ),
    (
        {"PodDisruptionBudget": [{"metadata": {"name": "pg"}, "status": {"expectedPods": 1, "currentHealthy": 1}}]},
        {},
        ADVICE,
        "PodDisruptionBudget pg allows no disruption",
    ),
    ({"Secret": [_secret("tls", "kubernetes.io/tls")]}, {}, PROBLEM, "no certificate"),
    ({"Secret": [_secret("tls", "kubernetes.io/tls", **{"tls.crt": DEGENERATE})]}, {}, PROBLEM, "no certificate"),
    ({"Secret": [_certificate(days=20)]}, {}, ADVICE, "certificate of Secret edge ends in 20d"),
    ({"Secret": [_certificate(hours=-2)]}, {}, PROBLEM, "certificate of Secret edge ended 2h ago"),
    ({"Ingress": [_ingress("edge")]}, {}, PROBLEM, "Ingress gateway wants TLS Secret edge, which is missing"),
    ({"Deployment": [_deployment("agent:latest")]}, {}, PROBLEM, "agent:latest"),
    ({"Deployment": [_deployment(initial="wait")]}, {}, PROBLEM, "Image wait can be another one"),
    ({"CronJob": [_cron_job("backup", "backup:latest")]}, {}, PROBLEM, "backup:latest"),
    ({"CronJob": [_cron_job("backup", "backup:1")]}, {"environment": "prod"}, ADVICE, "without a digest: backup:1"),
    ({"Deployment": [_deployment("agent:1")]}, {"environment": "prod"}, ADVICE, "without a digest"),
    (
        {"Secret": [_secret("platform-credentials", openai_api_key="changeme")]},
        {"environment": "prod"},
        PROBLEM,
        "openai_api_key is a placeholder",
    ),
    ({"Secret": [_secret("platform-credentials", jwt_secret="q8Zt")]}, {}, PROBLEM, "shorter than 32"),
    ({"Secret": [_secret("left-over")]}, {}, ADVICE, "left-over is used by no pod"),
    (
        {},
        {"deprecated": REMOVED_API},
        ADVICE,
        "y of x/v1",
    ),
]


@pytest.mark.parametrize(("change", "facts", "level", "words"), CASES, ids=[case[3] for case in CASES])
def test_each_check(change, facts, level, words):
    found = _examined(change, **facts)
    assert any(f.level == level and words in f.what and f.remedy for f in found), found


@pytest.mark.parametrize("failure", [Disconnected(OSError("broken")), Untrusted("no authority")])
def test_metrics_that_break_off_are_none(failure):
    def request(*_):
        raise failure

    cluster: Any = SimpleNamespace(transport=SimpleNamespace(request=request))
    assert _text(cluster, "/metrics") == ""


def test_a_certificate_that_a_route_uses_and_that_lasts_is_sound():
    assert _examined(_definition() | {"Secret": [_certificate(days=22)], "Ingress": [_ingress("edge")]}) == []


def test_problems_come_first_and_no_value_is_told():
    found = _examined(
        {"system": [], "Secret": [_secret("platform-credentials", jwt_secret="changeme")]},
        environment="prod",
    )
    assert found[0].level == PROBLEM
    assert "changeme" not in str(found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Deployment": [_deployment() | {"spec": _deployment()["spec"] | {"replicas": 0}}]}, "agent: has 0 pods"),
        ({"Deployment": [_deployment() | {"spec": _deployment()["spec"] | {"paused": True}}]}, "rollout is paused"),
    ],
)
def test_what_is_stopped_by_hand_is_a_problem(change, words):
    (finding,) = _examined(_definition() | change)
    assert words in finding.what
    assert "make deploy" in finding.remedy
