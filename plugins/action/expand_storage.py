"""Controller side of ``multi_agent.platform.expand_storage``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from ..module_utils.ansible import dry_run
from ..module_utils.ansible.operation import Operation
from ..module_utils.engine.cluster import Cluster
from ..module_utils.engine.tier import Result
from ..module_utils.operations import expansion, pending

# What says the sizes in the inventory (roles/platform/defaults/main.yml).
_OVERRIDES = "platform_stores_overrides"
# A run refuses larger volumes, so it cannot apply the other changes together with them.
_REMEDY = (
    "Set the former sizes again and apply them (`make deploy`), or take them back; then run `make expand-storage` "
    "with the new sizes."
)


class ActionModule(Operation):
    """Grows the claims of the stores, so that the tiers can replace their StatefulSets."""

    ENDS_IN_ORDER = True
    WRITES = True
    SPEC: ClassVar[dict[str, Any]] = {
        "sizes": {"type": "dict", "required": True},
        "tiers": {"type": "list", "elements": "str", "default": []},
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int", "default": 600},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Plan all, refuse what cannot be, then grow."""
        namespace, check = args["namespace"], self._task.check_mode
        sizes = {str(name): str(size) for name, size in args["sizes"].items()}
        growths = expansion.plan(cluster, namespace, sizes)
        if args["tiers"]:
            self._refuse_others(cluster, namespace, sizes, dry_run.chosen(self, args["tiers"]))
        lines = [line for growth in growths for line in growth.lines()]
        if lines:
            self.say(["Would do:", *(f"  {line}" for line in lines)] if check else (f"  {line}" for line in lines))
        else:
            self.say("Every volume has the size that the inventory asks for, or has been asked to grow to it.")
        if check:
            return {"changed": bool(lines), "actions": lines, "restart": []}
        for growth in growths:
            expansion.execute(cluster, namespace, growth)
        restart = expansion.wait(cluster, namespace, growths, args["wait_timeout"]) if args["wait"] else []
        if restart:
            self.warn(f"{', '.join(restart)}: the file system grows when the pod restarts (make restart S=...).")
        return {"changed": bool(lines), "actions": lines, "restart": restart}

    def _refuse_others(self, cluster: Cluster, namespace: str, sizes: dict[str, str], names: list[str]) -> None:
        """Raises EngineError if the inventory holds changes other than the sizes."""
        now = expansion.now(cluster, namespace, sizes)

        def cases() -> Iterator[Callable[[], Mapping[str, Result]]]:
            before = dry_run.Case(variables={_OVERRIDES: self._overrides(now.sizes)})
            yield partial(dry_run.results, self, cluster, namespace, names, before)
            # A part may have grown in a run that did not get to its end.
            yield partial(dry_run.results, self, cluster, namespace, names, dry_run.Case(grow_volumes=True))

        pending.refuse(now.others(pending.find(cases())), "`make expand-storage`", _REMEDY)

    def _overrides(self, sizes: Mapping[str, str]) -> dict[str, Any]:
        """What the inventory says of the stores, but for their sizes."""
        said = self.variables.resolve(_OVERRIDES) or {}
        result = {name: dict(store or {}) for name, store in said.items()}
        for name, size in sizes.items():
            store = result.setdefault(name, {})
            store["storage"] = {**(store.get("storage") or {}), "size": size}
        return result
