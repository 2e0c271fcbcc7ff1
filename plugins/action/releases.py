"""Controller side of ``multi_agent.platform.releases``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from ..module_utils.ansible.operation import Operation
from ..module_utils.engine.cluster import Cluster
from ..module_utils.operations import history, releases
from ..module_utils.operations.screen import count


class ActionModule(Operation):
    """Lists releases, shows one, or compares two."""

    NAMES_CLUSTER = True
    SPEC: ClassVar[dict[str, Any]] = {"show": {"type": "int"}, "diff": {"type": "list", "elements": "int"}}

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Read and print."""
        namespace, now = args["namespace"], datetime.now(UTC)
        every = releases.load(cluster, namespace)
        if args["diff"]:
            # One number: against the last release.
            old, new = (
                releases.one(every, number) for number in (args["diff"] + [every[-1].number if every else 0])[:2]
            )
            self.say([self.here, *history.compare(cluster, namespace, old, new)])
        elif args["show"] is not None:
            self.say([self.here, *history.details(releases.one(every, args["show"]), now)])
        elif every:
            self.say([f"{self.here}: {count(len(every), 'release')}", *history.listing(every, now)])
        else:
            self.say(f"{self.here}: no release is recorded yet; run site.yml.")
        return {"changed": False, "releases": [release.body for release in every]}
