"""Controller side of ``multi_agent.platform.restart``."""

from __future__ import annotations

from typing import Any, ClassVar

from ..module_utils.ansible.operation import Operation
from ..module_utils.ansible.progress import Progress
from ..module_utils.backup import jobs, quiet
from ..module_utils.engine import proof_pod
from ..module_utils.engine.cluster import Cluster
from ..module_utils.engine.manifests import describe
from ..module_utils.engine.proof import Change, Prover
from ..module_utils.operations import workloads
from ..module_utils.operations.cluster_view import named
from ..module_utils.operations.screen import count

Object = dict[str, Any]


class ActionModule(Operation):
    """Replaces the pods of a part one by one, and starts what a restore has stopped."""

    ENDS_IN_ORDER = True
    WRITES = True
    SPEC: ClassVar[dict[str, Any]] = {
        "part": {"type": "str"},
        "prove": {"type": "bool", "default": True},
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int", "default": 600},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Restart, and wait until the new pods are ready."""
        part = named(cluster, args["namespace"], args["part"])
        namespace, check = args["namespace"], self._task.check_mode
        chosen = workloads.chosen(cluster, namespace, part)
        stopped = [obj for obj in chosen if quiet.pods_before(obj)]
        suspended = part == "all" and quiet.suspended(cluster, namespace)
        if stopped or suspended:
            jobs.refuse_beside(cluster, namespace, "Nothing was started.")
        running = [obj for obj in chosen if workloads.restartable(obj)]
        left_out = workloads.left_out(obj for obj in chosen if not quiet.pods_before(obj))
        if left_out and not (running or stopped or suspended):
            raise left_out
        names = ", ".join(describe(obj) for obj in chosen)
        objects: list[Object] = []
        if stopped or suspended:
            self._say_what_starts(stopped, suspended)
            objects += [] if check else quiet.release(cluster, namespace, stopped)
        if running and args["prove"] and not check:
            self._prove(cluster, running, args["wait_timeout"])
        if running:
            objects += workloads.restart(cluster, namespace, running, check=check)
            self.say(f"{'Would restart' if check else 'Restarting'} {', '.join(describe(obj) for obj in running)}.")
        if args["wait"] and not check:
            progress = Progress("restart", check)
            workloads.wait(cluster, namespace, objects, args["wait_timeout"], progress.waits, progress.replaced)
            self.say("All pods are new and ready.")
        if left_out:
            raise left_out
        return {"changed": True, "objects": names}

    def _prove(self, cluster: Cluster, objects: list[Object], seconds: float) -> None:
        """What keeps data starts once more on a pod of its own, before a pod goes that may not come back."""
        waits = Progress("restart", check=False).waits
        for obj in filter(proof_pod.is_proven, objects):
            owner = f"restart-{obj['metadata']['name']}"
            Prover(cluster, owner, seconds, self.say, waits).prove([Change(obj, obj)])

    def _say_what_starts(self, stopped: list[Object], suspended: bool) -> None:
        would = "Would start" if self._task.check_mode else "Starting"
        what = [f"{describe(obj)} ({count(quiet.pods_before(obj), 'pod')})" for obj in stopped]
        what += ["the schedule of backups"] if suspended else []
        self.say(f"{would} what a restore stopped: {', '.join(what)}.")
