"""TLS connections prepared: certificates, verification, client certificates and the key log.

One context serves all clients and takes the leaf per connection (a context per host costs 26 KB);
one context asks all servers, and one more each client certificate. Knows nothing of sockets.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from rama_proxy.certs.authority import Authority
from rama_proxy.certs.names import MAX_NAMES, dns_name, ip_literal
from rama_proxy.certs.verify import Check, judge
from rama_proxy.config import Options
from rama_proxy.errors import ConfigError, StartError

# Mozilla's "intermediate", as of 5.7; the TLS 1.3 suites are OpenSSL's default.
CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    b"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    b"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
CLASSICAL_GROUPS = b"X25519:P-256:P-384"  # Mozilla's "intermediate"
MAX_LEAVES = 1024
LEAF_AGE = 86400.0  # a process that runs for months must not serve an expired leaf

ClientKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class Contexts:
    """Makes the connections of both sides. Raises ConfigError for options that cannot be used."""

    def __init__(self, authority: Authority, options: Options) -> None:
        self.authority = authority
        self._options = options
        self._keylog = _open_keylog(os.environ.get("SSLKEYLOGFILE", ""))
        self._server = self._server_context()
        self._clients = {"": self._client_context("")}
        for text in options.client_cert:
            host, file = _split_client_cert(text)
            self._clients[host] = self._client_context(file)
        self._leaves: OrderedDict[tuple[str, tuple[str, ...]], tuple[float, x509.Certificate]] = (
            OrderedDict()
        )

    def server(self, host: str, names: Sequence[str], alpn: bytes | None) -> SSL.Connection:
        """A connection that answers a client as `host`, which also has `names`.

        It selects exactly `alpn`, and none if the client does not offer that: RFC 7301 3.2 would
        have us break off, but a client that can go on without should.
        """
        connection = SSL.Connection(self._server, None)
        connection.set_app_data(alpn)
        connection.use_certificate(self._leaf(host, tuple(names[:MAX_NAMES])))
        connection.set_accept_state()
        return connection

    def client(
        self, host: str, alpn: Sequence[bytes], verify: bool = True, post_quantum: bool = True
    ) -> SSL.Connection:
        """A connection that asks for `host` and accepts its certificate or, without `verify`, any.

        Its application data is the Check of the server's certificate. Without `post_quantum` only
        classical groups are offered: a tenth of the whole handshake's cost.
        """
        connection = SSL.Connection(self._client_for(host), None)
        if not post_quantum:
            lib = SSL._lib  # type: ignore[attr-defined]  # pyOpenSSL has no public name for this
            lib.SSL_set1_curves_list(connection._ssl, CLASSICAL_GROUPS)
        check = Check(host, verify and not self._options.ssl_insecure)
        connection.set_app_data(check)
        if alpn:
            connection.set_alpn_protos(list(alpn))
            check.alpn_offered = tuple(name.decode("latin-1") for name in alpn)
        if not ip_literal(host) and (name := dns_name(host)):  # RFC 6066 3: no addresses
            connection.set_tlsext_host_name(name.encode())
            check.sni = name
        connection.set_connect_state()
        return connection

    def _leaf(self, host: str, names: tuple[str, ...]) -> x509.Certificate:
        key, now = (host, names), time.time()
        made, leaf = self._leaves.get(key, (0.0, None))
        if leaf is None or not 0 <= now - made < LEAF_AGE:
            made, leaf = now, self.authority.leaf(host, names)
            if len(self._leaves) >= MAX_LEAVES:
                self._leaves.popitem(last=False)
        self._leaves[key] = (made, leaf)
        self._leaves.move_to_end(key)
        return leaf

    def _client_for(self, host: str) -> SSL.Context:
        host = host.lower().removesuffix(".")
        for name in (host, f"*.{host.partition('.')[2]}"):
            if name in self._clients:
                return self._clients[name]
        return self._clients[""]

    def _server_context(self) -> SSL.Context:
        context = self._context(SSL.TLS_SERVER_METHOD)
        context.set_cipher_list(CIPHERS)
        context.use_privatekey(self.authority.leaf_key)
        # Chromium finds its pin in the chain only if the authority is sent along.
        context.add_extra_chain_cert(self.authority.certificate)
        context.set_alpn_select_callback(
            lambda connection, offered: (
                alpn
                if (alpn := connection.get_app_data()) in offered
                else SSL.NO_OVERLAPPING_PROTOCOLS
            )
        )
        return context

    def _client_context(self, client_cert: str) -> SSL.Context:
        context = self._context(SSL.TLS_CLIENT_METHOD)
        context.set_default_verify_paths()
        store = context.get_cert_store()
        assert store is not None
        flags = (
            crypto.X509StoreFlags.PARTIAL_CHAIN
        )  # as curl: trust what --ssl-ca names, root or not
        if self._options.ssl_ca and _load_ca(context, self._options.ssl_ca):
            flags |= crypto.X509StoreFlags.CRL_CHECK
        store.set_flags(flags)
        context.set_verify(SSL.VERIFY_PEER, judge)
        if client_cert:
            _load_client_cert(context, Path(client_cert))
        return context

    def _context(self, method: int) -> SSL.Context:
        context = SSL.Context(method)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # tickets need no memory here
        if self._keylog is not None:
            context.set_keylog_callback(self._keylog)
        return context


def _load_ca(context: SSL.Context, file: str) -> bool:
    """Trust what `file` holds; true if it has revocation lists too."""
    try:
        data = Path(file).read_bytes()
        context.load_verify_locations(file)
    except OSError as error:
        raise ConfigError(f"cannot read --ssl-ca {file}: {error.strerror}") from error
    except SSL.Error as error:
        raise ConfigError(f"--ssl-ca {file} holds no PEM certificate") from error
    return b"-----BEGIN X509 CRL-----" in data


def _split_client_cert(text: str) -> tuple[str, str]:
    """`[HOST=]FILE` in its parts; the host is "" for every host."""
    host, equals, file = text.partition("=")
    if equals and (ip_literal(host) or dns_name(host, wildcard=True)):
        return host.lower().removesuffix("."), file
    return "", text


def _load_client_cert(context: SSL.Context, path: Path) -> None:
    try:
        data = path.read_bytes()
        certificates = x509.load_pem_x509_certificates(data)
        key = load_pem_private_key(data, None)
    except OSError as error:
        raise ConfigError(f"cannot read --client-cert {path}: {error.strerror}") from error
    except TypeError as error:
        raise ConfigError(f"the key in --client-cert {path} is encrypted") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(
            f"--client-cert {path} must hold a certificate and its private key as PEM"
        ) from error
    if not isinstance(key, ClientKey):
        raise ConfigError(f"the key in --client-cert {path} is of a kind that TLS cannot use")
    if key.public_key() != certificates[0].public_key():
        raise ConfigError(f"the key in --client-cert {path} is not that of its first certificate")
    context.use_certificate(certificates[0])
    context.use_privatekey(key)
    for issuer in certificates[1:]:
        context.add_extra_chain_cert(issuer)


class _KeyLog:
    """Appends to the file that SSLKEYLOGFILE names, in NSS format, for Wireshark."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._append(b"")

    def __call__(self, connection: SSL.Connection, line: bytes) -> None:
        with contextlib.suppress(OSError):  # a full disk must not end connections
            self._append(line + b"\n")

    def _append(self, data: bytes) -> None:
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)


def _open_keylog(path: str) -> _KeyLog | None:
    if not path:
        return None
    try:
        return _KeyLog(path)
    except OSError as error:
        raise StartError(f"cannot write SSLKEYLOGFILE {path}: {error.strerror}") from error
