"""What the policy matrix expects, and what it makes of what probes saw."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.verify import matrix
from ansible_collections.multi_agent.platform.plugins.module_utils.verify.checks import Outcome
from ansible_collections.multi_agent.platform.plugins.module_utils.verify.cidrs import Opened
from ansible_collections.multi_agent.platform.plugins.module_utils.verify.matrix import OUTSIDE, STRANGER, Door, Matrix

STORE_PORTS = {"postgres": {"postgres": 5432}, "qdrant": {"http": 6333, "p2p": 6335}, "nats": {"client": 4222}}


def part(name: str, port: int, egress: list[tuple[str, int]], internet: bool = False) -> dict[str, Any]:
    edges = [{"name": target, "object": target, "port": number} for target, number in egress]
    return {"name": name, "object": name, "port": port, "egress": edges, "internet": internet}


@pytest.fixture
def catalogue() -> dict[str, Any]:
    return {
        "parts": [part("web", 3000, [("brain", 3001)]), part("brain", 3001, [("postgres", 5432)], internet=True)],
        "stores": {name: {"object": name, "ports": ports, "replicas": 1} for name, ports in STORE_PORTS.items()},
    }


def filled(catalogue: dict[str, Any], seen: Any) -> Matrix:
    """A matrix after all probes saw what ``seen(source, door)`` says."""
    addresses = {name: f"10.0.0.{number}" for number, name in enumerate(("web", "brain", *STORE_PORTS))}
    columns = [
        *matrix.doors(catalogue, addresses),
        Door(matrix.METADATA, "169.254.169.254", 80),
        Door(matrix.INTERNET, "1.1.1.1", 443),
        Door(matrix.NAMES, "kubernetes.default.svc", 0),
        Door(matrix.LISTENER, "10.1.0.1", 8080),
    ]
    made = Matrix(matrix.Edges.read(catalogue), columns)
    for source in (*made.edges.sources, OUTSIDE):
        answers = [
            {"id": order["id"], "open": seen(source, columns[order["id"]]), "why": "timed out", "seconds": 0.1}
            for order in made.order(source)
        ]
        made.report(source, answers, "")
    made.conclude()
    return made


def as_wanted(catalogue: dict[str, Any]) -> Any:
    edges = matrix.Edges.read(catalogue)
    return lambda source, door: matrix.expected(source, door, edges)


def failures(made: Matrix) -> set[str]:
    return {check.name for check in matrix.judge(made) if check.outcome is Outcome.FAILED}


def test_edges_are_open_and_everything_else_is_closed(catalogue: dict[str, Any]) -> None:
    expected = as_wanted(catalogue)
    doors = {door.name: door for door in matrix.doors(catalogue, {})}
    assert expected("web", doors["brain"])
    assert not expected("brain", doors["web"])
    assert not expected("web", doors["postgres:5432"])
    assert expected("brain", doors["postgres:5432"])
    assert expected(matrix.ROLES_JOB, doors["postgres:5432"])
    assert not expected(STRANGER, doors["brain"])
    assert not expected(OUTSIDE, doors["brain"])


def test_only_parts_that_say_so_reach_the_internet_and_nobody_the_metadata(catalogue: dict[str, Any]) -> None:
    expected = as_wanted(catalogue)
    internet, metadata = Door(matrix.INTERNET, "1.1.1.1", 443), Door(matrix.METADATA, "169.254.169.254", 80)
    assert expected("brain", internet)
    assert not expected("web", internet)
    assert not any(expected(source, metadata) for source in ("web", "brain", STRANGER, "postgres"))


def test_members_of_a_store_talk_to_each_other_where_there_are_several(catalogue: dict[str, Any]) -> None:
    assert "qdrant:6335" not in {door.name for door in matrix.doors(catalogue, {})}
    catalogue["stores"]["qdrant"]["replicas"] = 3
    (door,) = [door for door in matrix.doors(catalogue, {}) if door.name == "qdrant:6335"]
    assert matrix.expected("qdrant", door, matrix.Edges.read(catalogue))
    assert not matrix.expected("web", door, matrix.Edges.read(catalogue))


def test_a_platform_as_wanted_has_no_finding(catalogue: dict[str, Any]) -> None:
    made = filled(catalogue, as_wanted(catalogue))
    assert not failures(made)
    assert not any("!" in line for line in matrix.table(made.cells)[:-1])


def test_one_open_door_and_one_closed_are_named(catalogue: dict[str, Any]) -> None:
    wanted = as_wanted(catalogue)
    turned = {("postgres", "web"), ("web", "brain")}
    made = filled(catalogue, lambda source, door: wanted(source, door) != ((source, door.name) in turned))
    assert failures(made) == {"postgres to web", "web to brain"}
    text = "\n".join(matrix.table(made.cells))
    assert text.count("OPEN!") == 2  # in the table and in its legend
    assert text.count("SHUT!") == 2


@pytest.mark.parametrize("shut", [set(), {("postgres", "web")}], ids=["all open", "all but one"])
def test_a_network_that_enforces_nothing_is_one_finding(catalogue: dict[str, Any], shut: set[tuple[str, str]]) -> None:
    made = filled(catalogue, lambda source, door: (source, door.name) not in shut)
    (finding,) = [check for check in matrix.judge(made) if check.outcome is Outcome.FAILED]
    assert "does not enforce" in finding.message
    assert "\n".join(matrix.table(made.cells)).count("OPEN!") > 20, "the table still shows each"


def test_one_open_door_of_many_is_a_missing_policy_on_a_network_that_enforces(catalogue: dict[str, Any]) -> None:
    wanted = as_wanted(catalogue)
    made = filled(catalogue, lambda source, door: wanted(source, door) or (source, door.name) == ("postgres", "web"))
    assert failures(made) == {"postgres to web"}
    assert "the network plugin enforces policies" in {check.name for check in matrix.judge(made)}


def test_an_address_that_answers_nobody_says_nothing(catalogue: dict[str, Any]) -> None:
    wanted, foreign = as_wanted(catalogue), {matrix.METADATA, matrix.INTERNET}
    made = filled(catalogue, lambda source, door: door.name not in foreign and wanted(source, door))
    skipped = {check.name for check in matrix.judge(made) if check.outcome is Outcome.SKIPPED}
    assert {"brain to internet", "web to metadata"} <= skipped
    assert not failures(made)


def test_a_part_without_a_ready_pod_and_a_probe_that_did_not_report_are_not_told(catalogue: dict[str, Any]) -> None:
    made = Matrix(matrix.Edges.read(catalogue), matrix.doors(catalogue, {"web": "10.0.0.1"}))
    assert {order["host"] for order in made.order("brain")} == {"10.0.0.1"}
    made.report("brain", None, "its pod cannot start")
    assert {cell.mark for cell in made.cells} == {"?"}


@pytest.mark.parametrize("source", [OUTSIDE, STRANGER, "brain"])
def test_a_probe_that_did_not_report_is_a_failure(catalogue: dict[str, Any], source: str) -> None:
    made = filled(catalogue, as_wanted(catalogue))
    made.cells = [cell for cell in made.cells if cell.source != source]
    made.report(source, None, "its pod cannot start: ImagePullBackOff")
    made.conclude()
    (finding,) = [check for check in matrix.judge(made) if check.outcome is Outcome.FAILED]
    assert (finding.name, finding.message) == (f"probe of {source}", "its pod cannot start: ImagePullBackOff")


def test_door_that_a_cidr_opens_to_pods_is_not_judged(catalogue: dict[str, Any]) -> None:
    by_name = {part["name"]: part for part in catalogue["parts"]}
    exposed = {**catalogue, "by_name": by_name, "exposed": {"api": "web"}}
    opened = Opened(ingress=("192.0.2.0/24", "10.0.0.0/8"))
    assert opened.covering(exposed, "203.0.113.1") == opened.covering(exposed, "") == {}
    covered = opened.covering(exposed, "10.1.0.1")
    assert covered == {("web", 3000): "netpol_ingress_cidrs has 10.0.0.0/8"}
    wanted = as_wanted(catalogue)
    made = filled(catalogue, lambda source, door: (source, door.name) == (OUTSIDE, "web") or wanted(source, door))
    assert failures(made) == {f"{OUTSIDE} to web"}
    made.covered = covered
    made.conclude()
    assert failures(made) == set()


def test_qdrant_clients_among_pods_are_not_judged() -> None:
    store = {"object": "qdrant", "ports": {"http": 6333, "grpc": 6334, "p2p": 6335}}
    covered = Opened(qdrant=("10.0.0.0/8",)).covering({"stores": {"qdrant": store}}, "10.1.0.1")
    assert set(covered) == {("qdrant", 6333), ("qdrant", 6334)}
