"""Whether the platform is well, and if not, what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ..backup import quiet, success
from . import shortfalls
from .status import State

# Words of a finding -> what to do. The first that fits is said.
_ADVICE = (
    ("InvalidImageName", "correct the reference in platform_images or platform_image_overrides"),
    ("ErrImageNeverPull", "load the image onto the nodes, or set platform_image_pull_policy to IfNotPresent"),
    ("ImagePull", "check the reference in platform_images, the registry and platform_image_pull_secrets"),
    ("CreateContainerConfigError", "a Secret or ConfigMap of the pod is missing: `make deploy` makes it again"),
    ("CrashLoopBackOff", "read why it ended: `make logs S=<part> PREVIOUS=1`"),
    ("OOMKilled", "it takes more memory than its limit: raise resources.limits.memory in platform_services_overrides"),
    ("Unschedulable", "no node has room or fits: `make events`, then add nodes or lower the requests"),
    ("FailedCreate", "pods cannot be made (quota or admission): `make events`; `make deploy` computes the quota anew"),
    ("NotReady", "its readiness probe does not pass: `make logs S=<part>`; a store that it uses may be away"),
    ("exceeded quota", "raise platform_quota_headroom, or run site.yml, which computes the quota anew"),
)


def problems(state: State, now: datetime) -> Iterator[tuple[str, str]]:
    """What is wrong, each with what to do."""
    stopped = [workload["name"] for workload in state.workloads if workload["stopped_by_restore"]]
    if stopped:
        yield f"A restore stopped {', '.join(stopped)}", quiet.WAY_OUT
    yield from state.unknown
    for workload in state.workloads:
        if not (workload["ready"] or workload["missing"] or workload["stopped_by_restore"]):
            yield (
                f"{workload['kind']} {workload['name']}: {workload['message']}",
                workload["remedy"] or "see the findings below, or `make events`",
            )
    yield from shortfalls.missing(state.missing)
    yield from state.shortfalls
    for finding in state.findings:
        advice = next((todo for words, todo in _ADVICE if words in finding), "`make events` tells more")
        yield finding, advice
    yield from _volumes(state)
    for certificate in state.certificates:
        end = certificate["not_after"]
        if end and datetime.fromisoformat(end) <= now:
            yield f"Certificate {certificate['name']} has ended", "renew it; cert-manager's events say why it did not"
    yield from success.problems(state.cron_jobs, now)
    if state.release is not None and state.release.failed:
        yield (
            f"Release {state.release.number} failed",
            f"`make releases N={state.release.number}` says where; run `make deploy` again, or `make rollback`",
        )


def _volumes(state: State) -> Iterator[tuple[str, str]]:
    for volume in state.volumes:
        if volume["phase"] == "Pending" and not volume["mounted"]:
            continue  # a class may wait for the first pod, such as that of the first backup
        if volume["phase"] != "Bound":
            yield (
                f"Volume {volume['name']} is {volume['phase']}",
                f"check the StorageClass {volume['storage_class'] or '(default)'} and its provisioner",
            )
        elif volume["used_bytes"] is not None and volume["capacity_bytes"]:
            share = 100 * volume["used_bytes"] // volume["capacity_bytes"]
            if share >= 85:
                yield (
                    f"Volume {volume['name']} is {share}% full",
                    "a store: raise storage.size in platform_stores_overrides, then `make expand-storage`; "
                    "backups: raise platform_backup.volume_size, or keep fewer (backup_retention)",
                )


def screen(found: list[tuple[str, str]]) -> list[str]:
    """For people: each problem, and below it what to do."""
    return [line for what, todo in found for line in (f"  {what}", f"      -> {todo}")]
