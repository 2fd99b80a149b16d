"""The two files of an authority: made on the first run, checked on every one.

A file that others could read or replace is refused rather than repaired: nobody can know what has
happened to it. Every refusal is a CaError that says what to do. Knows nothing of leaves.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import platform
import re
import shlex
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from rama_proxy.certs.names import BROKEN
from rama_proxy.errors import CaError

KEY_FILE = "ca-key.pem"
CERT_FILE = "ca-cert.pem"
LIFETIME = timedelta(days=3650)
BACKDATE = timedelta(days=2)  # for clients whose clock is behind ours
MAX_FILE = 256 * 1024

CaKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def load_files(directory: Path, *, create: bool) -> tuple[x509.Certificate, CaKey, Path]:
    """Certificate and key of the authority in `directory`, and the certificate's path.

    Without any, and if `create` is true, a new authority is made.
    """
    key_path, cert_path = directory / KEY_FILE, directory / CERT_FILE
    if not (_exists(key_path) and _exists(cert_path)):
        if not create and not _exists(key_path) and not _exists(cert_path):
            raise CaError(
                f"there is no certificate authority in {directory} yet; `rama ca show` makes it"
            )
        _make_files(directory)
    _check_directory(directory)
    key = _parse_key(key_path)
    certificate = _parse_certificate(cert_path)
    _check_pair(certificate, key, key_path, cert_path)
    return certificate, key, cert_path


def key_usage(*, ca: bool) -> x509.KeyUsage:
    """What the key of an authority, or else of a leaf, may do."""
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


# --- making


def _make_files(directory: Path) -> None:
    """Make what is missing, under a lock: two first runs at once end with one authority."""
    try:
        if not directory.is_dir():
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_directory(directory)
        with _lock(directory) as fd:
            _make_missing(directory / KEY_FILE, directory / CERT_FILE)
            os.fsync(fd)  # the names, after the bytes
    except OSError as error:
        raise CaError(
            f"cannot make a certificate authority in {directory}: {error.strerror or error}"
        ) from error


@contextlib.contextmanager
def _lock(directory: Path) -> Iterator[int]:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd
    finally:
        os.close(fd)


def _make_missing(key_path: Path, cert_path: Path) -> None:
    if not _exists(key_path):
        if _exists(cert_path):
            raise CaError(
                f"{key_path} is missing; restore it, or remove {cert_path} as well to have a new"
                " authority made, which clients must be told to trust"
            )
        _write_new(
            key_path,
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            ),
            0o600,
        )
    if not _exists(cert_path):  # also after a first run that was cut between the two files
        _write_new(cert_path, _self_signed(_parse_key(key_path)).public_bytes(Encoding.PEM), 0o644)


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Make `path`, whole or not at all. The caller holds the lock and knows that it is missing."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)  # left by a run that was killed
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        os.fchmod(fd, mode)  # exact, whatever the umask
        file.write(data)
        file.flush()
        os.fsync(fd)
    draft.rename(path)


def _self_signed(key: CaKey) -> x509.Certificate:
    host = re.sub(r"[^A-Za-z0-9._-]", "", platform.node())[:40] or "unknown host"
    now = datetime.now(UTC)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Rama"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Rama {host} {now:%Y-%m-%d}"),
        ]
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now - BACKDATE + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


# --- reading


def _exists(path: Path) -> bool:
    return os.path.lexists(path)


def _check_directory(directory: Path) -> None:
    """Refuse a directory in which somebody else could put another authority."""
    try:
        info = directory.stat()
    except OSError as error:
        raise CaError(f"cannot use {directory}: {error.strerror}") from error
    if not stat.S_ISDIR(info.st_mode):
        raise CaError(f"{directory} is not a directory")
    if info.st_mode & 0o022:
        raise CaError(
            f"others may write to {directory}; run: chmod 700 {shlex.quote(str(directory))}"
        )
    if os.geteuid() not in (0, info.st_uid) and info.st_uid != 0:
        raise CaError(f"{directory} belongs to another user; name your own with --confdir")


def _read(path: Path, forbidden: int) -> bytes:
    """The bytes of `path`, a file itself whose mode has none of the `forbidden` bits."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise CaError(f"{path} is a symbolic link; put the file itself there") from error
        raise CaError(f"cannot read {path}: {error.strerror}") from error
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise CaError(f"{path} is not a file")
        mode = stat.S_IMODE(info.st_mode)
        if mode & forbidden:
            keep = mode & ~forbidden
            raise CaError(
                f"{path} is open to others (mode {mode:04o});"
                f" run: chmod {keep:o} {shlex.quote(str(path))}"
            )
        return os.read(fd, MAX_FILE)
    finally:
        os.close(fd)


def _parse_key(path: Path) -> CaKey:
    data = _read(path, 0o077)
    try:
        key = load_pem_private_key(data, None)
    except TypeError as error:
        raise CaError(
            f"{path} is encrypted; write it without a passphrase: openssl pkey -in FILE -out {path}"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CaError(f"{path} holds no private key that can be read; {_START_OVER}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise CaError(f"the key in {path} is neither RSA nor elliptic curve; {_START_OVER}")
    return key


def _parse_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(_read(path, 0o022))
    except BROKEN as error:
        raise CaError(f"{path} holds no certificate that can be read; {_START_OVER}") from error


def _check_pair(certificate: x509.Certificate, key: CaKey, key_path: Path, cert_path: Path) -> None:
    if certificate.public_key() != key.public_key():
        raise CaError(f"{key_path} is not the key of {cert_path}; {_START_OVER}")
    if not _may_sign(certificate):
        raise CaError(f"{cert_path} is not the certificate of an authority; {_START_OVER}")
    now = datetime.now(UTC)
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if end <= now:
        raise CaError(f"{cert_path} expired on {end:%Y-%m-%d}; {_START_OVER}")
    if start > now:
        raise CaError(
            f"{cert_path} is not valid before {start:%Y-%m-%d %H:%M} UTC; set this machine's clock"
        )


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        extensions = certificate.extensions
        if not extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        return extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound as missing:
        return missing.oid == x509.KeyUsage.oid  # an absent key usage limits nothing
    except BROKEN:
        return False


_START_OVER = (
    f"restore both files, or remove {KEY_FILE} and {CERT_FILE} to have a new authority made,"
    " which clients must be told to trust"
)
