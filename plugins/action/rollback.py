"""Controller side of ``multi_agent.platform.rollback``."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from ..module_utils.ansible.operation import Operation
from ..module_utils.ansible.progress import Progress
from ..module_utils.ansible.release import context
from ..module_utils.ansible.variables import ROLES
from ..module_utils.engine import tier as tiers
from ..module_utils.engine.cluster import Cluster
from ..module_utils.engine.errors import EngineError
from ..module_utils.engine.prune import Policy
from ..module_utils.operations import drift, releases, rollback
from ..module_utils.operations.screen import age

# The inventory of make without ENV.
_DEFAULT_ENV = "local"


class ActionModule(Operation):
    """Brings an earlier release back, tier by tier, and records that."""

    NAMES_CLUSTER = True
    ENDS_IN_ORDER = True
    WRITES = True
    SPEC: ClassVar[dict[str, Any]] = {
        "to": {"type": "int"},
        "tiers": {"type": "list", "elements": "str", "default": []},
        "data_tiers": {"type": "list", "elements": "str", "default": []},
        "prove": {"type": "bool", "default": True},
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int", "default": 600},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Prepare everything before anything is written; then apply what the release says."""
        namespace, check = args["namespace"], self._task.check_mode
        every = releases.load(cluster, namespace)
        release = rollback.target(every, args["to"], args["tiers"])
        chosen = rollback.choose(release, args["tiers"], args["data_tiers"])
        credentials = rollback.Credentials(drift.credentials(cluster, namespace, self.secret()), self.secret())
        prepared = rollback.prepare(cluster, namespace, every[-1], release, chosen, credentials)
        if not args["tiers"]:
            self._refuse_data_alone(every[-1], prepared)
        self._announce(every, prepared, args)
        counts: dict[str, int] = {}
        changed = False
        for tier in prepared.tiers:
            result = self._tier(cluster, namespace, prepared, tier, args)
            changed |= result.changed
            for action, number in result.counts().items():
                counts[action] = counts.get(action, 0) + number
        would = "would be" if check else "is"
        what = f"Release {release.number}" + (f" of {', '.join(prepared.tiers)}" if args["tiers"] else "")
        if changed:
            self.say(
                f"{what} {would} back. The inventory still says what came after it: the next run of "
                f"site.yml brings that again, unless you go back to revision {release.body['revision'] or '(unknown)'}."
            )
        else:
            self.say(f"The cluster is as release {release.number} left it already; nothing was changed.")
        left_out = list(prepared.left_out)
        return {"changed": changed, "release": release.number, "counts": counts, "left_out": left_out}

    def _tier(
        self, cluster: Cluster, namespace: str, prepared: rollback.Rollback, tier: str, args: dict[str, Any]
    ) -> tiers.Result:
        """Bring one tier back and record it, failed or not. Raises EngineError."""
        progress = Progress(tier, self._task.check_mode)
        failure = ""
        try:
            return rollback.apply(cluster, namespace, prepared, tier, self._options(args), progress.listener())
        except EngineError as error:
            failure = error.message
            raise
        finally:
            if progress.changes and not self._task.check_mode:
                with cluster.interruption.shielded():
                    note = f"rollback to {prepared.release.number}"
                    about = partial(context, self.variables, cluster, self.host, note)
                    failure = failure and self.redact(cluster, namespace, failure)
                    change = releases.Change(progress.changes, failure)
                    releases.record(cluster, namespace, tier, prepared.stored[tier], change, about)

    def _refuse_data_alone(self, last: releases.Release, prepared: rollback.Rollback) -> None:
        """Raises EngineError if all that differs are tiers with data that are not named."""
        release = prepared.release
        same = all(release.tiers[tier] == last.tiers.get(tier) for tier in prepared.tiers)
        if prepared.left_out and same:
            raise EngineError(
                f"Release {last.number}{', which failed,' if last.failed else ''} differs from release "
                f"{release.number} only in tiers that hold data, which stay as they are unless they are named: "
                f"{_objects(prepared.left_out)}. Nothing was changed.",
                self._way_back(prepared),
            )

    def _way_back(self, prepared: rollback.Rollback) -> str:
        """How the tiers that were left out are brought back, as commands; claims and volumes stay in any case."""
        number, names = prepared.release.number, ",".join(prepared.left_out)
        folder = Path(str(self.variables.get("inventory_dir") or ""))
        several = len(self.variables.get("ansible_play_hosts_all") or ()) > 1
        env = "" if folder.name == _DEFAULT_ENV else f"ENV={folder.name} "
        limit = f" ARGS='--limit {self.host}'" if several else ""
        make = f"`make rollback {env}TO={number} TIERS={names}{limit}`"
        ours = folder.parent.resolve() == (ROLES.parent / "inventories").resolve()
        source = folder if ours else Path(str(self.variables.get("inventory_file") or folder))
        inventory = os.path.relpath(source) if source.is_relative_to(Path.cwd()) else str(source)
        playbook = (
            f"`ansible-playbook playbooks/rollback.yml -i {inventory} -e rollback_to={number} "
            f"-e rollback_tiers={names}{f' --limit {self.host}' if several else ''}`"
        )
        ways = f"{make}, or {playbook}" if ours else playbook
        return f"To bring them back: {ways}. Volumes and claims stay; an older store must be able to read its data."

    def _announce(self, every: list[releases.Release], prepared: rollback.Rollback, args: dict[str, Any]) -> None:
        last, body = every[-1], prepared.release.body
        self.say(
            f"{self.here}: from release {last.number}{' (FAILED)' if last.failed else ''} to "
            f"{prepared.release.number}, made {age(body['time'])} ago by {body['by']}"
        )
        migrated = rollback.migrated(every, prepared.release.number)
        for line in migrated:
            self.warn(line)
        if not migrated:
            self.say("No migration ran since. A schema that parts change by themselves is not changed back.")
        if args["data_tiers"]:
            self.warn(
                "rollback_data_tiers will be removed; name all tiers that come back in rollback_tiers (TIERS=...)."
            )
        if prepared.left_out and not args["tiers"]:
            self.warn(
                f"Tiers that hold data stay as they are: {_objects(prepared.left_out)}. {self._way_back(prepared)}"
            )
        if prepared.release.failed:
            self.warn(f"Release {prepared.release.number} failed when it was made.")
        for line in [*prepared.kept, *prepared.lacking]:
            self.warn(line)

    def _options(self, args: dict[str, Any]) -> tiers.Options:
        return tiers.Options(
            check=self._task.check_mode,
            wait_seconds=args["wait_timeout"] if args["wait"] else 0,
            lock_seconds=60,
            prove=args["prove"],
            prune=True,
            policy=Policy(
                most=True,
                namespace=args["namespace"],
                keep=frozenset(self.variables.get("platform_prune_keep") or []),
            ),
        )


def _objects(tiers_left: dict[str, list[str]]) -> str:
    """``datastores (StatefulSet postgres), nats (ConfigMap nats-config)``."""
    return ", ".join(f"{tier} ({', '.join(objects)})" for tier, objects in tiers_left.items())
