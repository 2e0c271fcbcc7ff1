"""When a certificate ends, and that whatever cannot be read is said in one way."""

from __future__ import annotations

import base64
import random
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import status
from ansible_collections.multi_agent.platform.plugins.module_utils.operations.certificates import expiry
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

END = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)


def made() -> bytes:
    """DER of a certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "example.org")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = builder.serial_number(1).not_valid_before(END - timedelta(days=9)).not_valid_after(END)
    return dated.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def test_the_end_is_read() -> None:
    assert expiry(pem(made())) == END


@pytest.mark.parametrize("der", [b"\0\0\0", b"\x30\0", b"\x30\x02\x30\0", b"\x30\x04\x30\x02\xa0\0", b"\x30\x82\xff"])
def test_what_is_no_certificate_is_refused(der: bytes) -> None:
    with pytest.raises(ValueError, match=r"certificate|cut off"):
        expiry(pem(der))
    secret = {"metadata": {"name": "tls"}, "data": {"tls.crt": base64.b64encode(pem(der)).decode()}}
    assert status._certificate(secret) == {"name": "tls", "not_after": ""}


def test_nothing_but_a_value_error_comes_of_what_is_damaged() -> None:
    whole, chance = made(), random.Random(1)  # noqa: S311 - the same damage each time
    for _ in range(3000):
        damaged = bytearray(whole[: chance.randrange(1, len(whole) + 1)])
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            expiry(pem(bytes(damaged)))
        except ValueError:
            continue
