"""Controller side of ``multi_agent.platform.verify``: from Ansible's task to the verification and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.ansible import signals
from ..module_utils.ansible.connection import CONNECTION_SPEC, say_where
from ..module_utils.ansible.failure import Failure
from ..module_utils.ansible.variables import SHARED_ROLE, Variables
from ..module_utils.engine.cluster import connect
from ..module_utils.engine.errors import EngineError
from ..module_utils.engine.render import plain
from ..module_utils.verify import edge
from ..module_utils.verify.cidrs import Opened
from ..module_utils.verify.probes import Image
from ..module_utils.verify.report import refuse_unwritable, summary, write_junit
from ..module_utils.verify.verification import Target, verify

SPEC: dict[str, Any] = {
    "catalogue": {"type": "dict", "required": True},
    "namespace": {"type": "str", "required": True},
    "hosts": {"type": "dict", "required": True},
    "image": {"type": "str", "required": True},
    "image_pull_policy": {"type": "str", "choices": ["Always", "IfNotPresent", "Never"], "default": "IfNotPresent"},
    "image_pull_secrets": {"type": "list", "elements": "str", "default": []},
    "outside_namespace": {"type": "str", "default": "default"},
    "metadata_address": {"type": "str", "default": "169.254.169.254:80"},
    "internet_address": {"type": "str", "default": "1.1.1.1:443"},
    "route_kind": {"type": "str", "choices": ["Ingress", "HTTPRoute"], "default": "Ingress"},
    "tls_secret": {"type": "str", "default": ""},
    "edge_addresses": {"type": "dict", "default": {}},
    "certificate_days": {"type": "int", "default": 14},
    "patience": {"type": "int", "default": 90},
    "junit": {"type": "path", "default": ""},
    "edge_cidrs": {"type": "list", "elements": "str", "default": []},
    "qdrant_clients": {"type": "list", "elements": "str", "default": []},
    **CONNECTION_SPEC,
}

display = Display()


class ActionModule(ActionBase):
    """Asks the live platform and reports; makes probe pods and removes them."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """See the module's documentation for options and return values."""
        super().run(tmp, task_vars)
        del tmp
        if self._task.check_mode:
            return {"skipped": True, "msg": "Probe pods are not made in check mode."}
        _, checked = self.validate_argument_spec(argument_spec=SPEC)  # type: ignore[no-untyped-call]
        args: dict[str, Any] = plain(checked)
        host = str((task_vars or {}).get("inventory_hostname", "platform"))
        junit = Path(args["junit"]) if args["junit"] else None
        try:
            if junit:
                refuse_unwritable(junit)
            say_where(args, Variables(self._templar, task_vars or {}, [SHARED_ROLE]).get)
            with signals.terminable():
                cluster = connect(args)
                try:
                    result = verify(cluster, _target(args), lambda text: display.display(f"  verify: {text}"))
                finally:
                    cluster.close()
            for line in result.table():
                display.display(f"  {line}".rstrip())
            if junit:
                write_junit(junit, host, result.checks, result.seconds)
        except EngineError as error:
            raise Failure(str(error)) from None
        text = summary(result.checks, result.seconds)
        answer: dict[str, Any] = {
            "changed": False,
            "msg": text,
            "checks": [
                {
                    "group": c.group,
                    "name": c.name,
                    "outcome": str(c.outcome),
                    "message": c.message,
                    "seconds": c.seconds,
                }
                for c in result.failures or result.checks  # Ansible prints all of a failed result
            ],
        }
        if result.failures:
            findings = "\n".join(f"{check.group}: {check.name}: {check.message}" for check in result.failures)
            answer |= {"failed": True, "msg": f"{text}\n{findings}"}
        return answer


def _target(args: dict[str, Any]) -> Target:
    return Target(
        catalogue=args["catalogue"],
        namespace=args["namespace"],
        hosts=args["hosts"],
        image=Image(args["image"], args["image_pull_policy"], tuple(args["image_pull_secrets"])),
        outside_namespace=args["outside_namespace"],
        metadata_address=args["metadata_address"],
        internet_address=args["internet_address"],
        route=edge.Route(args["route_kind"], args["tls_secret"], args["edge_addresses"], args["certificate_days"]),
        patience=args["patience"],
        opened=Opened(tuple(args["edge_cidrs"]), tuple(args["qdrant_clients"])),
    )
