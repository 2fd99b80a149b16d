"""Connections of both sides: what servers are accepted, what is shown to whom, what is logged."""

from __future__ import annotations

import re
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from rama_proxy.certs.authority import Authority
from rama_proxy.certs.contexts import MAX_LEAVES, Contexts
from rama_proxy.config import Options
from rama_proxy.errors import ConfigError, StartError, UpstreamTlsError
from rama_proxy.model.connection import TlsInfo
from rama_proxy.net.tls import make_client_engine, make_server_engine
from tests.support.issuer import Issuer, key_pem
from tests.support.tls_peers import StdlibPeer, play

ROOT = Issuer("Root")
MIDDLE = Issuer("Middle", ROOT)
GOOD = ROOT.leaf("localhost", "*.example.com", "127.0.0.1")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.load(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture
def trusting(authority: Authority, tmp_path: Path) -> Contexts:
    """Contexts that trust ROOT, beside the system's authorities."""
    return Contexts(authority, Options(ssl_ca=written(tmp_path, "root.pem", ROOT.pem)))


def written(directory: Path, name: str, data: bytes) -> str:
    (directory / name).write_bytes(data)
    return str(directory / name)


def server_context(directory: Path, pem: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(written(directory, "server.pem", pem))
    return context


def connect(
    contexts: Contexts, context: ssl.SSLContext, host: str = "localhost", *, verify: bool = True
) -> tuple[TlsInfo, StdlibPeer]:
    """The handshake of a client engine with a server of the standard library."""
    server = StdlibPeer(context, server_side=True)
    engine = make_client_engine(contexts, host, [b"http/1.1"], server.sink, verify=verify)
    play(engine, server)
    assert engine.established
    return engine.info(), server


# --- the certificates of servers


@pytest.mark.parametrize("host", ["localhost", "LocalHost.", "www.example.com", "127.0.0.1"])
def test_a_server_for_the_host_is_accepted(trusting: Contexts, tmp_path: Path, host: str) -> None:
    info, _ = connect(trusting, server_context(tmp_path, GOOD), host)
    assert info.verify_error == ""


SELF = Issuer("localhost")
WEAK_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)

BAD_SERVERS = [
    pytest.param(
        ROOT.leaf("localhost", days=(-9, -2)),
        "expired",
        r"the certificate of localhost expired on \d{4}-\d\d-\d\d \d\d:\d\d UTC",
        id="expired",
    ),
    pytest.param(
        ROOT.leaf("localhost", days=(2, 9)),
        "not-yet-valid",
        r"the certificate of localhost is not valid before \d{4}-\d\d-\d\d \d\d:\d\d UTC",
        id="not yet valid",
    ),
    pytest.param(
        ROOT.leaf("a.example", "b.example", "127.0.0.1", "c.example", "d.example"),
        "name-mismatch",
        "the certificate of localhost is for a.example, b.example, c.example and 2 more",
        id="wrong host",
    ),
    pytest.param(
        ROOT.leaf("\x1b[2J\r\n.example"),
        "name-mismatch",
        r"the certificate of localhost is for '\\x1b\[2J\\r\\n\.example'",
        id="hostile name",
    ),
    pytest.param(
        ROOT.leaf(common_name="localhost"),
        "name-mismatch",
        "the certificate of localhost names no host: it has no subjectAltName",
        id="common name alone",
    ),
    pytest.param(
        Issuer("Elsewhere").leaf("localhost"),
        "unknown-ca",
        "the certificate of localhost comes from 'Elsewhere', which is not trusted, or the server"
        " leaves out an intermediate certificate",
        id="unknown authority",
    ),
    pytest.param(
        SELF.pem + key_pem(SELF.key),
        "self-signed",
        "the certificate of localhost is self-signed",
        id="self-signed",
    ),
    pytest.param(
        MIDDLE.leaf("localhost"),
        "unknown-ca",
        "the certificate of localhost comes from 'Middle', which is not trusted, or the server"
        " leaves out an intermediate certificate",
        id="missing intermediate",
    ),
    pytest.param(
        ROOT.leaf("localhost", key=WEAK_KEY),
        "weak",
        "the certificate of localhost has a key or a signature that is too weak",
        id="weak key",
    ),
]


@pytest.mark.parametrize(("pem", "cause", "message"), BAD_SERVERS)
def test_a_bad_server_is_refused_with_its_cause(
    trusting: Contexts, tmp_path: Path, pem: bytes, cause: str, message: str
) -> None:
    server = StdlibPeer(server_context(tmp_path, pem), server_side=True)
    engine = make_client_engine(trusting, "localhost", [], server.sink)
    with pytest.raises(UpstreamTlsError, match=message) as caught:
        play(engine, server)
    assert caught.value.cause == cause
    assert str(caught.value).endswith("--ssl-insecure accepts any certificate")
    assert ("--ssl-ca FILE" in str(caught.value)) is (cause in ("unknown-ca", "self-signed"))
    info = engine.info()
    assert re.fullmatch(message, info.verify_error)
    assert info.certificates[0] == der(pem)
    server.step()
    assert server.error is not None, "the server was not told by an alert"


@pytest.mark.parametrize(("pem", "cause", "message"), BAD_SERVERS)
def test_what_is_wrong_is_known_where_any_server_is_accepted(
    authority: Authority, tmp_path: Path, pem: bytes, cause: str, message: str
) -> None:
    del cause
    trusted = written(tmp_path, "root.pem", ROOT.pem)
    contexts = Contexts(authority, Options(ssl_ca=trusted, ssl_insecure=True))
    info, _ = connect(contexts, server_context(tmp_path, pem))
    assert re.fullmatch(message, info.verify_error)
    assert info.version == "TLSv1.3"


def test_one_connection_may_go_unverified(trusting: Contexts, tmp_path: Path) -> None:
    context = server_context(tmp_path, Issuer("other").leaf("localhost"))
    info, _ = connect(trusting, context, verify=False)
    assert info.verify_error.startswith("the certificate of localhost comes from 'other'")


def test_a_root_that_the_server_sends_along_is_not_trusted_for_that(
    authority: Authority, tmp_path: Path
) -> None:
    pem = ROOT.leaf("localhost")
    certificate, mark, key = pem.partition(b"-----BEGIN PRIVATE KEY-----")
    context = server_context(tmp_path, certificate + ROOT.pem + mark + key)
    with pytest.raises(
        UpstreamTlsError, match="comes from 'Root', which is not trusted;"
    ) as caught:
        connect(Contexts(authority, Options()), context)
    assert caught.value.cause == "unknown-ca"


def test_an_intermediate_that_the_server_sends_completes_the_chain(
    trusting: Contexts, tmp_path: Path
) -> None:
    certificate, mark, key = MIDDLE.leaf("localhost").partition(b"-----BEGIN PRIVATE KEY-----")
    context = server_context(tmp_path, certificate + MIDDLE.pem + mark + key)
    info, _ = connect(trusting, context)
    assert info.certificates == (der(certificate), der(MIDDLE.pem))


def test_an_expired_issuer_is_named(trusting: Contexts, tmp_path: Path) -> None:
    old = Issuer("Old", ROOT, days=(-9, -1))
    certificate, mark, key = old.leaf("localhost").partition(b"-----BEGIN PRIVATE KEY-----")
    context = server_context(tmp_path, certificate + old.pem + mark + key)
    message = "'Old', an issuer of the certificate of localhost, expired on"
    with pytest.raises(UpstreamTlsError, match=message) as caught:
        connect(trusting, context)
    assert caught.value.cause == "expired"


def test_a_single_certificate_may_be_trusted(authority: Authority, tmp_path: Path) -> None:
    """Of an intermediate, or of the server itself."""
    for trusted, shown in ((MIDDLE.pem, MIDDLE.leaf("localhost")), (GOOD, GOOD)):
        contexts = Contexts(authority, Options(ssl_ca=written(tmp_path, "only.pem", trusted)))
        info, _ = connect(contexts, server_context(tmp_path, shown))
        assert info.verify_error == ""


def test_the_systems_authorities_are_trusted(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", written(tmp_path, "system.pem", ROOT.pem))
    other = Issuer("Other")
    both = Contexts(authority, Options(ssl_ca=written(tmp_path, "other.pem", other.pem)))
    for pem in (GOOD, other.leaf("localhost")):
        connect(both, server_context(tmp_path, pem))


def test_a_revoked_certificate_is_refused_where_a_list_is_given(
    authority: Authority, tmp_path: Path
) -> None:
    revoked, other = ROOT.leaf("localhost"), Issuer("Other")
    trusted = ROOT.pem + ROOT.revocation_list(revoked) + other.pem
    contexts = Contexts(authority, Options(ssl_ca=written(tmp_path, "ca.pem", trusted)))
    with pytest.raises(UpstreamTlsError, match="of localhost is revoked") as caught:
        connect(contexts, server_context(tmp_path, revoked))
    assert caught.value.cause == "revoked"
    connect(contexts, server_context(tmp_path, GOOD))
    connect(contexts, server_context(tmp_path, other.leaf("localhost")))  # has no list


def test_names_that_do_not_parse_are_no_names(trusting: Contexts, tmp_path: Path) -> None:
    san = x509.SubjectAlternativeName.oid
    broken = x509.UnrecognizedExtension(san, b"\x30\x03\x82\x01\xff")
    context = server_context(tmp_path, ROOT.leaf(extensions=[(broken, False)]))
    with pytest.raises(UpstreamTlsError) as caught:
        connect(trusting, context)
    assert caught.value.cause == "name-mismatch"


def der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


# --- client certificates


@pytest.fixture
def asking(tmp_path: Path) -> ssl.SSLContext:
    """A server that wants a client certificate of ROOT."""
    context = server_context(tmp_path, GOOD)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(written(tmp_path, "clients.pem", ROOT.pem))
    return context


def common_name(server: StdlibPeer) -> str:
    certificate = server.tls.getpeercert(binary_form=True)
    assert certificate is not None
    return x509.load_der_x509_certificate(certificate).subject.rfc4514_string()


def test_a_client_certificate_is_shown_to_its_host_alone(
    authority: Authority, tmp_path: Path, asking: ssl.SSLContext
) -> None:
    chain, mark, key = MIDDLE.leaf(common_name="wild").partition(b"-----BEGIN PRIVATE KEY-----")
    exact = written(tmp_path, "exact.pem", ROOT.leaf(common_name="exact"))
    wild = written(tmp_path, "wild=x.pem", chain + MIDDLE.pem + mark + key)
    rest = written(tmp_path, "rest.pem", ROOT.leaf(common_name="rest"))
    options = Options(
        ssl_insecure=True, client_cert=(f"localhost={exact}", f"*.example.com={wild}", rest)
    )
    contexts = Contexts(authority, options)
    for host, expect in (
        ("LOCALHOST", "CN=exact"),
        ("www.example.com", "CN=wild"),
        ("a.www.example.com", "CN=rest"),
        ("127.0.0.1", "CN=rest"),
    ):
        _, server = connect(contexts, asking, host)
        assert common_name(server) == expect


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_wants_a_certificate_says_so(
    trusting: Contexts, tmp_path: Path, asking: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    asking.minimum_version = asking.maximum_version = version
    server = StdlibPeer(asking, server_side=True)
    engine = make_client_engine(trusting, "localhost", [], server.sink)
    with pytest.raises(UpstreamTlsError) as caught:
        play(engine, server)
    assert caught.value.cause == "alert"
    if version is ssl.TLSVersion.TLSv1_3:  # 1.2 has no alert of its own for it
        assert "name one with --client-cert" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, r"cannot read --client-cert .*/c\.pem: No such file or directory"),
        (b"", "must hold a certificate and its private key as PEM"),
        (GOOD.partition(b"-----BEGIN PRIVATE")[0], "must hold a certificate and its private key"),
        (ROOT.pem + key_pem(MIDDLE.key), "the key in .* is not that of its first certificate"),
        (
            ROOT.pem
            + ROOT.key.private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
            ),
            "the key in --client-cert .* is encrypted",
        ),
    ],
)
def test_a_client_certificate_that_cannot_be_used_is_refused_at_once(
    authority: Authority, tmp_path: Path, data: bytes | None, message: str
) -> None:
    file = tmp_path / "c.pem"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(ConfigError, match=message):
        Contexts(authority, Options(client_cert=(f"localhost={file}",)))


def test_authorities_that_cannot_be_read_are_refused_at_once(
    authority: Authority, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"cannot read --ssl-ca .*: No such file"):
        Contexts(authority, Options(ssl_ca=str(tmp_path / "none.pem")))
    with pytest.raises(ConfigError, match=r"--ssl-ca .* holds no PEM certificate"):
        Contexts(authority, Options(ssl_ca=written(tmp_path, "empty.pem", b"no PEM")))


# --- leaves


def serial(contexts: Contexts, host: str, names: tuple[str, ...] = ()) -> int:
    leaf = contexts.server(host, names, None).get_certificate(as_cryptography=True)
    assert leaf is not None
    return leaf.serial_number


def test_a_leaf_is_signed_once_for_a_host_and_its_names(trusting: Contexts) -> None:
    first = serial(trusting, "a.example")
    assert serial(trusting, "a.example") == first
    assert serial(trusting, "b.example") != first
    assert serial(trusting, "a.example", ("b.example",)) != first


def test_the_leaves_used_least_recently_are_forgotten(trusting: Contexts) -> None:
    kept, lost = serial(trusting, "kept.example"), serial(trusting, "lost.example")
    for number in range(MAX_LEAVES - 1):
        serial(trusting, f"n{number}.example")
        if number % 100 == 0:
            assert serial(trusting, "kept.example") == kept
    assert serial(trusting, "kept.example") == kept
    assert serial(trusting, "lost.example") != lost


@pytest.mark.parametrize("jump", [86401.0, -3 * 86400.0, 10 * 365 * 86400.0])
def test_a_leaf_is_signed_anew_when_the_clock_has_gone_far(
    trusting: Contexts, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    before, start = serial(trusting, "a.example"), time.time()
    monkeypatch.setattr(time, "time", lambda: start + jump)
    after = serial(trusting, "a.example")
    assert after != before
    assert serial(trusting, "a.example") == after


# --- the key log


def test_both_sides_are_in_the_key_log_as_the_peers_have_it(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    contexts = Contexts(authority, Options(ssl_insecure=True))
    context = server_context(tmp_path, GOOD)
    context.keylog_filename = str(tmp_path / "server.log")
    connect(contexts, context)

    trusting = ssl.create_default_context(cafile=str(authority.path))
    trusting.keylog_filename = str(tmp_path / "client.log")
    client = StdlibPeer(trusting, server_side=False, host="localhost")
    play(make_server_engine(contexts, "localhost", (), None, client.sink), client)
    assert client.established

    assert log.stat().st_mode & 0o777 == 0o600
    lines = set(log.read_text().splitlines())
    for name in ("server.log", "client.log"):
        theirs = {line for line in (tmp_path / name).read_text().splitlines() if line[0] != "#"}
        assert {line.split()[0] for line in theirs} >= {"CLIENT_TRAFFIC_SECRET_0"}
        assert theirs <= lines


def test_the_key_log_is_appended_to(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "keys.log"
    log.write_text("# from before\n")
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    contexts = Contexts(authority, Options(ssl_insecure=True))
    connect(contexts, server_context(tmp_path, GOOD))
    assert log.read_text().startswith("# from before\nSERVER_HANDSHAKE_TRAFFIC_SECRET ")


def test_a_key_log_that_cannot_be_written_is_refused_at_once(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "none" / "keys.log"))
    with pytest.raises(StartError, match=r"cannot write SSLKEYLOGFILE .*: No such file"):
        Contexts(authority, Options())


def test_a_key_log_that_fails_later_ends_no_connection(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    contexts = Contexts(authority, Options(ssl_insecure=True))
    log.unlink()
    log.parent.rmdir()
    connect(contexts, server_context(tmp_path, GOOD))


def test_an_ed25519_key_may_be_a_clients(
    authority: Authority, tmp_path: Path, asking: ssl.SSLContext
) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    pem = ROOT.leaf(common_name="modern", key=key)
    contexts = Contexts(
        authority, Options(ssl_insecure=True, client_cert=(written(tmp_path, "ed.pem", pem),))
    )
    _, server = connect(contexts, asking)
    assert common_name(server) == "CN=modern"
