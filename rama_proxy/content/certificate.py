"""A certificate as facts to read. Import this where it is needed: cryptography costs 75 ms."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from rama_proxy.content.tls import BAD, WARNING, Fact

SOON = 21  # days before expiry that are worth a word
MAX_NAMES = 50


def certificate_facts(der: bytes, now: datetime) -> list[Fact]:
    """Subject, issuer, names, validity, key and hash of a certificate; `now` has a time zone."""
    try:
        found = x509.load_der_x509_certificate(der)
        return [
            Fact("subject", found.subject.rfc4514_string() or "empty"),
            Fact("issuer", _issuer(found)),
            Fact("names", _alternative_names(found)),
            _validity(found.not_valid_before_utc, found.not_valid_after_utc, now),
            Fact("key", _key(found)),
            Fact("signature", _signature(found)),
            Fact("serial", f"{found.serial_number:x}"),
            Fact("SHA-256", found.fingerprint(SHA256()).hex()),
        ]
    except Exception as error:  # a peer made it: what is wrong with it shows as a dozen kinds
        return [Fact("unreadable", f"{type(error).__name__}: {error}", BAD)]


def certificate_title(der: bytes) -> str:
    """The common name of a certificate, else all of its subject, else its size."""
    try:
        subject = x509.load_der_x509_certificate(der).subject
        names = subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return str(names[0].value) if names else subject.rfc4514_string() or "no subject"
    except Exception:  # as above; `certificate_facts` says what is wrong
        return f"{len(der)} bytes"


def _issuer(certificate: x509.Certificate) -> str:
    if certificate.issuer == certificate.subject:
        return "itself"
    return certificate.issuer.rfc4514_string() or "empty"


def _alternative_names(certificate: x509.Certificate) -> str:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return "none"
    names = [str(getattr(name, "value", name)) for name in found.value]
    more = f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def _validity(begin: datetime, end: datetime, now: datetime) -> Fact:
    span = f"{begin:%Y-%m-%d} to {end:%Y-%m-%d}"
    if now < begin:
        return Fact("valid", f"{span}, not yet", BAD)
    if now > end:
        return Fact("valid", f"{span}, expired {_days((now - end).days)} ago", BAD)
    days = (end - now).days
    return Fact("valid", f"{span}, {_days(days)} left", WARNING if days < SOON else "")


def _days(count: int) -> str:
    return f"{count:,} day" if count == 1 else f"{count:,} days"


def _key(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    return type(key).__name__.removesuffix("PublicKey").lstrip("_")


def _signature(certificate: x509.Certificate) -> str:
    oid = certificate.signature_algorithm_oid
    return str(getattr(oid, "_name", oid.dotted_string))
