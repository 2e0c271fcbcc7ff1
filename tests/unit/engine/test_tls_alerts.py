"""Which failures of TLS may pass by themselves: a handshake that broke is tried again, an untrusted server is not."""

from __future__ import annotations

import ssl

import pytest
import urllib3
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.connection import Connection
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.transport import (
    Disconnected,
    Transport,
    Untrusted,
)


@pytest.mark.parametrize(
    ("reason", "raised"),
    [
        ("TLSV1_ALERT_DECODE_ERROR", Disconnected),
        ("TLSV1_ALERT_INTERNAL_ERROR", Disconnected),
        ("CERTIFICATE_VERIFY_FAILED", Untrusted),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", Untrusted),
        ("TLSV1_ALERT_UNKNOWN_CA", Untrusted),
        ("WRONG_VERSION_NUMBER", Untrusted),
    ],
)
def test_alerts_are_told_apart(monkeypatch: pytest.MonkeyPatch, reason: str, raised: type[Exception]) -> None:
    cause = ssl.SSLError(1, f"[SSL: {reason}] text")
    cause.reason = reason
    transport = Transport(Connection(server="http://127.0.0.1:1"))

    def fails(*_: object, **__: object) -> None:
        raise urllib3.exceptions.SSLError(cause)

    monkeypatch.setattr(transport._pool, "request", fails)
    with pytest.raises(raised):
        transport.request("GET", "/version")
