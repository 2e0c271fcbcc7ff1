"""Controller side of ``multi_agent.platform.rotate``."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, ClassVar

from ..module_utils.ansible import dry_run
from ..module_utils.ansible.operation import Operation
from ..module_utils.engine.cluster import Cluster
from ..module_utils.engine.credentials import PREVIOUS
from ..module_utils.engine.errors import EngineError
from ..module_utils.operations import pending, rotation
from ..module_utils.operations.cluster_view import DEPLOYMENT, POD, read

# How often pods are looked at, and what the kubelet may need beyond a pod's own grace.
POLL_SECONDS = 2.0
SLACK_SECONDS = 60.0
# Of what a part was given, at its pods (roles/platform/templates/part.j2).
CHECKSUM = "multi-agent.platform/credentials-checksum"


class ActionModule(Operation):
    """One step of a rotation; playbooks/rotate.yml has them all in their order."""

    NAMES_CLUSTER = True
    ENDS_IN_ORDER = True
    WRITES = True
    SPEC: ClassVar[dict[str, Any]] = {
        "what": {"type": "list", "elements": "str", "default": []},
        "step": {"type": "str", "required": True, "choices": ["prepare", "switch", "drain", "retire", "forget"]},
        "tiers": {"type": "list", "elements": "str", "default": []},
        "overlap": {"type": "int", "default": 0},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Do the step; nothing where it has been done."""
        namespace = args["namespace"]
        chosen = rotation.choose(args["what"], self._catalogue())
        self._refuse_foreign()
        self._refuse_tags()
        if args["step"] == "prepare":
            self.say(self.here)
        referred = {reference.credential: reference.secret for reference in self.references()}
        chosen, note = rotation.ours(chosen, referred)
        if note and args["step"] == "prepare":
            self.warn(note)
        live, version = rotation.read(cluster, namespace, self.secret())
        if args["step"] == "drain":
            return self._drain(cluster, namespace, chosen, live, args["overlap"])
        if args["step"] == "prepare":
            step = rotation.prepare(chosen, live, self.variables.given("platform_credentials"))
            if args["tiers"]:
                self._refuse_others(cluster, args, chosen, live)
        else:
            steps = {"switch": rotation.switch, "retire": rotation.retire, "forget": rotation.forget}
            step = steps[args["step"]](chosen, live)
        if step.data and not self._task.check_mode:
            rotation.write(cluster, namespace, self.secret(), step, version)
        if step.lines:
            self.say(f"  {line}{' (would be done)' if self._task.check_mode else ''}" for line in step.lines)
        return {"changed": bool(step.data), "credentials": [credential.name for credential in chosen]}

    def _refuse_foreign(self) -> None:
        if name := self.variables.resolve("platform_existing_secret"):
            raise EngineError(
                f"platform_existing_secret names {name}, which is yours and is only read. Nothing was changed.",
                f"{rotation.PAGE} says which keys to set in it, and when to run site.yml in between.",
            )

    def _refuse_tags(self) -> None:
        """A rotation that passes over a tier would take away values that its pods still use."""
        tags = [str(tag) for tag in self.variables.get("ansible_run_tags") or ()]
        if tags not in ([], ["all"]):
            raise EngineError(
                f"--tags {','.join(tags)}: a rotation concerns every tier that uses a credential. Nothing was changed.",
                "Leave out --tags; choose credentials by WHAT=nats with make, -e rotate=nats with ansible-playbook.",
            )

    def _refuse_others(
        self, cluster: Cluster, args: dict[str, Any], chosen: list[rotation.Credential], live: dict[str, str]
    ) -> None:
        """Raises EngineError if the inventory holds changes other than values that this rotation puts in force."""
        own = frozenset(credential.name for credential in chosen)
        earlier = rotation.before(live, self._catalogue())
        # A run that did not get to its end may have applied what the inventory gives, or not yet what the Secret holds.
        cases = [
            dry_run.Case(not_given=own),
            *([dry_run.Case()] if own & self.variables.given("platform_credentials").keys() else []),
            *([dry_run.Case(not_given=own, secret=earlier)] if earlier else []),
        ]
        names = dry_run.chosen(self, args["tiers"])
        found = pending.find(partial(dry_run.results, self, cluster, args["namespace"], names, case) for case in cases)
        pending.refuse(found, "`make rotate`")

    def _drain(
        self,
        cluster: Cluster,
        namespace: str,
        chosen: list[rotation.Credential],
        live: dict[str, str],
        overlap: int,
    ) -> dict[str, Any]:
        """Wait for the last pod that has the former values, also those that are finishing their work."""
        if self._task.check_mode or not any(f"{c.name}{PREVIOUS}" in live for c in chosen):
            return {"changed": False, "credentials": []}
        grace = max(part["termination_grace_period_seconds"] for part in self._catalogue()["parts"])
        deadline = time.monotonic() + grace + SLACK_SECONDS
        while leaving := _leaving(cluster, namespace):
            if time.monotonic() > deadline:
                raise EngineError(
                    f"Pods with the former values do not end: {', '.join(leaving)}. Both values are still accepted.",
                    "See why (kubectl describe pod), then rerun to continue.",
                )
            cluster.interruption.sleep(POLL_SECONDS)
        if overlap and any(credential.name == "jwt_secret" for credential in chosen):
            self.say(f"  jwt_secret: tokens signed with the former value are accepted for another {overlap} s")
            cluster.interruption.sleep(overlap)
        return {"changed": False, "credentials": []}

    def _catalogue(self) -> dict[str, Any]:
        found: dict[str, Any] = self.variables.resolve("__platform_catalogue")
        return found


def _leaving(cluster: Cluster, namespace: str) -> list[str]:
    """Names of pods that were made with other credentials than their Deployment has now, or are about to end."""
    found = read(cluster, namespace, (DEPLOYMENT, POD))
    current = {d["metadata"]["name"]: _checksum(d["spec"]["template"]) for d in found["Deployment"]}
    return [
        pod["metadata"]["name"]
        for pod in found["Pod"]
        if pod["metadata"].get("deletionTimestamp")
        or _checksum(pod) != current.get(pod["metadata"]["labels"].get("app", ""), _checksum(pod))
    ]


def _checksum(obj: dict[str, Any]) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(CHECKSUM, ""))
