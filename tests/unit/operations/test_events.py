"""Which part an event is about."""

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import events

PARTS = {"qdrant": "qdrant", "agent-service": "agent", "agent-service-canary": "canary"}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("agent-service", "agent"),
        ("agent-service-5645f555c4-hg5v4", "agent"),
        ("agent-service-canary-5645f555c4-hg5v4", "canary"),
        ("qdrant-1", "qdrant"),
        ("data-qdrant-0", "qdrant"),
        ("data-qdrant-1", "qdrant"),
        ("data-qdrant-12", "qdrant"),
        ("data-qdrant-x", ""),
        ("agent-services", ""),
        ("my-agent-service", ""),
    ],
)
def test_the_part_of_an_object(name: str, part: str) -> None:
    assert events._part(name, PARTS) == part
