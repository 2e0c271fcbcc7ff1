"""Images of stores against the version that last served the data on their volumes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.claims import LAST_READY_IMAGE
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import ApiError, EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.platform import store_versions, target
from ansible_collections.multi_agent.platform.plugins.module_utils.platform.problems import Problems

Object = dict[str, Any]
CLAIMS, PODS = "persistentvolumeclaims", "pods"


@pytest.mark.parametrize(
    ("store", "reference", "version"),
    [
        ("postgres", "postgres:17.7", "17.7"),
        ("postgres", "postgres:17", "17"),
        ("postgres", "registry.example.test:5000/mirror/postgres:17-alpine", "17"),
        ("postgres", "bitnami/postgresql:17.2.0-debian-12-r3", "17.2"),
        ("postgres", "pgvector/pgvector:0.8.0-pg17", "17"),
        ("postgres", "pgvector/pgvector:pg18-trixie", "18"),
        ("postgres", "timescale/timescaledb-ha:pg17.7-ts2.24", "17.7"),
        ("postgres", "postgis/postgis:17-3.5", "17"),
        ("postgres", "acme/postgres:1.4.0", None),
        ("postgres", "acme/postgres:20261127", None),
        ("postgres", "postgres:latest", None),
        ("postgres", "postgres:bookworm", None),
        ("postgres", f"postgres@sha256:{'0' * 64}", None),
        ("postgres", f"postgres:17.7@sha256:{'0' * 64}", "17.7"),
        ("qdrant", "qdrant/qdrant:v1.19.0-unprivileged", "1.19"),
        ("qdrant", "qdrant/qdrant:v1", "1"),
        ("qdrant", "qdrant/qdrant:dev", None),
        ("nats", "nats:2.14.2-alpine", "2.14"),
        ("nats", "acme/nats:7f3c21a", None),
    ],
)
def test_version_of_a_tag(store: str, reference: str, version: str | None) -> None:
    found = store_versions.parse(store, reference)
    assert (str(found) if found else None) == version


@pytest.mark.parametrize(
    ("store", "data", "wanted", "words"),
    [
        ("postgres", "postgres:17.7", "postgres:17.7", None),
        ("postgres", "postgres:17.7", "postgres:17.9", None),
        ("postgres", "postgres:17.7", "postgres:17.5", None),
        ("postgres", "postgres:17.7", "postgres:17", None),
        ("postgres", "postgres:17.7", "postgres:18.1", "is Postgres 18, which does not read the data of Postgres 17"),
        ("postgres", "postgres:17.7", "postgres:16", "is Postgres 16, which does not read the data of Postgres 17"),
        ("postgres", "postgres:17.7", "pgvector/pgvector:pg18", "is Postgres 18"),
        ("postgres", "postgres:latest", "postgres:18.1", None),
        ("postgres", "postgres:17.7", "postgres:latest", None),
        ("qdrant", "qdrant:v1.18.2", "qdrant:v1.18.0", None),
        ("qdrant", "qdrant:v1.18.2", "qdrant:v1.19.0", None),
        ("qdrant", "qdrant:v1.16.0", "qdrant:v1.19.0", "1.16 -> 1.17 -> 1.18 -> 1.19"),
        ("qdrant", "qdrant:v1.19.0", "qdrant:v1.18.2", "an older version may not read them"),
        ("qdrant", "qdrant:v1.19.0", "qdrant:v2.0.0", "does not read the data of Qdrant 1"),
        ("qdrant", "qdrant:v1.19.0", "qdrant:v1", None),
        ("nats", "nats:2.12.1", "nats:2.14.2", None),
        ("nats", "nats:2.14.2", "nats:2.14.0", None),
        ("nats", "nats:2.14.2", "nats:2.12.1", "is NATS 2.12, and NATS 2.14 wrote the data"),
    ],
)
def test_image_over_data(store: str, data: str, wanted: str, words: str | None) -> None:
    cluster = Server(claims=[claim(store, data)])
    refused = store_versions.check(cluster, "ns", {store: wanted})
    if words is None:
        assert refused == []
    else:
        (refusal,) = refused
        assert (refusal.store, refusal.image) == (store, wanted)
        text = f"{refusal.problem}. {refusal.remedy}."
        assert words in text
        assert f"data-{store}-0, last served by {data}" in text
        assert "storage.md" in text


class Server:
    """Answers the two lists, and what target.check asks besides."""

    def __init__(self, claims: list[Object] | None = None, pods: list[Object] | None = None, denied: str = "") -> None:
        self.items = {CLAIMS: claims or [], PODS: pods or []}
        self.denied = denied
        self.asked: list[str] = []

    def get(self, path: str, query: dict[str, Any] | None = None) -> Object:
        plural = path.rpartition("/")[2]
        self.asked.append(plural)
        if plural == self.denied:
            raise ApiError(403, {})
        if plural == "storageclasses":
            annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
            return {"items": [{"metadata": {"name": "standard", "annotations": annotations}}]}
        if path.endswith("/statefulsets/nats"):
            raise ApiError(404, {})
        selector = str((query or {}).get("labelSelector", ""))
        chosen = selector.removeprefix("app in (").rstrip(")").split(",")
        items = [item for item in self.items.get(plural, []) if item["metadata"]["labels"]["app"] in chosen]
        return {"items": items, "gitVersion": "v1.36.0"}

    def send(self, method: str, path: str, query: Any = None, body: Any = None) -> tuple[int, Object]:
        return 201, {"status": {"incomplete": True, "allowed": True}}


def claim(store: str, image: str = "", ordinal: int = 0, **metadata: Any) -> Object:
    annotations = {LAST_READY_IMAGE: image} if image else {}
    name = f"data-{store}-{ordinal}"
    return {"metadata": {"name": name, "labels": {"app": store}, "annotations": annotations, **metadata}}


def pod(store: str, image: str, ordinal: int = 0, ready: bool = True) -> Object:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": f"data-{store}-{ordinal}"}}, {"name": "tmp"}]
    sidecar = {"name": "sidecar", "image": "acme/sidecar:18"}
    main = {"name": store, "image": image, "volumeMounts": [{"name": "data"}]}
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {
        "metadata": {"name": f"{store}-{ordinal}", "labels": {"app": store}},
        "spec": {"volumes": volumes, "containers": [sidecar, main]},
        "status": {"conditions": conditions},
    }


@pytest.mark.parametrize(
    ("server", "refused"),
    [
        (Server(), False),
        (Server(pods=[pod("postgres", "postgres:17.7")]), False),
        (Server([claim("postgres")]), False),
        (Server([claim("postgres", "postgres:17.7")]), True),
        (Server([claim("postgres", "postgres:17.7", deletionTimestamp="x")]), False),
        (Server([claim("postgres")], [pod("postgres", "postgres:17.7")]), True),
        (Server([claim("postgres", "postgres:17.7")], [pod("postgres", "postgres:18.1")]), False),
        (Server([claim("postgres", "postgres:17.7")], [pod("postgres", "postgres:18.1", ready=False)]), True),
        (Server([claim("postgres", "postgres:17.7", name="postgres-copy")]), False),
        (Server([claim("postgres", "postgres:17.7")], denied=CLAIMS), False),
        (Server([claim("postgres", "postgres:17.7")], denied=PODS), True),
    ],
    ids=[
        "no volume",
        "pod without a volume of its own",
        "volume without a record",
        "record",
        "volume that is being deleted",
        "ready pod",
        "ready pod is newer than the record",
        "pod that is not ready counts for nothing",
        "another volume",
        "claims may not be read",
        "pods may not be read",
    ],
)
def test_what_is_known_of_the_data(server: Server, refused: bool) -> None:
    assert bool(store_versions.check(server, "ns", {"postgres": "postgres:18.1"})) is refused


def test_every_member_counts() -> None:
    """In the middle of an upgrade: the next one has to wait for the member that is behind."""
    server = Server([claim("qdrant", "q:v1.19.0"), claim("qdrant", "q:v1.18.2", 1)])
    assert store_versions.check(server, "ns", {"qdrant": "q:v1.19.1"}) == []
    (refusal,) = store_versions.check(server, "ns", {"qdrant": "q:v1.20.0"})
    assert "data-qdrant-1" in refusal.problem
    (refusal,) = store_versions.check(server, "ns", {"qdrant": "q:v1.18.2"})
    assert "data-qdrant-0" in refusal.problem


def test_image_without_a_version_asks_nothing() -> None:
    server = Server([claim("postgres", "postgres:17.7")])
    assert store_versions.check(server, "ns", {"postgres": "postgres:latest"}) == []
    assert server.asked == []


@pytest.mark.parametrize(
    ("tiers", "named"),
    [
        ({"datastores", "nats"}, ["platform_images.nats", "platform_images.postgres", "platform_images.qdrant"]),
        ({"nats"}, ["platform_images.nats"]),
        ({"services"}, []),
    ],
    ids=["both", "nats", "neither"],
)
def test_preflight_checks_the_stores_of_its_tiers(tiers: set[str], named: list[str]) -> None:
    had = {"postgres": "postgres:17.7", "qdrant": "q:v1.17.0", "nats": "nats:2.14.2"}
    wants = {"postgres": "postgres:18.1", "qdrant": "q:v1.19.0", "nats": "nats:2.12.1"}
    stores = {store: (f"platform_images.{store}", image) for store, image in wants.items()}
    wanted = target.Wanted("ns", "1.34", frozenset(tiers), (), None, stores)
    problems = Problems()
    target.check(Server([claim(*pair) for pair in had.items()]), wanted, problems)
    assert sorted(problem.variable for problem in problems.found) == named
    assert all("platform_unchecked_store_versions: [" in str(problem) for problem in problems.found)


def stateful_set(name: str, image: str) -> Object:
    template = {"spec": {"containers": [{"name": name, "image": image}]}}
    return {"kind": "StatefulSet", "metadata": {"name": name}, "spec": {"template": template}}


def test_manifests_that_go_back_are_refused() -> None:
    server = Server([claim("postgres", "postgres:18.1"), claim("nats", "nats:2.14.2")])
    objects = [stateful_set("postgres", "postgres:17.7"), stateful_set("nats", "nats:2.14.0"), stateful_set("x", "x:1")]
    with pytest.raises(EngineError, match=r"Postgres: postgres:17\.7 is Postgres 17") as caught:
        store_versions.refuse(server, "ns", objects)
    assert "NATS" not in str(caught.value)
    assert "Nothing was written" in str(caught.value)
    store_versions.refuse(server, "ns", objects[1:])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"postgres": ("platform_images.postgres", "postgres:17.7")}),
        (
            {"platform_image_overrides": {"postgres": "acme/postgres:18"}},
            {"postgres": ("platform_image_overrides.postgres", "acme/postgres:18")},
        ),
        ({"platform_unchecked_store_versions": ["postgres"]}, {}),
    ],
    ids=["default", "override", "unchecked"],
)
def test_variable_of_the_image_is_named(
    given: Object, expected: Object, specs: Any, values: Object, make_stores: Callable[..., Object]
) -> None:
    found = make_stores(specs, values | given)
    assert {store: found[store] for store in found if store == "postgres"} == expected


@pytest.fixture
def make_stores() -> Callable[..., Object]:
    """What preflight makes of resolved values."""
    from ansible_collections.multi_agent.platform.plugins.action import preflight  # noqa: PLC0415
    from ansible_collections.multi_agent.platform.plugins.module_utils.platform import validate  # noqa: PLC0415

    def make(specs: Any, values: Object) -> Object:
        effective, model = validate.check_inputs(specs, values, values, Problems())
        return preflight._stores(effective, model)

    return make
