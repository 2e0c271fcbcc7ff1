"""Controller side of ``multi_agent.platform.doctor``."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, ClassVar

from ..module_utils.ansible.operation import Operation
from ..module_utils.engine.cluster import Cluster
from ..module_utils.engine.errors import EngineError
from ..module_utils.operations import copies, doctor
from ..module_utils.operations.screen import count


class ActionModule(Operation):
    """Finds what will hurt before it does."""

    NAMES_CLUSTER = True
    SPEC: ClassVar[dict[str, Any]] = {"fail_on_problems": {"type": "bool", "default": False}}

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Read, examine, print."""
        facts = doctor.Facts(
            environment=str(self.variables.get("platform_environment", "local")),
            minimum=str(self.variables.get("platform_server_version_minimum", "1.34")),
            credentials_secret=self.secret(),
            declared=self._declared(),
            references=self.references(),
            namespace=args["namespace"],
        )
        found = doctor.examine(doctor.read(cluster, args["namespace"], facts), datetime.now(UTC))
        problems = sum(finding.level == doctor.PROBLEM for finding in found)
        summary = f"{count(problems, 'problem')}, {count(len(found) - problems, 'piece', 'pieces')} of advice"
        self.say([f"{self.here}, {facts.version}: {summary}", *doctor.screen(found)])
        failed = bool(problems) and args["fail_on_problems"]
        return {"changed": False, "failed": failed, "msg": summary, "findings": [asdict(finding) for finding in found]}

    def _declared(self) -> copies.Declared:
        """Copies that the inventory asks for; one each where it cannot be read, which is said."""
        try:
            catalogue = self.variables.get("__platform_catalogue")
        except EngineError as error:
            self.warn(f"The copies that the stores keep are not looked at. {error.message}")
            return copies.Declared()
        return copies.Declared.of(catalogue) if catalogue else copies.Declared()
