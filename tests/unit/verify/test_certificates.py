"""Certificates: validity and names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.verify import certificates
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def made(*names: str, days: int = 60) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "common.example.org")])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=90))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )


@pytest.mark.parametrize(
    ("names", "days", "expected"),
    [
        (["example.org", "api.example.org"], 60, []),
        (["example.org", "*.example.org"], 60, []),
        (["example.org"], 60, ["does not cover api.example.org"]),
        (["common.example.org"], 60, ["does not cover example.org", "does not cover api.example.org"]),
        (["example.org", "api.example.org"], 5, ["expires on 2026-11-27, in less than 14 days"]),
        (["example.org", "api.example.org"], -1, ["expired on 2026-11-21"]),
    ],
)
def test_what_is_wrong_is_said(names: list[str], days: int, expected: list[str]) -> None:
    certificate = made(*names, days=days)
    assert certificates.problems(certificate, ["example.org", "api.example.org"], 14, NOW) == expected


def test_pem_and_der_are_read_and_anything_else_is_refused() -> None:
    certificate = made("example.org")
    for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER):
        assert certificates.load(certificate.public_bytes(encoding)) == certificate
    for nothing in (b"", b"-----BEGIN CERTIFICATE-----\n", b"text"):
        with pytest.raises(certificates.NotACertificate):
            certificates.load(nothing)
