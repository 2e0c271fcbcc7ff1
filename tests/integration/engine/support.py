"""The engine without Ansible, against the test's cluster, with every request on record."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.multi_agent.platform.plugins.module_utils.engine import tier
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.applyset import ApplySet
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.cluster import Cluster, connect
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.manifests import Identity, describe
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.render import Renderer
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.retry import PATIENCE_SECONDS
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.snapshot import Snapshot
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import leftovers
from ansible_collections.multi_agent.platform.plugins.module_utils.operations.plan import Plan

Object = dict[str, Any]
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass
class Run:
    """What one run did: its result, the requests that it sent (method, path), and what it said besides."""

    result: tier.Result
    requests: list[tuple[str, str]]
    said: list[str]
    # Of a run in check mode: what other managers left.
    left: list[leftovers.Leftover] = field(default_factory=list)

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [request for request in self.requests if request[0] in WRITES]

    @property
    def actions(self) -> dict[str, str]:
        """``Kind name`` -> created, configured or unchanged."""
        return {describe(outcome.desired): outcome.action for outcome in self.result.outcomes}

    @property
    def plan(self) -> list[str]:
        """What the command plan prints of it, without its first line and its last."""
        return [line.strip() for line in self.full_plan.text()[1:-1] if line]

    @property
    def full_plan(self) -> Plan:
        """It as the command plan has it."""
        return Plan("c", "https://c.example.test", "ns", {"test": self.result}, {"test": self.left})


@dataclass
class Engine:
    """One tier of one namespace; each call of ``apply`` is a run of its own, as a new process would make it."""

    kubeconfig: Path
    namespace: str
    tier: str = "test"
    patience: float = PATIENCE_SECONDS
    options: dict[str, Any] = field(default_factory=dict)

    def connect(self) -> Cluster:
        return connect({"kubeconfig": str(self.kubeconfig), **self.options}, patience=self.patience)

    def apply(
        self,
        objects: Iterable[Object],
        elsewhere: Iterable[Identity] = (),
        seen: Snapshot | None = None,
        locked: Callable[[], None] = lambda: None,
        **how: Any,
    ) -> Run:
        """Apply ``objects`` as the action would. ``elsewhere``: what other tiers declare. ``how``: ``tier.Options``."""
        cluster = self.connect()
        requests = record(cluster)
        try:
            loaded = tier.load(
                Renderer([], {}, {}),
                [],
                lambda name: None,
                lambda name: False,
                copy.deepcopy(list(objects)),
                self.namespace,
                tier.namespaced_by(cluster),
            )
            applyset, options = ApplySet(self.tier, self.namespace), tier.Options(**how)
            others = set(elsewhere)
            said: list[str] = []
            result = tier.apply_tier(
                cluster, applyset, loaded, options, tier.Listener(say=said.append), lambda: others, seen, locked=locked
            )
            sent = requests.copy()
            left = leftovers.find(cluster, result.outcomes) if options.check else []
            return Run(result, sent, said, left)
        finally:
            cluster.close()


def record(cluster: Cluster) -> list[tuple[str, str]]:
    """The (growing) list of requests that ``cluster`` sends from now on."""
    requests: list[tuple[str, str]] = []
    send = cluster.transport.request

    def recorded(method: str, path: str, *args: Any, **kwargs: Any) -> Any:
        requests.append((method, path))
        return send(method, path, *args, **kwargs)

    cluster.transport.request = recorded  # type: ignore[method-assign]
    return requests
