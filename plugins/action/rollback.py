"""Controller side of ``multi_agent.platform.rollback``."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from ..module_utils.ansible.operation import Operation
from ..module_utils.ansible.progress import Progress
from ..module_utils.ansible.release import context
from ..module_utils.engine import tier as tiers
from ..module_utils.engine.cluster import Cluster
from ..module_utils.engine.errors import EngineError
from ..module_utils.engine.prune import Policy
from ..module_utils.operations import drift, releases, rollback
from ..module_utils.operations.screen import age


class ActionModule(Operation):
    """Brings an earlier release back, tier by tier, and records that."""

    ENDS_IN_ORDER = True
    SPEC: ClassVar[dict[str, Any]] = {
        "to": {"type": "int"},
        "data_tiers": {"type": "list", "elements": "str", "default": []},
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int", "default": 600},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Prepare everything before anything is written; then apply what the release says."""
        namespace, check = args["namespace"], self._task.check_mode
        every = releases.load(cluster, namespace)
        release = rollback.target(every, args["to"])
        credential = drift.credentials(cluster, namespace, self.secret())
        prepared = rollback.prepare(
            cluster, namespace, every[-1], release, args["data_tiers"], credential, self.secret()
        )
        self._announce(every, prepared)
        note = f"rollback to {release.number}"
        counts: dict[str, int] = {}
        changed = False
        for tier in prepared.tiers:
            progress = Progress(tier, check)
            failure = ""
            try:
                result = rollback.apply(cluster, namespace, prepared, tier, self._options(args), progress.listener())
            except EngineError as error:
                failure = error.message
                raise
            finally:
                if progress.changes and not check:
                    with cluster.interruption.shielded():
                        stored = rollback.without_migrations(releases.manifests(cluster, namespace, release, tier))
                        about = partial(context, self.variables, cluster, self.host, note)
                        failure = failure and self.redact(cluster, namespace, failure)
                        change = releases.Change(progress.changes, failure)
                        releases.record(cluster, namespace, tier, stored, change, about)
            changed |= result.changed
            for action, number in result.counts().items():
                counts[action] = counts.get(action, 0) + number
        would = "would be" if check else "is"
        if changed:
            self.say(
                f"Release {release.number} {would} back. The inventory still says what came after it: the next run of "
                f"site.yml brings that again, unless you go back to revision {release.body['revision'] or '(unknown)'}."
            )
        else:
            self.say(f"The cluster is as release {release.number} left it already; nothing was changed.")
        return {"changed": changed, "release": release.number, "counts": counts, "left_out": prepared.left_out}

    def _announce(self, every: list[releases.Release], prepared: rollback.Rollback) -> None:
        last, body = every[-1], prepared.release.body
        self.say(
            f"Cluster {self.host}: from release {last.number} to {prepared.release.number}, "
            f"made {age(body['time'])} ago by {body['by']}"
        )
        migrated = rollback.migrated(every, prepared.release.number)
        for line in migrated:
            self.warn(line)
        if not migrated:
            self.say("No migration ran since. A schema that parts change by themselves is not changed back.")
        for tier in prepared.left_out:
            self.warn(
                f"Tier {tier} holds data and stays as it is; name it in rollback_data_tiers to bring it back too."
            )
        if prepared.release.failed:
            self.warn(f"Release {prepared.release.number} failed when it was made.")
        for line in prepared.lacking:
            self.warn(line)

    def _options(self, args: dict[str, Any]) -> tiers.Options:
        return tiers.Options(
            check=self._task.check_mode,
            wait_seconds=args["wait_timeout"] if args["wait"] else 0,
            lock_seconds=60,
            prune=True,
            policy=Policy(
                most=True,
                namespace=args["namespace"],
                keep=frozenset(self.variables.get("platform_prune_keep") or []),
            ),
        )
