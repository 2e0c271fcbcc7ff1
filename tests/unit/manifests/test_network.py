"""Network policies: both sides of each edge agree, every peer exists, and nothing is open that no edge asks for."""

from __future__ import annotations

from typing import Any

import pytest

from .manifests import Platform, platform

# Not `app`, which Services select by: a probe can carry what policies see and get none of the traffic.
OWN = "app.kubernetes.io/instance"
# Pods that cert-manager makes while it answers a challenge.
SOLVER = {"acme.cert-manager.io/http01-solver": "true"}

Edge = tuple[str, str, int]  # app that calls, app that is called, port


def _selected(policy: dict[str, Any]) -> str:
    """The instance that a policy is about, ``solver``, or ``*`` for every pod."""
    labels = policy["spec"]["podSelector"].get("matchLabels", {})
    return "solver" if labels == SOLVER else str(labels.get(OWN, "*"))


def edges(p: Platform, direction: str) -> set[Edge]:
    """The edges between pods of the platform, as the policies of one side say them."""
    side, peers = ("egress", "to") if direction == "egress" else ("ingress", "from")
    found: set[Edge] = set()
    for policy in p.of("NetworkPolicy").values():
        own = _selected(policy)
        for rule in policy["spec"].get(side, []):
            for peer in rule[peers]:
                if "podSelector" in peer and "namespaceSelector" not in peer:
                    other = peer["podSelector"]["matchLabels"][OWN]
                    pair = (own, other) if direction == "egress" else (other, own)
                    found |= {(*pair, port["port"]) for port in rule["ports"]}
    return found


def rules(p: Platform, side: str, peer_field: str) -> list[tuple[str, Any, list[int]]]:
    """(app, peer, ports) of each peer of a kind."""
    return [
        (
            _selected(policy),
            peer[peer_field],
            [x["port"] for x in rule["ports"]],
        )
        for policy in p.of("NetworkPolicy").values()
        for rule in policy["spec"].get(side, [])
        for peer in rule["to" if side == "egress" else "from"]
        if peer_field in peer
    ]


def test_both_sides_of_each_edge_agree(platform: Platform) -> None:
    assert edges(platform, "egress") == edges(platform, "ingress")


def test_edges_are_those_of_the_environment(platform: Platform) -> None:
    """What a part is told that it calls and uses is what it may reach, and nothing more."""
    expected: set[Edge] = {("postgres-roles", "postgres", 5432)}
    stores = {"postgres": 5432, "qdrant": 6333, "nats": 4222}
    by_name = {pod.labels["app.kubernetes.io/name"]: pod for pod in platform.pods}
    for pod in platform.pods:
        env = {v["name"]: v.get("value", "") for v in pod.containers[0].get("env", [])}
        app = pod.labels["app"]
        for callee in filter(None, env.get("SERVICE_CALLS", "").split(",")):
            expected.add((app, by_name[callee].labels["app"], by_name[callee].ports["http"]))
        expected |= {(app, store, stores[store]) for store in filter(None, env.get("SERVICE_USES", "").split(","))}
    clustered = {name: s for name, s in platform.of("StatefulSet").items() if s["spec"]["replicas"] > 1}
    expected |= {(name, name, {"qdrant": 6335, "nats": 6222}[name]) for name in clustered}
    backing = {pod.owner for pod in platform.pods} & {"backup", "restore"}
    expected |= {(owner, store, port) for owner in backing for store, port in stores.items()}
    assert edges(platform, "egress") == expected


def test_every_policy_and_peer_selects_pods_and_ports_that_these_declare(platform: Platform) -> None:
    for name, policy in platform.of("NetworkPolicy").items():
        selector = policy["spec"]["podSelector"].get("matchLabels")
        assert selector in (None, SOLVER) or platform.selected(selector), name
    for _, callee, port in edges(platform, "ingress"):
        (pod,) = platform.selected({OWN: callee})
        assert port in pod.ports.values(), (callee, port)
    for caller, _, _ in edges(platform, "ingress"):
        assert platform.selected({OWN: caller}), caller


def test_every_pod_has_a_policy_of_its_own_both_ways(platform: Platform) -> None:
    for pod in platform.pods:
        policy = platform.of("NetworkPolicy")[pod.labels["app"]]
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_default_deny_stands_for_all_pods_both_ways(platform: Platform) -> None:
    spec = platform.of("NetworkPolicy")["default-deny"]["spec"]
    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_names_resolve_through_the_cluster_and_a_node_local_cache(platform: Platform) -> None:
    (rule,) = platform.of("NetworkPolicy")["allow-dns"]["spec"]["egress"]
    assert {(p["port"], p["protocol"]) for p in rule["ports"]} == {(53, "UDP"), (53, "TCP")}
    assert {"ipBlock": {"cidr": "169.254.20.10/32"}} in rule["to"]
    assert any(peer.get("podSelector") == {"matchLabels": {"k8s-app": "kube-dns"}} for peer in rule["to"])


def test_only_what_is_exposed_can_be_reached_from_the_edge(platform: Platform) -> None:
    backends = {
        path["backend"]["service"]["name"]
        for ingress in platform.of("Ingress").values()
        for rule in ingress["spec"]["rules"]
        for path in rule["http"]["paths"]
    }
    open_to_edge = {
        app
        for app, selector, _ in rules(platform, "ingress", "namespaceSelector")
        if selector["matchLabels"] == {"kubernetes.io/metadata.name": "ingress"}
    }
    assert open_to_edge - {"solver"} == backends == {"frontend", "gateway-service"}
    assert ("solver" in open_to_edge) == bool(platform.of("Certificate"))


def test_monitoring_reaches_ports_that_are_declared(platform: Platform) -> None:
    seen = {}
    for app, selector, ports in rules(platform, "ingress", "namespaceSelector"):
        if selector["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}:
            seen[app] = ports
            (pod,) = platform.selected({"app": app})
            assert set(ports) <= set(pod.ports.values())
    assert set(platform.of("Deployment")) | {"qdrant", "nats"} == set(seen)
    # One speaks Prometheus' format, the other JSON; of Qdrant neither the port of its members nor gRPC.
    assert (seen["qdrant"], seen["nats"]) == ([6333], [8222])


def test_internet_is_public_addresses_on_443_for_those_with_keys(local: Platform) -> None:
    blocks = [rule for rule in rules(local, "egress", "ipBlock") if rule[0] != "*"]
    assert {app for app, _, _ in blocks} == {"agent-service", "model-service", "vector-service"}
    assert all(ports == [443] for _, _, ports in blocks)
    v4 = {"10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"}
    v6 = {"fc00::/7", "fe80::/10"}
    for _, block, _ in blocks:
        assert (v6 if ":" in block["cidr"] else v4) <= set(block["except"])


def test_clients_of_qdrant_outside_are_the_sources_of_its_service() -> None:
    p = platform("qdrant-external")
    sources = p.of("Service")["qdrant-external"]["spec"]["loadBalancerSourceRanges"]
    blocks = [(block["cidr"], ports) for app, block, ports in rules(p, "ingress", "ipBlock") if app == "qdrant"]
    assert blocks == [(cidr, [6333, 6334]) for cidr in sources]


@pytest.mark.parametrize("name", ["local", "prod"])
def test_nobody_outside_reaches_qdrant_unless_named(name: str) -> None:
    assert not rules(platform(name), "ingress", "ipBlock")


def test_http01_solver_is_reached_on_its_port_alone() -> None:
    p = platform("every-input")
    spec = p.of("NetworkPolicy")["acme-http01-solver"]["spec"]
    assert spec["podSelector"] == {"matchLabels": SOLVER}
    assert [[port["port"] for port in rule["ports"]] for rule in spec["ingress"]] == [[8089], [8089]]
    assert "egress" not in spec
    assert "acme-http01-solver" not in platform("local").of("NetworkPolicy")


def test_load_balancers_reach_exposed_ports_alone() -> None:
    p = platform("every-input")
    opened = {(app, block["cidr"], *ports) for app, block, ports in rules(p, "ingress", "ipBlock")}
    cidrs, targets = (
        ("203.0.113.0/26", "2001:db8::/64"),
        [("gateway-service", 3000), ("frontend", 3001), ("solver", 8089)],
    )
    assert opened == {(app, cidr, port) for app, port in targets for cidr in cidrs}
