"""Controller side of ``multi_agent.platform.drift``."""

from __future__ import annotations

from typing import Any, ClassVar

from ..module_utils.ansible.operation import Operation
from ..module_utils.engine.cluster import Cluster
from ..module_utils.engine.errors import EngineError
from ..module_utils.operations import declared, drift, releases, report, shortfalls
from ..module_utils.operations.screen import count


class ActionModule(Operation):
    """Shows what somebody changed since the last release, who and when."""

    NAMES_CLUSTER = True
    SPEC: ClassVar[dict[str, Any]] = {
        "json_file": {"type": "path"},
        "fail_on_drift": {"type": "bool", "default": False},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Compare the cluster with the manifests of the last release."""
        namespace = args["namespace"]
        every = releases.load(cluster, namespace)
        if not every:
            raise EngineError(
                f"No release is recorded in namespace {namespace}, so there is nothing to compare with.",
                "Run site.yml; `make plan` compares with the inventory instead.",
            )
        known = declared.of(cluster, namespace, every[-1])
        found = drift.compare(cluster, namespace, known, drift.credentials(cluster, namespace, self.secret()))
        head = f"{self.here}: drift since release {every[-1].number}: "
        lines = [line for drifted in found for line in drifted.lines()]
        verdict = f"{count(len(found), 'object')} changed. `make deploy` puts them back." if found else "none."
        hidden = shortfalls.hidden(known, namespace)
        self.say([head + verdict, *(f"  {line}" for line in lines), *shortfalls.not_looked_at(hidden)])
        data = {"cluster": self.host, "release": every[-1].number, "objects": [drifted.data() for drifted in found]}
        if args["json_file"]:
            report.write(args["json_file"], data)
        failed = bool(found) and args["fail_on_drift"]
        return {"changed": False, "failed": failed, "msg": head + verdict, "drift": data}
