"""One verification of one live platform, from the first question to the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..engine.cluster import Cluster
from ..engine.kinds import BUILT_IN
from . import edge, matrix, presence, report, workloads
from .checks import Check, Outcome, failed, passed, skipped
from .cidrs import Opened
from .matrix import LISTENER, LISTENER_PORT, OUTSIDE, STRANGER, Door, Matrix
from .probes import Image, Probe, Probes

Object = dict[str, Any]
START_SECONDS = 60.0
REPORT_SECONDS = 130.0
POLL = 3.0


@dataclass(frozen=True)
class Target:
    """What is verified and how, as the inventory says it."""

    catalogue: Mapping[str, Any]
    namespace: str
    hosts: Mapping[str, str]
    image: Image
    outside_namespace: str
    metadata_address: str
    internet_address: str
    route: edge.Route
    patience: float
    opened: Opened = field(default_factory=Opened)


@dataclass
class Result:
    """Every check in the order of the report, and the lines of the matrix."""

    checks: list[Check] = field(default_factory=list)
    matrix: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failures(self) -> list[Check]:
        return [check for check in self.checks if check.outcome is Outcome.FAILED]

    def table(self) -> list[str]:
        return report.table(self.checks, self.matrix, matrix.GROUP)


def verify(cluster: Cluster, target: Target, say: Callable[[str], None]) -> Result:
    """Ask everything. Probes are removed on every way out of here."""
    begin, result = time.monotonic(), Result()
    with Probes(cluster, target.image) as probes:
        asked = _Asked(cluster, target, probes)
        say("probe pods try every door of the platform")
        asked.run()
        result.matrix = matrix.table(asked.matrix.cells)
        probed = [*asked.stores(), *matrix.judge(asked.matrix), asked.round_trip()]
    say("workloads, volumes, disruption budgets, autoscalers and edge are looked at")
    there = presence.check(cluster, target.namespace)
    result.checks = [*there, *_settled(cluster, target), *probed, *_edge(cluster, target)]
    result.seconds = time.monotonic() - begin
    return result


def _settled(cluster: Cluster, target: Target) -> list[Check]:
    """Looked at again while something is not as it must be: metrics of new pods take a minute to arrive."""
    wanted, deadline = workloads.wanted(target.catalogue), time.monotonic() + target.patience
    while True:
        checks = workloads.check(workloads.Live.read(cluster, target.namespace), wanted)
        if time.monotonic() > deadline or not any(check.outcome is Outcome.FAILED for check in checks):
            return checks
        time.sleep(POLL)


def _edge(cluster: Cluster, target: Target) -> list[Check]:
    by_name, hosts = target.catalogue["by_name"], []
    for exposed, part in sorted(target.catalogue["exposed"].items()):
        # What a load balancer would ask; the frontend is asked for what people see.
        path = "/" if exposed == "frontend" else by_name[part]["probes"]["readiness"]
        hosts.append(edge.Host(target.hosts[exposed], exposed, path))
    return edge.check(cluster, target.namespace, hosts, target.route)


class _Asked:
    """What the probe pods were asked and what they said."""

    def __init__(self, cluster: Cluster, target: Target, probes: Probes) -> None:
        self._cluster, self._target, self._probes = cluster, target, probes
        self._inside: list[Probe] = []
        self.matrix = Matrix(matrix.Edges.read(target.catalogue), self._columns())

    def run(self) -> None:
        """Start the pod outside first, as the others knock at its door too; then all others at once."""
        outside = Probe(
            OUTSIDE,
            self._target.outside_namespace,
            "",
            {"doors": self.matrix.order(OUTSIDE), "listen": LISTENER_PORT},
        )
        self._probes.start([outside])
        self._probes.addresses([outside], START_SECONDS)
        self.matrix.columns.append(Door(LISTENER, outside.address or None, LISTENER_PORT))
        self.matrix.covered = self._target.opened.covering(self._target.catalogue, outside.address)
        self._inside = [self._probe(source) for source in self.matrix.edges.sources]
        self._probes.start(self._inside)
        self._probes.results(REPORT_SECONDS)
        for probe in [*self._inside, outside]:
            self.matrix.report(probe.source, (probe.seen or {}).get("doors"), probe.trouble)
        self.matrix.conclude()

    def _columns(self) -> list[Door]:
        catalogue, target = self._target.catalogue, self._target
        return [
            *matrix.doors(catalogue, self._addresses()),
            _foreign(matrix.METADATA, target.metadata_address),
            _foreign(matrix.INTERNET, target.internet_address),
            Door(matrix.NAMES, "kubernetes.default.svc", 0),
        ]

    def _addresses(self) -> dict[str, str]:
        """The address of one ready pod of each object."""
        found: dict[str, str] = {}
        for pod in self._cluster.list(BUILT_IN["v1", "Pod"], self._target.namespace, labels="app")[0]:
            conditions = (pod.get("status") or {}).get("conditions") or []
            ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
            if ready and not pod["metadata"].get("deletionTimestamp"):
                found.setdefault(pod["metadata"]["labels"]["app"], pod["status"]["podIP"])
        return found

    def _probe(self, source: str) -> Probe:
        order: dict[str, Any] = {"doors": self.matrix.order(source)}
        probe = Probe(source, self._target.namespace, "" if source == STRANGER else source, order)
        part = next((part for part in self._target.catalogue["parts"] if part["object"] == source), None)
        if part is None:
            return probe
        if part["uses"]:
            order["stores"] = list(part["uses"])
            probe.secret, probe.config_map = f"{source}-credentials", "platform-config"
        gateway = self._gateway()
        if gateway and source == self._caller():
            order["roundtrip"] = f"http://{gateway['object']}.{self._target.namespace}.svc:{gateway['port']}"
        return probe

    def _gateway(self) -> Mapping[str, Any] | None:
        name = self._target.catalogue["exposed"].get("api")
        return self._target.catalogue["by_name"][name] if name else None

    def _caller(self) -> str:
        """The object of one part that may call the gateway."""
        gateway = self._gateway()
        callers = gateway["called_by"] if gateway else []
        return self._target.catalogue["by_name"][callers[0]]["object"] if callers else ""

    def stores(self) -> list[Check]:
        """A line for each store and part that uses it, asked with the part's own credentials."""
        checks = []
        for probe in self._inside:
            answers = {answer["store"]: answer for answer in (probe.seen or {}).get("stores", ())}
            for store in probe.order.get("stores", ()):
                name, answer = f"{store} to {probe.source}", answers.get(store)
                if answer is None:
                    checks.append(failed("stores", name, f"could not be asked: {probe.trouble}"))
                elif answer["why"]:
                    checks.append(failed("stores", name, answer["why"], answer["seconds"]))
                else:
                    checks.append(passed("stores", name, answer["detail"], answer["seconds"]))
        return sorted(checks, key=lambda check: check.name)

    def round_trip(self) -> Check:
        group, name = "round trip", "POST /run at the gateway"
        probe = next((probe for probe in self._inside if "roundtrip" in probe.order), None)
        if probe is None:
            return skipped(group, name, "no part of the catalogue may call the part that is exposed as api")
        trip = (probe.seen or {}).get("roundtrip")
        if trip is None:
            return failed(group, name, f"could not be asked: {probe.trouble}")
        if "skipped" in trip:
            return skipped(group, name, trip["skipped"])
        if trip["why"]:
            return failed(group, name, trip["why"])
        return passed(group, name, trip["detail"], trip["seconds"])


def _foreign(name: str, address: str) -> Door:
    host, _, port = address.rpartition(":")
    return Door(name, host or None, int(port or 0))
