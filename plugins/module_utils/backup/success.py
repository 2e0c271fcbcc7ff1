"""When backups and drills last succeeded, from the status of their CronJobs.

The status outlives the Jobs, counts those that were started by hand, and is what kube-state-metrics gives Prometheus.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..operations.screen import age, moment
from . import quiet

Object = Mapping[str, Any]

MAXIMUM = "multi-agent.platform/maximum-age-hours"
CREDENTIALS = "multi-agent.platform/credentials"
BACKUP, DRILL = "backup", "restore-drill"
_HOURS = 26


@dataclass(frozen=True)
class Success:
    """The last success of a CronJob. ``late``: longer ago than it may be; ``failed``: a later run did not succeed."""

    last: datetime | None
    late: bool
    failed: bool


def of(cron_job: Object, now: datetime) -> Success:
    """What a CronJob's status says. One that is younger than its own limit is not late yet."""
    metadata, status = cron_job["metadata"], cron_job.get("status") or {}
    last, scheduled = moment(status.get("lastSuccessfulTime")), moment(status.get("lastScheduleTime"))
    hours = int((metadata.get("annotations") or {}).get(MAXIMUM, _HOURS))
    since = last or moment(metadata.get("creationTimestamp")) or now
    failed = bool(scheduled and (last is None or last < scheduled) and not status.get("active"))
    return Success(last, now - since > timedelta(hours=hours), failed)


def problems(cron_jobs: Mapping[str, Object], now: datetime) -> Iterator[tuple[str, str]]:
    """A schedule that a restore suspended, a backup that is late and a drill that failed, each with what to do."""
    if BACKUP in cron_jobs and quiet.is_suspended(cron_jobs[BACKUP]):
        yield "A restore suspended the schedule of backups", quiet.WAY_OUT
    if BACKUP in cron_jobs and (made := of(cron_jobs[BACKUP], now)).late:
        when = f"was {age(made.last, now)} ago" if made.last else "is still to come"
        yield (
            f"The last good backup {when}: more than backup_maximum_age_hours",
            "Make one now, which says what is wrong: make backup",
        )
    if DRILL in cron_jobs and of(cron_jobs[DRILL], now).failed:
        yield "The last restore drill failed", "Run it again and read why: make restore-drill"


def line(cron_jobs: Mapping[str, Object], now: datetime) -> str:
    """For `make status`; empty where nothing makes backups."""
    if BACKUP not in cron_jobs:
        return ""
    made = of(cron_jobs[BACKUP], now)
    text = f"Last backup: {age(made.last, now)} ago" if made.last else "Last backup: none has succeeded yet"
    if made.late:
        text += ", TOO LONG (make backup; make doctor)"
    if quiet.is_suspended(cron_jobs[BACKUP]):
        text += ", SUSPENDED by a restore"
    if DRILL in cron_jobs:
        tried = of(cron_jobs[DRILL], now)
        text += f"; last restore drill {age(tried.last, now)} ago" if tried.last else "; no restore drill yet"
        text += ", and a later one FAILED" if tried.failed else ""
    return text
