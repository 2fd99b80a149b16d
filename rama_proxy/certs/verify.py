"""Why a server's certificate is not accepted: OpenSSL's verdict and the host's name, in words.

OpenSSL checks the chain and calls `judge` for each certificate; the name is checked here.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto

from rama_proxy.certs.names import alternative_names, matches

_CODES = SSL.X509VerificationCodes
_NO_CRL = _CODES.ERR_UNABLE_TO_GET_CRL  # only what a given list names can be revoked

_CAUSES = {
    _CODES.ERR_CERT_HAS_EXPIRED: "expired",
    _CODES.ERR_CERT_NOT_YET_VALID: "not-yet-valid",
    _CODES.ERR_HOSTNAME_MISMATCH: "name-mismatch",
    _CODES.ERR_DEPTH_ZERO_SELF_SIGNED_CERT: "self-signed",
    _CODES.ERR_SELF_SIGNED_CERT_IN_CHAIN: "unknown-ca",
    _CODES.ERR_UNABLE_TO_GET_ISSUER_CERT: "unknown-ca",
    _CODES.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "unknown-ca",
    _CODES.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: "unknown-ca",
    _CODES.ERR_CERT_REVOKED: "revoked",
    66: "weak",  # X509_V_ERR_EE_KEY_TOO_SMALL; pyOpenSSL has no names for these three
    67: "weak",  # X509_V_ERR_CA_KEY_TOO_SMALL
    68: "weak",  # X509_V_ERR_CA_MD_TOO_WEAK
}


class Check:
    """The verification of one server. `cause` and `problem` stay empty if nothing is wrong."""

    __slots__ = ("alpn_offered", "cause", "host", "problem", "required", "sni")

    def __init__(self, host: str, required: bool) -> None:
        self.host = host
        self.required = required
        self.sni = ""  # what the handshake asks for
        self.alpn_offered: tuple[str, ...] = ()
        self.cause = ""
        self.problem = ""

    @property
    def remedy(self) -> str:
        """The options that would let this server through."""
        if self.cause in ("self-signed", "unknown-ca"):
            return "--ssl-ca FILE trusts another authority, --ssl-insecure accepts any certificate"
        return "--ssl-insecure accepts any certificate"

    def fail(self, code: int, certificate: x509.Certificate, depth: int) -> None:
        """Note the first thing that is wrong."""
        if self.problem:
            return
        self.cause = _CAUSES.get(code, "other")
        subject = f"the certificate of {self.host}"
        if depth and self.cause != "unknown-ca":
            subject = f"{_common_name(certificate.subject)!r}, an issuer of {subject},"
        self.problem = f"{subject} {_describe(self.cause, code, certificate)}"


def judge(
    connection: SSL.Connection, certificate: crypto.X509, code: int, depth: int, ok: int
) -> bool:
    """OpenSSL's verify callback: whether to go on."""
    if (ok and depth) or code == _NO_CRL:
        return True
    check: Check = connection.get_app_data()
    try:
        data = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
        if not ok:
            check.fail(code, x509.load_der_x509_certificate(data), depth)
        elif not _is_for(data, check.host):
            mismatch = _CODES.ERR_HOSTNAME_MISMATCH
            check.fail(mismatch, x509.load_der_x509_certificate(data), depth)
    except Exception as error:  # pyOpenSSL would raise it in whichever connection is next
        check.cause = "other"
        check.problem = f"the certificate of {check.host} does not parse: {error}"
    return not (check.required and check.problem)


@lru_cache(1024)
def _is_for(certificate: bytes, host: str) -> bool:
    """Whether a DER certificate is for `host`; a server shows the same one each time."""
    return matches(x509.load_der_x509_certificate(certificate), host)


def _describe(cause: str, code: int, certificate: x509.Certificate) -> str:
    match cause:
        case "expired":
            return f"expired on {_moment(certificate.not_valid_after_utc)}"
        case "not-yet-valid":
            return f"is not valid before {_moment(certificate.not_valid_before_utc)}"
        case "name-mismatch":
            return _holders(alternative_names(certificate))
        case "self-signed":
            return "is self-signed"
        case "unknown-ca":
            whole = code == _CODES.ERR_SELF_SIGNED_CERT_IN_CHAIN
            return f"comes from {_common_name(certificate.issuer)!r}, which is not trusted" + (
                "" if whole else ", or the server leaves out an intermediate certificate"
            )
        case "revoked":
            return "is revoked"
        case "weak":
            return "has a key or a signature that is too weak"
    return f"is not valid (OpenSSL's verification error {code})"


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"


def _holders(names: list[str]) -> str:
    if not names:
        return "names no host: it has no subjectAltName"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    shown = ", ".join(name if name.isprintable() else repr(name) for name in names[:3])
    return f"is for {shown}{more}"


def _common_name(name: x509.Name) -> str:
    attributes = name.get_attributes_for_oid(NameOID.COMMON_NAME) or list(name)
    return str(attributes[-1].value) if attributes else "an unnamed authority"
