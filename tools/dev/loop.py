"""What the loop does, from the first look to the last change."""

import json
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import watchfiles
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.cluster import Cluster, connect
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.kinds import Kind
from ansible_collections.multi_agent.platform.plugins.module_utils.images.builder import Builder, Request
from ansible_collections.multi_agent.platform.plugins.module_utils.images.content import holds
from ansible_collections.multi_agent.platform.plugins.module_utils.images.sources import Build
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import forward, logs, pods
from ansible_collections.multi_agent.platform.plugins.module_utils.operations.cluster_view import list_if_allowed

from . import sync
from .playbooks import PlaybookFailed, Playbooks
from .screen import Screen

_NODE = Kind("v1", "Node", "nodes", False)
# How long an API server may be away before a look at the cluster fails: it is tried again anyway.
_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 1.0
# Changes that come together count as one: an editor writes a file in several steps.
_DEBOUNCE_MILLISECONDS, _STEP_MILLISECONDS = 400, 50
# Of the logs that there are when the loop begins.
_TAIL_LINES = 5


@dataclass
class Watched:
    """A build, whether it was deployed, and the files that were copied into pods since: new pods lack them."""

    build: Build
    copied: set[str] = field(default_factory=set)
    deployed: bool = True


class Loop:
    """One run of the loop, on one cluster."""

    def __init__(self, playbooks: Playbooks, screen: Screen) -> None:
        self._playbooks = playbooks
        self._screen = screen
        description = playbooks.describe()
        self._request = Request(**description["request"])
        self._namespace = str(description["namespace"])
        self._connection = description["connection"]
        self._forwards = [forward.Forward(**port) for port in description["ports"]]
        self._parts = {part["name"]: part for part in self._request.parts}
        self._watched = [Watched(build) for build in self._request.builds() if build.parts]
        self._lock = threading.Lock()
        self._last_line = ""
        # Pods, by uid, that have what was copied.
        self._filled: set[str] = set()

    def run(self) -> None:
        """Until interrupted. Raises EngineError or PlaybookFailed for what the loop cannot begin with."""
        say = self._screen.say
        taken = forward.listen(self._forwards, self._other_ports)
        cluster = connect(self._connection, _PATIENCE_SECONDS)
        self._refuse_fake(cluster)
        begin = time.monotonic()
        self._build(self._request)
        self._playbooks.site([])
        self._screen.know([*(part["object"] for part in self._request.parts), "postgres", "qdrant", "nats"])
        forward.serve(cluster, self._namespace, taken, self._once)
        for target in (self._follow, self._refill):
            threading.Thread(target=target, args=(cluster,), daemon=True).start()
        for port in self._forwards:
            say(f"{port.part}: {forward.ADDRESS}:{port.local}")
        folders = sorted({watched.build.context for watched in self._watched})
        say(f"Running after {time.monotonic() - begin:.1f} s. Watching {', '.join(map(str, folders))}; Ctrl-C ends it.")
        for changes in watchfiles.watch(*folders, debounce=_DEBOUNCE_MILLISECONDS, step=_STEP_MILLISECONDS):
            self._take_up(cluster, [Path(path) for _, path in changes], time.monotonic())

    def _other_ports(self, changed: forward.Forward) -> str:
        ports = {port.part: port.local for port in self._forwards} | {changed.part: changed.local}
        return f"make dev PORTS='{json.dumps(ports)}'"

    def _refuse_fake(self, cluster: Cluster) -> None:
        nodes = list_if_allowed(cluster, _NODE, None)
        # A node says what runs its pods, such as containerd://2.1.
        if nodes and all(node["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("kwok:") for node in nodes):
            raise EngineError(
                "The pods of this cluster are not real: nothing would run, answer or log.",
                "Use kind beside it: make dev CLUSTER_NAME=dev, or a cluster of yours: make dev ENV=dev.",
            )

    def _once(self, line: str) -> None:
        """A line that differs from the last of its kind: a page that asks again and again fails in the same words."""
        if line != self._last_line:
            self._last_line = line
            self._screen.say(line)

    # --- changes ------------------------------------------------------------------------------------------------------

    def _take_up(self, cluster: Cluster, paths: Iterable[Path], begin: float) -> None:
        every = list(paths)
        for watched in self._watched:
            if files := _of(watched.build, every):
                try:
                    self._bring(cluster, watched, files, begin)
                except PlaybookFailed:
                    self._screen.say(f"{watched.build.label}: not running. The next change is taken up.")
                except EngineError as error:
                    self._screen.say(f"{watched.build.label}: {error}\nThe next change is taken up.")

    def _bring(self, cluster: Cluster, watched: Watched, files: set[str], begin: float) -> None:
        """One part, or those that share its image, from changed files to running."""
        parts = [self._parts[name] for name in watched.build.parts]
        self._screen.say(f"{watched.build.label}: {_listed(files)} changed")
        copies = all(bool(part["sync"]) and sync.targets(files, part["sync"]["paths"]) is not None for part in parts)
        if watched.deployed and copies:
            with self._lock:
                watched.copied |= files
            try:
                count = sum(self._copy(cluster, watched, part, files) for part in parts)
                self._screen.say(
                    f"{watched.build.label}: in {count} pods after {time.monotonic() - begin:.1f} s, without a build"
                )
                return
            except EngineError as error:
                self._screen.say(f"{watched.build.label}: {error.message} Building instead.")
        times = self._build(replace(self._request, chosen=[part["name"] for part in parts]))
        if times is None and watched.deployed:
            self._screen.say(f"{watched.build.label}: the image is the same")
            return
        with self._lock:
            watched.copied.clear()
        # A playbook may fail before it applies anything: then the next change deploys, even if it builds nothing.
        watched.deployed = False
        deploying = time.monotonic()
        self._playbooks.site(sorted({part["tier"] for part in parts}), self._screen.say)
        watched.deployed = True
        now = time.monotonic()
        steps = {**(times or {}), "deploy": now - deploying}
        self._screen.say(
            f"{watched.build.label}: running after {now - begin:.1f} s "
            f"({', '.join(f'{step} {seconds:.1f}' for step, seconds in steps.items())})"
        )

    def _build(self, request: Request) -> dict[str, float] | None:
        """Seconds of its steps; None where nothing had to be done. Raises EngineError."""
        result = Builder(request, lambda line: self._screen.say(f"  {line}")).run()
        return result.seconds if result.changed else None

    # --- copies -------------------------------------------------------------------------------------------------------

    def _copy(self, cluster: Cluster, watched: Watched, part: Mapping[str, Any], files: set[str]) -> int:
        """Into how many pods the files were copied. Raises EngineError where one did not take them, or none runs."""
        found = _running(pods.of_part(cluster, self._namespace, part["object"]))
        if not found:
            raise EngineError(f"No pod of {part['name']} runs.")
        for pod in found:
            # One that came a moment ago lacks what was copied before, too.
            filled = pod["metadata"]["uid"] in self._filled
            self._give(cluster, watched, part, pod, files if filled else self._copied(watched))
        return len(found)

    def _refill(self, cluster: Cluster) -> None:
        """Pods that come begin with what the image has: they get what was copied since it was built."""
        while True:
            time.sleep(_LOOK_SECONDS)
            for watched in self._watched:
                for name in watched.build.parts if self._copied(watched) else ():
                    try:
                        self._fill(cluster, watched, self._parts[name])
                    except EngineError:
                        continue  # the next look tries again

    def _fill(self, cluster: Cluster, watched: Watched, part: Mapping[str, Any]) -> None:
        found = _running(pods.of_part(cluster, self._namespace, part["object"]))
        # After the look: a change that comes later finds these pods by itself.
        files = self._copied(watched)
        for pod in found:
            if files and pod["metadata"]["uid"] not in self._filled:
                self._give(cluster, watched, part, pod, files)
                self._screen.say(f"{part['name']}: pod {pod['metadata']['name']} has the copied files too")

    def _give(
        self, cluster: Cluster, watched: Watched, part: Mapping[str, Any], pod: dict[str, Any], files: set[str]
    ) -> None:
        sync.copy(cluster, self._namespace, pod, watched.build.context, _targets(files, part))
        self._filled.add(pod["metadata"]["uid"])

    def _copied(self, watched: Watched) -> set[str]:
        with self._lock:
            return set(watched.copied)

    # --- logs ---------------------------------------------------------------------------------------------------------

    def _follow(self, cluster: Cluster) -> None:
        follower = logs.Follower(cluster, self._namespace, None, logs.Wanted(_TAIL_LINES), self._screen.log)
        said = ""
        while True:
            try:
                follower.run()
            except EngineError as error:
                if error.message != said:
                    said = error.message
                    self._screen.say(f"Logs pause: {said}")
                time.sleep(_LOOK_SECONDS)


def _of(build: Build, paths: Iterable[Path]) -> set[str]:
    """Those of ``paths`` that the image is made of, relative to the context."""
    inside = (path.relative_to(build.context).as_posix() for path in paths if path.is_relative_to(build.context))
    return {path for path in inside if holds(build, path)}


def _targets(files: set[str], part: Mapping[str, Any]) -> dict[str, str]:
    return sync.targets(files, part["sync"]["paths"]) or {}


def _running(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        pod
        for pod in found
        if (pod.get("status") or {}).get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp")
    ]


def _listed(files: set[str]) -> str:
    shown = sorted(files)[:3]
    return ", ".join(shown) + (f" and {len(files) - len(shown)} more" if len(files) > len(shown) else "")
