"""TLS over bytes: ciphertext in, plaintext out, and the other way round. No sockets.

A `TlsEngine` wraps one OpenSSL connection on memory buffers and gives what is to be sent to its
`sink`. An end of file without close_notify is for the stream to judge: only it sees one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from cryptography import x509
from OpenSSL import SSL, crypto

from rama_proxy.certs.contexts import Contexts
from rama_proxy.certs.names import BROKEN, certificate_names
from rama_proxy.certs.verify import Check
from rama_proxy.errors import ClientTlsError, ConnectionProblem, UpstreamTlsError
from rama_proxy.model.connection import TlsInfo

SLICE = 32 * 1024  # OpenSSL's buffers keep their largest size for as long as the connection lives
RECORD = 16 * 1024  # the plaintext of one record, RFC 8446 5.1
MAX_FLIGHT = 16 * 1024  # of a server's first bytes, where its ServerHello is
HELLO_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")

# Alerts by which a client says that it does not like our certificate.
TRUST_ALERTS = {
    "bad certificate",
    "certificate expired",
    "certificate revoked",
    "certificate unknown",
    "unknown ca",
    "unsupported certificate",
}

# OpenSSL's reasons when a server answers a hello with something else.
NOT_TLS = {"packet length too long", "wrong version number"}

# OpenSSL's reasons for alerts received: "tls alert …", "tlsv13 alert …", "tlsv1 unrecognized name".
_ALERT = re.compile(r"(?:\S+ alert|tlsv1) (.+)")

Sink = Callable[[bytes], None]


class TlsEngine:
    """One side of one TLS connection."""

    __slots__ = (
        "_check",
        "_client_hello",
        "_connection",
        "_ended",
        "_flight",
        "_server_hello",
        "_sink",
        "closed",
        "established",
        "failure",
    )

    def __init__(self, connection: SSL.Connection, sink: Sink) -> None:
        self.established = False
        self.closed = False  # the peer's close_notify has come: its end of data is genuine
        self.failure: ConnectionProblem | None = None  # what every later call raises
        self._connection = connection
        self._sink = sink
        check = connection.get_app_data()
        self._check = check if isinstance(check, Check) else None  # None: we are the server
        self._ended = False
        self._flight = bytearray()
        self._client_hello = b""
        self._server_hello = b""

    def start(self) -> None:
        """Begin the handshake: a client sends its hello, a server waits for one."""
        if self._check is not None:
            self._shake()

    def feed(self, data: bytes) -> bytes:
        """The plaintext that `data` completes; b"" while the handshake goes on.

        Raises UpstreamTlsError or ClientTlsError. Plaintext before a fault is given first, and
        the error by the next call.
        """
        if self.failure is not None:
            raise self.failure
        parts: list[bytes] = []
        try:
            if len(data) <= SLICE:
                self._take(data, parts)
            else:
                view = memoryview(data)
                for at in range(0, len(data), SLICE):
                    self._take(view[at : at + SLICE], parts)
        except SSL.Error as error:
            failure = self._fail(error)
            if not parts:
                raise failure from error
        if not parts:
            self._flush()  # a refused renegotiation, the rest of a handshake
            return b""
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data`. The handshake must be done. Raises as `feed` does."""
        assert self.established
        if self.failure is not None:
            raise self.failure
        connection = self._connection
        try:
            if len(data) <= SLICE:
                connection.sendall(data)
                self._flush()
                return
            view = memoryview(data)
            for at in range(0, len(data), SLICE):
                connection.sendall(view[at : at + SLICE])
                self._flush()
        except SSL.Error as error:
            raise self._fail(error) from error

    def close(self) -> None:
        """Send close_notify, once, if there is a connection to close."""
        if self._ended or not self.established or self.failure is not None:
            return
        self._ended = True
        try:
            self._connection.shutdown()
        except SSL.Error as error:
            raise self._fail(error) from error
        self._flush()

    def info(self) -> TlsInfo:
        """What is known by now, also after a handshake that failed.

        A server's engine leaves `client_hello` and `alpn_offered` to its caller, who has parsed
        the hello.
        """
        info = TlsInfo(client_hello=self._client_hello, server_hello=self._server_hello)
        connection, check = self._connection, self._check
        info.certificates = _chain(connection)
        if check is None:
            info.sni = (connection.get_servername() or b"").decode("ascii", "replace")
        else:
            info.verify_error = check.problem
            info.sni, info.alpn_offered = check.sni, check.alpn_offered
        if self.established:
            info.version = connection.get_protocol_version_name()
            info.cipher = connection.get_cipher_name() or ""
            info.group = _group(connection)
            info.alpn = connection.get_alpn_proto_negotiated().decode("latin-1")
            info.resumed = _resumed(connection)
        return info

    def _take(self, data: bytes | memoryview, parts: list[bytes]) -> None:
        """Feed OpenSSL a slice and append what comes out to `parts`."""
        if self.closed or not data:
            return
        connection = self._connection
        connection.bio_write(data)
        if not self.established:
            if self._check is not None and len(self._flight) < MAX_FLIGHT:
                self._flight += data
            self._shake()
            if not self.established:
                return
        try:
            while True:
                parts.append(connection.recv(RECORD))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.closed = True

    def _shake(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            self._flush()
            return
        self.established = True
        self._server_hello = server_hello(self._flight)
        self._flight = bytearray()
        self._flush()

    def _flush(self) -> None:
        """Give the sink all that OpenSSL wants sent."""
        size = SLICE + 2 * RECORD  # a slice and what its records add
        while True:
            try:
                data = self._connection.bio_read(size)
            except SSL.WantReadError:
                return
            if self._check is not None and not self._client_hello:
                self._client_hello = data[5:]  # the first thing a client sends is one record
            self._sink(data)
            if len(data) < size:
                return

    def _fail(self, error: SSL.Error) -> ConnectionProblem:
        """The problem that `error` is, after the alert about it was sent."""
        if self._flight:
            self._server_hello = server_hello(self._flight)
            self._flight = bytearray()
        self._flush()
        if self._check is None:
            self.failure = _client_problem(error)
        else:
            self.failure = _upstream_problem(error, self._check)
        return self.failure


def make_server_engine(
    contexts: Contexts, host: str, names: Sequence[str], alpn: bytes | None, sink: Sink
) -> TlsEngine:
    """The engine that answers a client as `host` (and `names`), with the protocol `alpn`."""
    return TlsEngine(contexts.server(host, names, alpn), sink)


def make_client_engine(
    contexts: Contexts,
    host: str,
    alpn: Sequence[bytes],
    sink: Sink,
    *,
    verify: bool = True,
    post_quantum: bool = True,
) -> TlsEngine:
    """The engine that asks a server for `host`, offers `alpn`, and checks the certificate.

    `post_quantum` offers hybrid groups too.
    """
    return TlsEngine(contexts.client(host, alpn, verify, post_quantum), sink)


@lru_cache(1024)
def peer_names(certificate: bytes) -> tuple[str, ...]:
    """The names that a DER certificate claims: DNS names, addresses, common name."""
    try:
        return certificate_names(x509.load_der_x509_certificate(certificate))
    except BROKEN:
        return ()


def server_hello(flight: bytes | bytearray) -> bytes:
    """The ServerHello at the head of a server's first bytes, b"" if there is none.

    One that only asks for another ClientHello (RFC 8446 4.1.4) is passed over.
    """
    messages, at = bytearray(), 0
    while at + 5 <= len(flight) and flight[at] in (20, 22):  # ChangeCipherSpec comes in between
        end = at + 5 + int.from_bytes(flight[at + 3 : at + 5], "big")
        if flight[at] == 22:
            messages += flight[at + 5 : end]
        at = end
    start = 0
    while start + 4 <= len(messages) and messages[start] == 2:
        end = start + 4 + int.from_bytes(messages[start + 1 : start + 4], "big")
        if messages[start + 6 : start + 38] != HELLO_RETRY:
            return bytes(messages[start:end]) if end <= len(messages) else b""
        start = end
    return b""


def _chain(connection: SSL.Connection) -> tuple[bytes, ...]:
    # not as cryptography's objects: those refuse some certificates that OpenSSL takes
    chain = connection.get_peer_cert_chain() or ()
    return tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, one) for one in chain)


def _group(connection: SSL.Connection) -> str:
    try:
        return connection.get_group_name() or ""
    except NotImplementedError:  # OpenSSL before 3.2
        return ""


def _resumed(connection: SSL.Connection) -> bool:
    lib = SSL._lib  # type: ignore[attr-defined]  # pyOpenSSL has no public name for this
    return bool(lib.SSL_session_reused(connection._ssl))


def _reason(error: SSL.Error) -> str:
    """OpenSSL's words for the first of its errors."""
    if isinstance(error, SSL.ZeroReturnError):
        return "the peer closed during the handshake"
    errors = error.args[0] if error.args else ()
    if isinstance(errors, list) and errors:
        return str(errors[0][-1]) or "OpenSSL gives no reason"
    return " ".join(str(part) for part in error.args)


def _alert(reason: str) -> str:
    """The alert in a reason such as "tlsv1 alert unknown ca", "" if it is none."""
    found = _ALERT.match(reason)
    return found[1] if found else ""


def _client_problem(error: SSL.Error) -> ClientTlsError:
    reason = _reason(error)
    alert = _alert(reason)
    if alert in TRUST_ALERTS:
        return ClientTlsError(
            f"the client does not trust our certificate (alert {alert!r}): let it trust the"
            " authority that `rama ca show` names, unless it accepts its own certificates only"
        )
    if alert:
        return ClientTlsError(f"the client ended TLS with the alert {alert!r}")
    if reason == "unsupported protocol":  # our own alert goes to the client
        return ClientTlsError("the client offers no TLS version from 1.2 on")
    return ClientTlsError(f"TLS with the client failed: {reason}")


def _upstream_problem(error: SSL.Error, check: Check) -> UpstreamTlsError:
    if check.required and check.problem:
        return UpstreamTlsError(f"{check.problem}; {check.remedy}", check.cause)
    reason = _reason(error)
    alert = _alert(reason)
    if alert in TRUST_ALERTS or alert == "certificate required":
        return UpstreamTlsError(
            f"{check.host} wants a client certificate that it trusts (alert {alert!r}); name one"
            " with --client-cert",
            "alert",
        )
    if alert == "protocol version" or reason == "unsupported protocol":
        return UpstreamTlsError(f"{check.host} offers no TLS version from 1.2 on", "protocol")
    if alert:
        return UpstreamTlsError(f"{check.host} ended TLS with the alert {alert!r}", "alert")
    if reason in NOT_TLS:
        return UpstreamTlsError(f"{check.host} does not speak TLS ({reason})", "protocol")
    if "too small" in reason or "too weak" in reason or "legacy sigalg" in reason:
        return UpstreamTlsError(f"{check.host} uses weak cryptography ({reason})", "weak")
    return UpstreamTlsError(f"TLS with {check.host} failed: {reason}", "protocol")
