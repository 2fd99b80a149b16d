"""The certificate authority of this machine: signs a leaf for each host that a client asks for.

Its files are the business of `ca_files`. Knows nothing of TLS.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rama_proxy.certs.ca_files import BACKDATE, CaKey, key_usage, load_files
from rama_proxy.certs.names import general_names

LEAF_LIFETIME = timedelta(days=199)  # Chromium and Safari refuse more than 200 days


class Authority:
    """A loaded authority. `leaf_key` is the key of every leaf that this process signs."""

    def __init__(self, certificate: x509.Certificate, key: CaKey, path: Path) -> None:
        self.certificate = certificate
        self.path = path  # of the certificate: what a client is told to trust
        self.leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._key = key
        self._issuer_id = _issuer_id(certificate)

    @classmethod
    def load(cls, directory: Path, *, create: bool = True) -> Authority:
        """The authority in `directory`; a new one if there is none and `create` is true.

        Raises CaError, which says what to do.
        """
        return cls(*load_files(directory, create=create))

    @property
    def pem(self) -> bytes:
        """The certificate as PEM, without the key."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def spki_sha256(self) -> str:
        """The pin that Chromium's --ignore-certificate-errors-spki-list takes."""
        spki = self.certificate.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(hashlib.sha256(spki).digest()).decode()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate as people compare it: `AB:CD:…`."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    @property
    def expires(self) -> datetime:
        """The end of the certificate's validity, in UTC."""
        return self.certificate.not_valid_after_utc

    def leaf(self, host: str, names: Sequence[str]) -> x509.Certificate:
        """A certificate of `leaf_key` for `host` and those of `names` that are valid names.

        Where none is, it is for `invalid` (RFC 6761 6.4): a client that checks no names still gets
        its handshake.
        """
        subject_names = general_names(host, names) or [x509.DNSName("invalid")]
        common_name = str(subject_names[0].value)
        short = len(common_name) < 64  # X.520 allows 64
        start = datetime.now(UTC) - BACKDATE
        end = min(start + LEAF_LIFETIME, self.expires)
        return (
            x509.CertificateBuilder()
            .subject_name(_name(common_name) if short else x509.Name([]))
            .issuer_name(self.certificate.subject)
            .public_key(self.leaf_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(start, end - BACKDATE))
            .not_valid_after(end)
            .add_extension(x509.SubjectAlternativeName(subject_names), critical=not short)
            .add_extension(self._issuer_id, critical=False)
            .add_extension(_SERVER_AUTH, critical=False)
            .add_extension(_LEAF_USAGE, critical=True)
            .add_extension(_NOT_A_CA, critical=True)
            .sign(self._key, hashes.SHA256())
        )


_LEAF_USAGE = key_usage(ca=False)
_SERVER_AUTH = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
_NOT_A_CA = x509.BasicConstraints(ca=False, path_length=None)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _issuer_id(certificate: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        digest = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
        return x509.AuthorityKeyIdentifier(digest, None, None)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found.value)
