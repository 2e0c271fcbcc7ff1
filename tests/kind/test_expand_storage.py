"""A store's volumes grow around its running pod, and what was written stays.

The provisioners of kind's clusters cannot make a volume larger. The test does what a resizer of CSI would say of it:
the API, the pod and its data are real, the bytes that are gained are not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest

from .platform import Platform

pytestmark = pytest.mark.slow

PLACE = "grow"
LARGE = "2Gi"
TIERS = "--tags=always,namespace,datastores"


def variables(size: str) -> dict[str, Any]:
    storage = {"storage": {"size": size}, "resources": {"requests": {"cpu": "20m"}}}
    return {"platform_namespace": PLACE, "platform_stores_overrides": {"postgres": storage, "qdrant": storage}}


@contextmanager
def resizer(platform: Platform) -> Iterator[None]:
    """Say of every claim that asks for more that it has it."""
    ended = Event()

    def patch(kind: str, name: str, *options: str, **fields: Any) -> None:
        platform.kubectl(
            "patch", kind, name, "--type=merge", f"--patch={json.dumps(fields)}", *options, namespace=PLACE
        )

    def work() -> None:
        while not ended.wait(0.5):
            for claim in platform.get("persistentvolumeclaims", namespace=PLACE)["items"]:
                capacity = {"storage": claim["spec"]["resources"]["requests"]["storage"]}
                if claim["status"]["capacity"] != capacity:
                    patch("persistentvolume", claim["spec"]["volumeName"], spec={"capacity": capacity})
                    name = claim["metadata"]["name"]
                    patch("persistentvolumeclaim", name, "--subresource=status", status={"capacity": capacity})

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        try:
            yield
        finally:
            ended.set()
            working.result()


@pytest.fixture
def classes(platform: Platform) -> Iterator[None]:
    """The cluster's classes say that their volumes can grow."""
    names = [item["metadata"]["name"] for item in platform.get("storageclasses")["items"]]

    def allow(value: bool | None) -> None:
        for name in names:
            platform.kubectl("patch", "storageclass", name, f"--patch={json.dumps({'allowVolumeExpansion': value})}")

    allow(True)
    yield
    allow(None)


@pytest.mark.usefixtures("classes")
def test_rows_stay_where_claims_grow(platform: Platform) -> None:
    try:
        platform.play("site.yml", TIERS, **variables("1Gi"))
        platform.sql("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number", PLACE)
        refused = platform.play("site.yml", TIERS, fails=True, **variables(LARGE)).output
        assert "expand_storage" in refused
        pod = platform.get("pod", "postgres-0", namespace=PLACE)["metadata"]["uid"]
        with resizer(platform):
            print(platform.play("playbooks/expand_storage.yml", TIERS, **variables(LARGE)).output)
        for store in ("postgres", "qdrant"):
            (template,) = platform.get("statefulset", store, namespace=PLACE)["spec"]["volumeClaimTemplates"]
            assert template["spec"]["resources"]["requests"]["storage"] == LARGE
        assert platform.get("pod", "postgres-0", namespace=PLACE)["metadata"]["uid"] == pod
        platform.kubectl("delete", "pod", "postgres-0", "--now", namespace=PLACE)
        platform.kubectl("rollout", "status", "statefulset/postgres", "--timeout=180s", namespace=PLACE)
        assert platform.sql("SELECT count(*), sum(number) FROM kept", PLACE) == "1000|500500"
        assert platform.play("site.yml", TIERS, **variables(LARGE)).recap["changed"] == 0
    finally:
        platform.kubectl("delete", "namespace", PLACE, "--timeout=180s", "--ignore-not-found")
