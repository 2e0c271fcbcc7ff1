"""Certificates: how long they are valid and for which hosts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509


class NotACertificate(Exception):
    """What should be a certificate in PEM or DER is none."""


def load(data: bytes) -> x509.Certificate:
    """The first certificate of a PEM chain, or one in DER. Raises NotACertificate."""
    try:
        return x509.load_pem_x509_certificate(data) if b"-----BEGIN" in data else x509.load_der_x509_certificate(data)
    except ValueError as error:
        raise NotACertificate("it holds no certificate that can be read") from error


def problems(certificate: x509.Certificate, hosts: list[str], days: int, now: datetime | None = None) -> list[str]:
    """What is wrong with it for ``hosts``; it must be valid for ``days`` more."""
    now = now or datetime.now(UTC)
    found = []
    if certificate.not_valid_before_utc > now:
        found.append(f"is valid only from {certificate.not_valid_before_utc:%Y-%m-%d} on")
    if certificate.not_valid_after_utc < now:
        found.append(f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
    elif certificate.not_valid_after_utc < now + timedelta(days=days):
        found.append(f"expires on {certificate.not_valid_after_utc:%Y-%m-%d}, in less than {days} days")
    names = subject_names(certificate)
    found += [f"does not cover {host}" for host in hosts if not _covered(host, names)]
    return found


def describe(certificate: x509.Certificate) -> str:
    return f"valid until {certificate.not_valid_after_utc:%Y-%m-%d}"


def subject_names(certificate: x509.Certificate) -> list[str]:
    """DNS names: browsers look at these alone, not at the common name (RFC 9525)."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return extension.value.get_values_for_type(x509.DNSName)


def _covered(host: str, names: list[str]) -> bool:
    """A wildcard stands for exactly one label (RFC 9525, 6.3)."""
    return host in names or f"*.{host.partition('.')[2]}" in names
