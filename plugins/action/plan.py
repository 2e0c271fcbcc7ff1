"""Controller side of ``multi_agent.platform.plan``."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from ..module_utils.ansible import dry_run, wiring
from ..module_utils.ansible.operation import Operation
from ..module_utils.engine.cluster import Cluster
from ..module_utils.operations import cluster_view, identity, leftovers, report
from ..module_utils.operations.plan import Plan


class ActionModule(Operation):
    """Says what a run would change, tier by tier, all tiers at once."""

    NAMES_CLUSTER = True
    SPEC: ClassVar[dict[str, Any]] = {
        "tiers": {"type": "list", "elements": "str", "required": True},
        "json_file": {"type": "list", "elements": "path", "default": []},
        "markdown_file": {"type": "path"},
        "fail_on_changes": {"type": "bool", "default": False},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Render every tier, ask the server by dry run, print and write the plan."""
        namespace = args["namespace"]
        self._approve(cluster, args)
        results = dry_run.results(self, cluster, namespace, dry_run.chosen(self, args["tiers"]))
        left = cluster_view.at_once(
            {name: partial(leftovers.find, cluster, result.outcomes) for name, result in results.items()}
        )
        plan = Plan(self.host, cluster.connection.address, namespace, results, left)
        self.say(plan.text())
        for file in args["json_file"]:
            report.write(file, plan.data())
        if args["markdown_file"]:
            report.write(args["markdown_file"], plan.markdown())
        failed = plan.changed and args["fail_on_changes"]
        return {
            "changed": plan.changed,
            "failed": failed,
            "msg": f"A run would change the cluster: {plan.summary()}." if failed else plan.summary(),
            "plan": plan.data(),
        }

    def _approve(self, cluster: Cluster, args: dict[str, Any]) -> None:
        """Say that a run would be refused where the platform is another inventory's. Raises on the wrong cluster."""
        try:
            wiring.Check(cluster, args, self.variables).approve()
        except identity.ForeignPlatform as error:
            self.warn(f"a run will be refused. {error}")
