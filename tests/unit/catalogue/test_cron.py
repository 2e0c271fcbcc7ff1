"""Schedules of a CronJob. Cases: the specs of github.com/robfig/cron v3.0.1, and what the API server refuses."""

from __future__ import annotations

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.platform.cron import fault

ACCEPTED = [
    "0/15 * * * *",
    "5/15 * * * *",
    "0/15 * * Jul *",
    "30 08 ? Jul Sun",
    "30 08 15 Jul ?",
    "* * 1,15 * Sun",
    "* * */10 * Sun",
    "20-35/15 * * * *",
    "15 10-12 1/2 Apr-Oct MON-FRI",
    "0 0 */5 Apr,Aug,Oct Mon",
    "0 0 * Feb Mon/2",
    "0 0 29 Feb ?",
    "0 0 30 Feb ?",
    "5 * * * *",
    "59 23 31 12 6",
    "17\t2  * * *",
    " 17 2 * * * ",
    "@hourly",
    "@daily",
    "@midnight",
    "@weekly",
    "@monthly",
    "@yearly",
    "@annually",
    "@every 5m",
    "@every 1h30m",
]
REFUSED = [
    "",
    "xyz",
    "* * * *",
    "* * * * * *",
    "60 0 * * *",
    "0 60 * * *",
    "99 2 * * *",
    "* 24 * * *",
    "* * 0 * *",
    "* * 32 * *",
    "* * * 13 *",
    "* * * * 7",
    "0 0 * * XYZ",
    "5-1 * * * *",
    "5--5 * * * *",
    "jan-x * * * *",
    "2-x * * * *",
    "*/0 * * * *",
    "15/0 * * * *",
    "*/-12 * * * *",
    "*//2 * * * *",
    "5 j * * *",
    "L * * * *",
    "H * * * *",
    "** * * * *",
    "TZ=UTC 5 * * * *",
    "CRON_TZ=Asia/Tokyo 5 * * * *",
    "@unrecognized",
    "@every Xm",
    "@every",
]


@pytest.mark.parametrize("schedule", ACCEPTED)
def test_schedule_is_accepted(schedule: str) -> None:
    assert fault(schedule) == ""


@pytest.mark.parametrize("schedule", REFUSED)
def test_schedule_is_refused_with_a_reason(schedule: str) -> None:
    assert fault(schedule)


def test_reason_names_the_field_and_its_range() -> None:
    assert fault("99 2 * * *") == "has '99' as minute, which takes 0-59, *, a-b and /step"
