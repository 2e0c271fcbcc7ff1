"""Controller side of ``multi_agent.platform.plan``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from ..module_utils.ansible import roles, tags
from ..module_utils.ansible.failure import Failure
from ..module_utils.ansible.operation import Operation
from ..module_utils.ansible.variables import Variables
from ..module_utils.engine import snapshot
from ..module_utils.engine import tier as tiers
from ..module_utils.engine.applyset import ApplySet
from ..module_utils.engine.cluster import Cluster
from ..module_utils.engine.credentials import Credentials, Source
from ..module_utils.engine.errors import EngineError
from ..module_utils.engine.prune import Policy
from ..module_utils.operations import cluster_view, report
from ..module_utils.operations.plan import Plan

# As in apply, a variable that is left empty means the default.
_SAYS = {
    "force_conflicts": "platform_force_conflicts",
    "prune": "platform_prune",
    "prune_data": "platform_prune_data",
    "prune_keep": "platform_prune_keep",
    "prune_most": "platform_prune_most",
}


def how(variables: Variables, namespace: str) -> tiers.Options:
    """What a run would do by the inventory, as a dry run."""
    said: dict[str, Any] = {}
    variables.fill(said, _SAYS)
    return tiers.Options(
        check=True,
        show_before=True,
        force_conflicts=bool(said.get("force_conflicts", False)),
        prune=bool(said.get("prune", True)),
        policy=Policy(
            frozenset(said.get("prune_data", [])),
            most=bool(said.get("prune_most", False)),
            namespace=namespace,
            keep=frozenset(said.get("prune_keep", [])),
        ),
    )


class ActionModule(Operation):
    """Says what a run would change, tier by tier, all tiers at once."""

    SPEC: ClassVar[dict[str, Any]] = {
        "tiers": {"type": "list", "elements": "str", "required": True},
        "json_file": {"type": "list", "elements": "path", "default": []},
        "markdown_file": {"type": "path"},
        "fail_on_changes": {"type": "bool", "default": False},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Render every tier, ask the server by dry run, print and write the plan."""
        namespace = args["namespace"]
        folders = roles.tier_roles()
        variables = roles.with_defaults(self._templar, self._loader, folders)
        credentials = Credentials(self._source, self.variables.given, cluster, namespace, check=True, writes=True)
        try:
            chosen = tags.chosen(args["tiers"], self.variables.get)
            if not chosen:
                tiers_there = ", ".join(args["tiers"])
                raise EngineError("No tier is left by --tags and --skip-tags.", f"There are {tiers_there}.")
            sets = {name: ApplySet(name, namespace) for name in chosen}
            with snapshot.Look(cluster, namespace, sets.values()) as look:
                # Every tier is rendered, chosen or not: what moved to another tier is not to be pruned.
                loaded = {
                    role.name: roles.Source.of(role, variables).load(credentials.functions, namespace, cluster)
                    for role in folders
                }
                seen = look.end({sets[name]: loaded[name].objects for name in chosen})
            options = how(self.variables, namespace)

            def job(name: str) -> Callable[[], tiers.Result]:
                others = {key for other, found in loaded.items() if other != name for key in found.sources}
                return partial(
                    tiers.apply_tier,
                    cluster,
                    sets[name],
                    loaded[name],
                    options,
                    tiers.Listener(),
                    lambda: others,
                    seen[sets[name]],
                )

            results = cluster_view.at_once({name: job(name) for name in chosen})
        except EngineError as error:
            raise Failure(credentials.redact(str(error))) from None
        plan = Plan(self.host, cluster.connection.server, namespace, results)
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

    def _source(self) -> Source:
        return Source.of(self.variables.resolve("__platform_credentials"))
