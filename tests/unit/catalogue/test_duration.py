"""Durations of the Gateway API: what counts as one, and its length."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.multi_agent.platform.plugins.filter.duration_seconds import duration_seconds
from ansible_collections.multi_agent.platform.plugins.module_utils.platform import duration


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0s", 0),
        ("10s", 10_000),
        ("1h30m", 5_400_000),
        ("1h1m1s1ms", 3_661_001),
        ("99999h", 359_996_400_000),
        ("5m5m", 600_000),
    ],
)
def test_length_of_a_duration(text: str, milliseconds: int) -> None:
    assert duration.milliseconds(text) == milliseconds


# Among them those that https://gateway-api.sigs.k8s.io/geps/gep-2257/ calls invalid.
@pytest.mark.parametrize(
    "text", ["", "1", "1m1", "1h30m10s20ms50h", "999999h", "1.5h", "-15m", "1d", "10 s", None, 30, True]
)
def test_no_duration(text: Any) -> None:
    assert duration.milliseconds(text) is None
    with pytest.raises(AnsibleFilterError, match=r"is not a duration\. Write"):
        duration_seconds(text)


def test_seconds_are_rounded_up() -> None:
    assert [duration_seconds(text) for text in ("1ms", "1500ms", "2s", "1h")] == [1, 2, 2, 3600]
