"""Copies in the stores: what may not grow in place, and what the doctor says of pods that answer nothing."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from ..conftest import Cluster
from .test_verbs import Platform

pytestmark = pytest.mark.cluster

THREE = {"nats": {"replicas": 3}, "qdrant": {"replicas": 3}}


@pytest.fixture(scope="module")
def stores(cluster: Cluster) -> Iterator[Platform]:
    """NATS and Qdrant of one replica; pods are simulated."""
    made = Platform(cluster, f"copies-{secrets.token_hex(4)}")
    made.run("site")
    yield made
    cluster.kubectl("delete", "namespace", made.namespace, "--wait=false", "--ignore-not-found")


def test_nats_grows_from_one_server_only_without_its_data(stores: Platform) -> None:
    before = stores.get("statefulset", "nats")["metadata"]["generation"]
    said = " ".join(stores.run("site", expect=2, platform_stores_overrides=THREE).split())
    assert "platform_stores.nats.replicas = 3: makes a cluster of a server that has run alone" in said
    assert "1 thing to correct; nothing was written" in said
    assert stores.get("statefulset", "nats")["metadata"]["generation"] == before
    # Its claim outlives the StatefulSet and still says so.
    stores.kubectl("delete", "statefulset", "nats", "--cascade=foreground")
    assert "has run alone" in stores.run("site", expect=2, platform_stores_overrides=THREE)
    stores.kubectl("delete", "pvc", "--selector=app=nats")
    stores.run("site", platform_stores_overrides=THREE)
    assert stores.get("statefulset", "nats")["spec"]["replicas"] == 3
    settings = stores.get("configmap", "platform-config")["data"]
    assert settings["NATS_STREAM_REPLICAS"] == "3"
    said = " ".join(stores.run("site", expect=2).split())
    assert "platform_stores.nats.replicas = 1: is one server, and 3 run as a cluster" in said


def test_doctor_says_which_copies_it_could_not_read(stores: Platform) -> None:
    said = " ".join(stores.run("doctor", platform_stores_overrides=THREE).split())
    for store in ("nats", "qdrant"):
        assert f"ADVICE The copies that {store} keeps cannot be read: " in said
    assert "cannot be read" not in stores.run("doctor")
