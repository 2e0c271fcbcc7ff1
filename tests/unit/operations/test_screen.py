"""Text for terminals, durations, certificates."""

import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import certificates, screen
from ansible_collections.multi_agent.platform.plugins.module_utils.operations.duration import seconds
from ansible_collections.multi_agent.platform.plugins.module_utils.operations.routes import addresses

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_a_column_without_a_value_is_left_out():
    assert screen.table(("A", "B", "C"), [("1", "", "xyz"), ("22", "", "")]) == ["A   C", "1   xyz", "22"]


@pytest.mark.parametrize(
    ("ago", "text"),
    [({"seconds": 59}, "59s"), ({"minutes": 90}, "1h"), ({"days": 3, "hours": 4}, "3d"), ({"seconds": -30}, "30s")],
)
def test_ages(ago, text):
    assert screen.age(NOW - timedelta(**ago), NOW) == text


@pytest.mark.parametrize(("quantity", "text"), [("10Gi", "10Gi"), ("1500Mi", "1.5Gi"), (512, "512"), ("?", "?")])
def test_sizes(quantity, text):
    assert screen.size(quantity) == text


def test_images_without_their_registry():
    assert screen.plain_image("registry.example:5000/team/agent:1.2") == "agent:1.2"
    assert screen.plain_image("r.example/agent:1@sha256:" + "0123456789abcdef" * 4) == "agent:1@0123456789ab"


@pytest.mark.parametrize(("text", "expected"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86400)])
def test_durations(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "10", "5x", "-1m", "0s", "1.5h"])
def test_other_durations_are_refused_with_examples(text):
    with pytest.raises(EngineError, match="no duration") as refused:
        seconds(text)
    assert "10m" in refused.value.remedy


@pytest.mark.parametrize("days", [10, 40_000])
def test_the_end_of_a_certificate_is_read(tmp_path, days):
    """10 days: UTCTime. 40,000 days: GeneralizedTime, which RFC 5280 asks for from 2050 on."""
    file = tmp_path / "tls.crt"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-days", str(days)]
    subprocess.run([*command, "-keyout", "/dev/null", "-out", str(file)], check=True, capture_output=True)
    left = certificates.expiry(file.read_bytes()) - datetime.now(UTC)
    assert timedelta(days=days - 1) < left <= timedelta(days=days)


@pytest.mark.parametrize("text", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        certificates.expiry(text)


def test_addresses_of_routes():
    def ingress(host, tls):
        paths = [{"backend": {"service": {"name": f"{host}-service"}}}]
        return {"kind": "Ingress", "spec": {"tls": tls, "rules": [{"host": host, "http": {"paths": paths}}]}}

    route = {
        "kind": "HTTPRoute",
        "spec": {
            "parentRefs": [{"name": "edge", "sectionName": "https"}],
            "hostnames": ["c"],
            "rules": [{"backendRefs": [{"name": "c-service"}]}],
        },
    }
    found = addresses([ingress("a", [{"hosts": ["a"]}]), ingress("b", []), route])
    assert found == {"a-service": "https://a", "b-service": "http://b", "c-service": "https://c"}
