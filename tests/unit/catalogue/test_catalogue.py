"""The model that is derived from the shipped catalogue, and what overrides make of it."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.multi_agent.platform.plugins.filter.catalogue import catalogue
from ansible_collections.multi_agent.platform.plugins.filter.credential_keys import credential_keys

SERVICES = {
    # name: (port, requests, limits, calls, stores), as the platform's first description has them
    "gateway": (3000, ("200m", "256Mi"), ("500m", "512Mi"), {"orchestration"}, {"postgres", "nats"}),
    "orchestration": (
        3001,
        ("300m", "512Mi"),
        ("1000m", "1Gi"),
        {"agent", "tool", "model", "vector", "execution"},
        {"postgres", "nats"},
    ),
    "agent": (3002, ("300m", "1Gi"), ("2000m", "4Gi"), {"model", "tool"}, {"postgres", "nats"}),
    "tool": (3003, ("200m", "256Mi"), ("500m", "512Mi"), set(), {"postgres", "nats"}),
    "model": (3004, ("500m", "1Gi"), ("2000m", "4Gi"), set(), {"postgres", "nats"}),
    "vector": (3005, ("300m", "512Mi"), ("1000m", "2Gi"), set(), {"postgres", "qdrant", "nats"}),
    "execution": (3006, ("200m", "256Mi"), ("1000m", "1Gi"), set(), {"postgres", "nats"}),
    "frontend": (3001, ("200m", "256Mi"), ("500m", "512Mi"), {"gateway"}, set()),
}


def derive(defaults: dict[str, Any], **given: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "images": defaults["platform_images"],
        "stores": defaults["platform_stores"],
        "quota_headroom": defaults["platform_quota_headroom"],
    }
    return catalogue(defaults["platform_services"], **(arguments | given))


@pytest.mark.parametrize("name", SERVICES)
def test_part_is_as_first_described(defaults: dict[str, Any], name: str) -> None:
    part = derive(defaults)["by_name"][name]
    port, requests, limits, calls, stores = SERVICES[name]
    assert part["port"] == port
    assert (part["resources"]["requests"]["cpu"], part["resources"]["requests"]["memory"]) == requests
    assert (part["resources"]["limits"]["cpu"], part["resources"]["limits"]["memory"]) == limits
    assert set(part["calls"]) == calls
    assert set(part["uses"]) == stores
    assert part["scaling"] == {"enabled": True, "min_replicas": 2, "max_replicas": 10, "cpu": 70, "memory": 80}
    assert part["probes"] == {"liveness": "/health", "readiness": "/ready"}


def test_there_are_exactly_these_parts(defaults: dict[str, Any]) -> None:
    model = derive(defaults)
    assert [part["name"] for part in model["parts"]] == sorted(SERVICES)
    assert model["exposed"] == {"api": "gateway", "frontend": "frontend"}


def test_ai_keys_and_internet_are_where_they_belong(defaults: dict[str, Any]) -> None:
    model = derive(defaults)
    keys = {part["name"]: {key["key"] for key in part["secret_keys"]} for part in model["parts"]}
    assert {name for name, held in keys.items() if "OPENAI_API_KEY" in held} == {"agent", "model", "vector"}
    assert {name for name, held in keys.items() if "ANTHROPIC_API_KEY" in held} == {"agent", "model"}
    assert {name for name, held in keys.items() if "JWT_SECRET" in held} == {"gateway"}
    assert {part["name"] for part in model["parts"] if part["internet"]} == {"agent", "model", "vector"}


def test_both_sides_of_every_edge_agree(defaults: dict[str, Any]) -> None:
    model = derive(defaults)
    sides = model["by_name"] | model["stores"]
    out = {(p["name"], peer["name"], peer["port"]) for p in model["parts"] for peer in p["egress"]}
    into = {(peer["name"], name, peer["port"]) for name, side in sides.items() for peer in side["ingress"]}
    assert out == into
    assert len(out) == 5 + 1 + 2 + 1 + 7 * 2 + 1
    for part in model["parts"]:
        for peer in part["egress"]:
            assert peer["object"] == sides[peer["name"]]["object"]
        assert part["called_by"] == [peer["name"] for peer in part["ingress"]]


def test_a_credential_exists_for_every_key_and_every_key_for_a_credential(defaults: dict[str, Any]) -> None:
    model = derive(defaults)
    wanted = {key["credential"] for part in model["parts"] for key in part["secret_keys"] if "credential" in key}
    there = {credential["name"]: credential for credential in model["credentials"]}
    assert wanted <= there.keys()
    assert there.keys() - wanted == {"nats_password_system", "postgres_password", "qdrant_read_only_api_key"}
    assert there["jwt_secret"]["min_length"] == 32
    assert {name for name, c in there.items() if c["kind"] == "external"} == {"openai_api_key", "anthropic_api_key"}


@pytest.mark.parametrize(("generate", "made"), [(True, 20), ("true", 20), (False, 15), ("false", 15)])
def test_internal_credentials_are_always_generated(defaults: dict[str, Any], generate: Any, made: int) -> None:
    keys = credential_keys(derive(defaults)["credentials"], generate=generate)
    internal = sum(key["kind"] == "internal" for key in keys)
    assert sum(key["generate"] for key in keys) == (len(keys) if made == 20 else internal)
    assert internal == 15


def test_quota_fits_every_hpa_at_its_maximum(defaults: dict[str, Any]) -> None:
    quota = derive(defaults)["quota"]
    # Eight parts with ten pods and one of a rollout, three stores and the proof of each, five pods of headroom.
    assert quota["pods"] == str(8 * 11 + 3 * 2 + 5)
    # Cores: 11 x 2.2 of the parts, 2 x 0.85 of the stores, 0.5 of the headroom.
    assert quota["requests.cpu"] == "26400m"
    assert quota["requests.storage"] == "30Gi"
    assert quota["persistentvolumeclaims"] == "3"


def test_configuration(defaults: dict[str, Any]) -> None:
    config = derive(defaults, environment="prod", log_level="warn", config={"OTEL_TRACES": True, "N": 3})["config"]
    assert config["common"]["NODE_ENV"] == "production"
    assert config["common"]["OTEL_TRACES"] == "true"
    assert config["common"]["N"] == "3"
    assert config["service_urls"]["GATEWAY_SERVICE_URL"] == "http://gateway-service:3000"
    assert len(config["service_urls"]) == 7


def test_overrides_merge_last_and_leave_their_inputs_alone(defaults: dict[str, Any]) -> None:
    before = copy.deepcopy(defaults["platform_services"])
    overrides = {
        "agent": {"scaling": {"max_replicas": "20"}, "calls": ["model"], "internet": "false"},
        "gateway": {"secrets": None},
        "frontend": None,
        "billing": {
            "port": 3010,
            "image": "tool",
            "secrets": ["stripe_api_key"],
            "resources": {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"cpu": 2, "memory": "1Gi"}},
        },
    }
    model = derive(defaults, overrides=overrides)
    assert defaults["platform_services"] == before
    agent = model["by_name"]["agent"]
    assert agent["scaling"] == {"enabled": True, "min_replicas": 2, "max_replicas": 20, "cpu": 70, "memory": 80}
    assert agent["calls"] == ["model"]
    assert agent["internet"] is False
    assert "frontend" not in model["by_name"]
    assert not [c for c in model["credentials"] if c["name"] == "jwt_secret"]
    assert {"key": "STRIPE_API_KEY", "credential": "stripe_api_key"} in model["by_name"]["billing"]["secret_keys"]


@pytest.mark.parametrize(
    ("reference", "registry", "full", "tag"),
    [
        ("team/tool:2.0", "", "team/tool:2.0", "2.0"),
        ("team/tool:2.0", "mirror.example.org/hub/", "mirror.example.org/hub/team/tool:2.0", "2.0"),
        ("quay.io/team/tool:2.0", "mirror.example.org", "quay.io/team/tool:2.0", "2.0"),
        (f"tool@sha256:{'ab' * 32}", "", f"tool@sha256:{'ab' * 32}", "abababababab"),
        (f"tool:1@sha256:{'ab' * 32}", "localhost:5000", f"localhost:5000/tool:1@sha256:{'ab' * 32}", "1"),
    ],
)
def test_images(defaults: dict[str, Any], reference: str, registry: str, full: str, tag: str) -> None:
    part = derive(defaults, image_overrides={"tool": reference}, registry=registry)["by_name"]["tool"]
    assert (part["image"], part["image_tag"]) == (full, tag)


def test_the_filter_names_every_fault(defaults: dict[str, Any]) -> None:
    overrides = {"agent": {"port": 99999, "calls": ["modle"]}, "tool": {"resorces": {}}}
    with pytest.raises(AnsibleFilterError) as caught:
        derive(defaults, overrides=overrides)
    text = str(caught.value)
    for part in ("platform_services.agent.port = 99999", 'Did you mean "model"', 'Did you mean "resources"'):
        assert part in text


def test_time_grows_linearly_with_services(defaults: dict[str, Any]) -> None:
    """Ten times as many take about ten times as long; work that is quadratic would take a hundred times."""
    few, many = (min(_time(defaults, number) for _ in range(3)) for number in (70, 700))
    assert many < 30 * few


def _time(defaults: dict[str, Any], number: int) -> float:
    services = dict(defaults["platform_services"])
    images = dict(defaults["platform_images"])
    names = [f"part-{index}" for index in range(number)]
    for index, name in enumerate(names):
        services[name] = services["tool"] | {
            "port": 10000 + index,
            "image": "tool",
            "calls": names[index + 1 : index + 5],
        }
    variables = defaults | {"platform_services": services, "platform_images": images}
    start = time.process_time()
    assert len(derive(variables)["parts"]) == number + 8
    return time.process_time() - start


@pytest.mark.parametrize(
    ("qdrant", "nats", "factors", "streams"),
    [
        ({}, {}, (1, 1), "1"),
        ({"replicas": 3}, {"replicas": 3}, (2, 1), "3"),
        ({"replicas": 5}, {"replicas": 5}, (2, 1), "3"),
        ({"replicas": 3, "replication_factor": 3}, {"replicas": 1}, (3, 2), "1"),
        ({"replicas": 3, "replication_factor": 1}, {"replicas": 9}, (1, 1), "3"),
    ],
)
def test_copies_follow_from_the_replicas_of_the_stores(
    defaults: dict[str, Any], qdrant: dict[str, int], nats: dict[str, int], factors: tuple[int, int], streams: str
) -> None:
    model = derive(defaults, stores_overrides={"qdrant": qdrant, "nats": nats})
    store = model["stores"]["qdrant"]
    assert (store["replication_factor"], store["write_consistency_factor"]) == factors
    assert model["config"]["common"]["NATS_STREAM_REPLICAS"] == streams


def test_stream_replicas_of_the_user_win(defaults: dict[str, Any]) -> None:
    model = derive(defaults, stores_overrides={"nats": {"replicas": 5}}, config={"NATS_STREAM_REPLICAS": 5})
    assert model["config"]["common"]["NATS_STREAM_REPLICAS"] == "5"
