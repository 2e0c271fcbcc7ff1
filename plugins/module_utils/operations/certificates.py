"""When a certificate ends, read from its DER without a cryptography package.

https://datatracker.ietf.org/doc/html/rfc5280#section-4.1: Certificate is a SEQUENCE that begins with TBSCertificate, a
SEQUENCE of version [0] (optional), serialNumber, signature, issuer, validity, ...
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18


def expiry(pem: bytes) -> datetime:
    """notAfter of the first certificate of a PEM text. Raises ValueError where there is none that can be read."""
    match = _PEM.search(pem)
    if not match:
        raise ValueError("no certificate")
    try:
        return _not_after(base64.b64decode(match[1]))
    except IndexError:  # well-formed, but without the elements of a certificate
        raise ValueError("no certificate") from None


def _not_after(certificate: bytes) -> datetime:
    fields = _members(_value(_members(_value(certificate, 0)[1])[0], 0)[1])
    position = 4 if fields[0][0] == _VERSION else 3
    _, not_after = _members(_value(fields[position], 0)[1])
    tag, text = _value(not_after, 0)
    if tag == _UTC_TIME:
        # Two digits of the year: 50 to 99 are of the last century.
        return datetime.strptime(text.decode(), "%y%m%d%H%M%SZ").replace(tzinfo=UTC)
    if tag == _GENERALIZED_TIME:
        return datetime.strptime(text.decode(), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    raise ValueError("no time")


def _length(data: bytes, at: int) -> tuple[int, int]:
    """The length that stands at ``at``, and where the content begins."""
    if at >= len(data):
        raise ValueError("cut off")
    first = data[at]
    if first < 0x80:
        return first, at + 1
    size = first & 0x7F
    return int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size


def _value(data: bytes, at: int) -> tuple[int, bytes]:
    """Tag and content of the element at ``at``."""
    length, begin = _length(data, at + 1)
    if begin + length > len(data):
        raise ValueError("cut off")
    return data[at], data[begin : begin + length]


def _members(content: bytes) -> list[bytes]:
    """The elements of a SEQUENCE, each with its tag and length."""
    found, at = [], 0
    while at < len(content):
        length, begin = _length(content, at + 1)
        found.append(content[at : begin + length])
        at = begin + length
    return found
