"""One run over one cluster: the tiers of a task, one after the other, from their templates to a ready platform."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from ..engine import snapshot
from ..engine import tier as tiers
from ..engine.applyset import ApplySet
from ..engine.cluster import Cluster
from ..engine.credentials import Credentials
from ..engine.errors import EngineError
from ..engine.kinds import BUILT_IN
from ..engine.manifests import Identity, identity
from ..engine.snapshot import Snapshot
from ..operations import releases
from ..operations.execute import executor
from .progress import Progress
from .roles import Source
from .variables import Variables

display = Display()

# How long what was seen of a tier counts before it is looked at again.
_SEEN_SECONDS = 10.0


@dataclass
class Run:
    """``sources``: the tiers in their order. ``make_credentials(cluster, mirror)`` makes what reads them; without a
    cluster it gives their names for values. ``elsewhere(names)`` gives what the collection's other tiers declare.
    """

    sources: list[Source]
    namespace: str
    cluster: Cluster
    options: tiers.Options
    variables: Variables
    make_credentials: Callable[[Cluster | None, Credentials | None], Credentials]
    elsewhere: Callable[[set[str]], set[Identity]]
    # Of every tier nothing is left.
    absent: bool = False
    # Called with what was done to a tier, also where it failed: {tier, outcome, changed, seconds, ...}.
    note: Callable[[dict[str, Any]], None] = lambda _entry: None
    credentials: Credentials = field(init=False)
    _loaded: dict[str, tiers.Manifests] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.credentials = self.make_credentials(self.cluster, None)

    def apply(self) -> dict[str, tiers.Result]:
        """Tier -> what was done. All are rendered and looked at before the first is written.

        Raises EngineError; what was applied by then stays.
        """
        with snapshot.Look(self.cluster, self.namespace, map(self._set, self.sources)) as look:
            self._load(self.sources)
            seen, since = look.end(self._desired(self.sources)), time.monotonic()
        results = {}
        for number, source in enumerate(self.sources, start=1):
            before = seen[self._set(source)]
            result = results[source.tier] = self._apply(source, before)
            left = self.sources[number:]
            if self._wrote_credentials(result):
                # Another run may have written its own meanwhile: what is there now counts.
                self.credentials = self.make_credentials(self.cluster, None)
                self._load(left)
            # What another run writes meanwhile is found with the Lease held, so that a look lasts for some tiers.
            old = time.monotonic() - since > _SEEN_SECONDS or not before.namespace_exists
            if left and old and not self.options.check:
                seen, since = snapshot.take(self.cluster, self.namespace, self._desired(left)), time.monotonic()
        return results

    def _load(self, sources: list[Source]) -> None:
        for source in sources:
            self._loaded[source.tier] = source.load(self.credentials.functions, self.namespace, self.cluster)
        declared = {key for loaded in self._loaded.values() for key in loaded.sources}
        self.credentials.check_kept(declared)

    def _set(self, source: Source) -> ApplySet:
        return ApplySet(source.tier, self.namespace)

    def _desired(self, sources: list[Source]) -> dict[ApplySet, list[tiers.Object]]:
        return {self._set(source): self._loaded[source.tier].objects for source in sources}

    def _apply(self, source: Source, seen: Snapshot) -> tiers.Result:
        began = time.monotonic()
        play = self.variables.get("ansible_play_batch", ())
        progress = Progress(source.tier, self.options.check, alone=len(play) == 1)
        failure: EngineError | None = None
        try:
            result = tiers.apply_tier(
                self.cluster,
                self._set(source),
                self._loaded[source.tier],
                self.options,
                progress.listener(),
                set if self.absent else lambda: self._others(source.tier),
                seen,
                executor(self.cluster),
                self.credentials.check_not_made_elsewhere,
            )
        except EngineError as error:
            failure = error
            raise
        finally:
            progress.stops()
            if progress.changes and not self.options.check:
                with self.cluster.interruption.shielded():
                    message = self.credentials.redact(failure.message) if failure else ""
                    self._record(source, progress.change(message))
            if failure:
                self._note_failure(source, progress, began, failure)
        for obj, reason in result.kept:
            progress.kept(obj, reason)
        progress.ends(result.counts() | {"replaced": len(result.replaced)})
        done = {"changed": result.changed, "objects": result.objects(), "counts": result.counts()}
        done["replaced_pods"] = result.replaced_pods()
        self.note({"tier": source.tier, "outcome": "ok", **done, "seconds": _total(began, result.seconds)})
        return result

    def _note_failure(self, source: Source, progress: Progress, began: float, failure: EngineError) -> None:
        entry = {
            "tier": source.tier,
            "outcome": "stopped" if self.cluster.interruption.reason else "failed",
            "changed": bool(progress.changes),
            "message": self.credentials.redact(str(failure)),
            "changes": progress.changes,
            "seconds": _total(began, {}),
        }
        try:
            self.note(entry)
        except EngineError as error:
            display.warning(str(error))

    def _others(self, tier: str) -> set[Identity]:
        """What other tiers declare: an object that moved to one of them is not to be deleted."""
        here = {key for name, loaded in self._loaded.items() if name != tier for key in loaded.sources}
        return here | self.elsewhere(set(self._loaded))

    def _wrote_credentials(self, result: tiers.Result) -> bool:
        return not self.options.check and any(
            outcome.changed and self.credentials.lives_in(identity(outcome.desired)) for outcome in result.outcomes
        )

    def _record(self, source: Source, change: releases.Change) -> None:
        """Record what this run changed as a part of its release, failed or not. No failure of its own."""
        from .release import context  # noqa: PLC0415 - a run without a change pays nothing

        loaded = self._loaded[source.tier]
        variables = self.variables
        host = str(variables.get("inventory_hostname", ""))
        try:
            # Only what makes Secrets is rendered once more, with names for values.
            secret = {loaded.sources[identity(obj)] for obj in loaded.objects if obj["kind"] == "Secret"}
            names = sorted(secret - {"definition"})
            by_name = self.make_credentials(None, self.credentials)
            again = replace(source, names=names, definition=[])
            references = again.load(by_name.functions, self.namespace, self.cluster).objects
            ours = {key for key, origin in loaded.sources.items() if origin != "definition"} if source.ours else set()
            objects = releases.by_reference(loaded.objects, references, lambda obj: identity(obj) in ours)
            note = "teardown" if self.absent else ""
            about = functools.partial(context, variables, self.cluster, host, note)
            releases.record(self.cluster, self.namespace, source.tier, objects, change, about)
        except EngineError as error:
            if not self._gone():
                display.warning(f"The release could not be recorded: {error.message}")

    def _gone(self) -> bool:
        """Whether the namespace went with this run: then there is nowhere to record anything."""
        live = self.cluster.find(BUILT_IN["v1", "Namespace"], None, self.namespace)
        return live is None or bool(live["metadata"].get("deletionTimestamp"))


def _total(began: float, steps: Mapping[str, float]) -> dict[str, float]:
    return {**steps, "total": round(time.monotonic() - began, 3)}


def write(sources: list[Source], credentials: Credentials, namespace: str, folder: Path) -> list[Path]:
    """Write manifests to files instead of contacting a cluster; the files whose content changed."""
    return [
        file
        for source in sources
        for file in tiers.write(source.load(credentials.functions, namespace, None), folder, source.tier)
    ]
