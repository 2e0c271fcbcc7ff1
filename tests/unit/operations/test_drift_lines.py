"""Lines of drift: which field, both values, who and when."""

from __future__ import annotations

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.operations.drift import Change
from ansible_collections.multi_agent.platform.plugins.module_utils.operations.fields import Field, Writer


@pytest.mark.parametrize(
    ("writer", "ending"),
    [
        (Writer("kubectl", ""), "is 5 (kubectl)"),
        (Writer("kubectl", "2020-01-01T00:00:00Z"), "d ago)"),
        (None, "(by the subresource scale, which records no manager)"),
    ],
)
def test_line_names_writer_and_time_as_far_as_known(writer: Writer | None, ending: str) -> None:
    assert Change(Field("spec.replicas", 3, 5), writer).line().endswith(ending)
