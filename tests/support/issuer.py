"""Certificates of every shape for tests of verification: chains, weak keys, revocation."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


class Issuer:
    """An authority by the name `name`, signed by itself or by another one."""

    def __init__(
        self,
        name: str,
        above: Issuer | None = None,
        *,
        key: Key | None = None,
        days: tuple[float, float] = (-5, 30),
    ) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.name = _name(name)
        self._above = above
        signer = above or self
        self.certificate = (
            _builder(self.name, signer.name, self.key, days)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(signer.key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM)

    def leaf(
        self,
        *names: str,
        common_name: str = "leaf",
        days: tuple[float, float] = (-1, 20),
        key: Key | None = None,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> bytes:
        """A certificate for `names` and its key, as PEM; `days` are counted from now."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(common_name), self.name, key, days)
        if names:
            san = x509.SubjectAlternativeName([_general_name(name) for name in names])
            builder = builder.add_extension(san, critical=False)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM) + key_pem(key)

    def revocation_list(self, *revoked: bytes) -> bytes:
        """A list as PEM that revokes the certificates in these PEM files."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=self.name,
            last_update=now - timedelta(days=1),
            next_update=now + timedelta(days=1),
        )
        for pem in revoked:
            serial = x509.load_pem_x509_certificate(pem).serial_number
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder(serial, now - timedelta(hours=1)).build()
            )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def key_pem(key: Key) -> bytes:
    """A private key as PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, days: tuple[float, float]
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
    )
