"""The TLS engine: against the standard library in memory, and against the clients people use."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import ssl
import subprocess
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from rama_proxy.certs.authority import Authority
from rama_proxy.certs.contexts import Contexts
from rama_proxy.config import Options
from rama_proxy.errors import ClientTlsError, UpstreamTlsError
from rama_proxy.net.tls import (
    TlsEngine,
    make_client_engine,
    make_server_engine,
    peer_names,
    server_hello,
)
from rama_proxy.protocols.client_hello import parse_handshake
from tests.support.issuer import Issuer
from tests.support.peers import clean_env, curl, program
from tests.support.tls_peers import EngineServer, StdlibPeer, engine_server, play

ROOT = Issuer("Root")
GOOD = ROOT.leaf("localhost")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.load(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(scope="module")
def contexts(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    file = tmp_path_factory.mktemp("root") / "root.pem"
    file.write_bytes(ROOT.pem)
    return Contexts(authority, Options(ssl_ca=str(file)))


@pytest.fixture
def trusting(authority: Authority) -> ssl.SSLContext:
    """A client of the standard library that trusts our authority, by the rules of Python 3.13."""
    context = ssl.create_default_context(cafile=str(authority.path))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


@pytest.fixture
def good_server(tmp_path: Path) -> ssl.SSLContext:
    """A server of the standard library that `contexts` trust."""
    (tmp_path / "server.pem").write_bytes(GOOD)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    return context


def serve(
    contexts: Contexts, client: StdlibPeer, host: str = "localhost", alpn: bytes | None = None
) -> TlsEngine:
    """The server engine after it talked with `client`."""
    engine = make_server_engine(contexts, host, (), alpn, client.sink)
    play(engine, client)
    return engine


def ask(contexts: Contexts, context: ssl.SSLContext) -> tuple[TlsEngine, StdlibPeer]:
    """A client engine and its server, after the handshake."""
    server = StdlibPeer(context, server_side=True)
    engine = make_client_engine(contexts, "localhost", [b"http/1.1"], server.sink)
    play(engine, server)
    assert engine.established
    return engine, server


def pair(contexts: Contexts) -> tuple[TlsEngine, TlsEngine, list[bytes], list[bytes]]:
    """A server's and a client's engine, and what each has sent after the handshake."""
    to_client: list[bytes] = []
    to_server: list[bytes] = []
    server = make_server_engine(contexts, "localhost", (), None, to_client.append)
    client = make_client_engine(contexts, "localhost", [], to_server.append, verify=False)
    client.start()
    while to_client or to_server:
        for engine, flight in ((server, to_server), (client, to_client)):
            data = b"".join(flight)
            flight.clear()
            engine.feed(data)
    assert server.established
    assert client.established
    return server, client, to_client, to_server


def make_old(context: ssl.SSLContext) -> None:
    """Let `context` know nothing newer than TLS 1.1."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1


# --- our side as server


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_that_trusts_us_talks_both_ways(
    contexts: Contexts, trusting: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    trusting.maximum_version = version
    client = StdlibPeer(trusting, server_side=False, host="localhost")
    engine = serve(contexts, client)
    assert engine.feed(client.write(b"ping")) == b"ping"
    engine.write(b"pong")
    client.step()
    assert client.received == b"pong"
    info = engine.info()
    assert info.version == version.name.replace("_", ".")
    assert info.cipher == client.tls.cipher()[0]  # type: ignore[index]  # there is one
    assert info.group.lower() == "x25519"
    assert info.sni == "localhost"
    assert not info.resumed


def test_the_chain_holds_the_authority(contexts: Contexts, authority: Authority) -> None:
    _, client, _, _ = pair(contexts)
    leaf, issuer = client.info().certificates
    assert peer_names(leaf) == ("localhost",)
    assert issuer == ssl.PEM_cert_to_DER_cert(authority.pem.decode())


@pytest.mark.parametrize(
    ("offered", "ours", "expect"),
    [
        (["h2", "http/1.1"], b"http/1.1", "http/1.1"),
        (["h2", "http/1.1"], b"h2", "h2"),
        (["h2"], b"http/1.1", ""),
        (["h2"], None, ""),
        ([], b"h2", ""),
    ],
)
def test_alpn_is_exactly_the_given_protocol_or_none(
    contexts: Contexts,
    trusting: ssl.SSLContext,
    offered: list[str],
    ours: bytes | None,
    expect: str,
) -> None:
    if offered:
        trusting.set_alpn_protocols(offered)
    client = StdlibPeer(trusting, server_side=False, host="localhost")
    engine = serve(contexts, client, alpn=ours)
    assert engine.established
    assert engine.info().alpn == expect
    assert (client.tls.selected_alpn_protocol() or "") == expect


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "a" * 60 + ".example"])
def test_a_host_of_any_form_is_accepted(
    contexts: Contexts, trusting: ssl.SSLContext, host: str
) -> None:
    client = StdlibPeer(trusting, server_side=False, host=host)
    assert serve(contexts, client, host).established
    assert client.established


def test_a_client_that_does_not_trust_us_is_told_apart(contexts: Contexts) -> None:
    client = StdlibPeer(ssl.create_default_context(), server_side=False, host="localhost")
    engine = make_server_engine(contexts, "localhost", (), None, client.sink)
    with pytest.raises(ClientTlsError, match="the client does not trust our certificate"):
        play(engine, client)
    assert "`rama ca show`" in str(engine.failure)
    with pytest.raises(ClientTlsError):
        engine.feed(b"more")


@pytest.mark.parametrize(
    ("alert", "message"),
    [
        (42, r"does not trust our certificate \(alert 'bad certificate'"),
        (43, r"does not trust our certificate \(alert 'unsupported certificate'"),
        (46, r"does not trust our certificate \(alert 'certificate unknown'"),
        (48, r"does not trust our certificate \(alert 'unknown ca'"),
        (40, "ended TLS with the alert 'handshake failure'"),
        (80, "ended TLS with the alert 'internal error'"),
        (110, "ended TLS with the alert 'unsupported extension'"),
        (255, "TLS with the client failed: OpenSSL gives no reason"),
    ],
)
def test_alerts_of_clients_are_read(
    contexts: Contexts, trusting: ssl.SSLContext, alert: int, message: str
) -> None:
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2  # 1.3 encrypts them
    client = StdlibPeer(trusting, server_side=False, host="localhost")
    engine = make_server_engine(contexts, "localhost", (), None, client.sink)
    engine.feed(client.step())
    with pytest.raises(ClientTlsError, match=message):
        engine.feed(b"\x15\x03\x03\x00\x02\x02" + bytes([alert]))


def test_a_client_of_old_is_told_what_is_missing(
    contexts: Contexts, trusting: ssl.SSLContext
) -> None:
    make_old(trusting)
    client = StdlibPeer(trusting, server_side=False, host="localhost")
    engine = make_server_engine(contexts, "localhost", (), None, client.sink)
    with pytest.raises(ClientTlsError, match=r"offers no TLS version from 1\.2 on"):
        play(engine, client)
    client.step()
    assert "alert protocol version" in str(client.error)


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x00\x00", b"\x80" * 50, b"\x17\x03\x03\x00\x01a"])
def test_garbage_for_a_hello_is_a_problem_of_the_client(contexts: Contexts, data: bytes) -> None:
    engine = make_server_engine(contexts, "localhost", (), None, lambda data: None)
    with pytest.raises(ClientTlsError, match=r"TLS with the client failed: \w+"):
        feed_often(engine, data)  # OpenSSL bears with some empty records


@pytest.mark.parametrize("size", [1, 7, 200])
def test_a_hello_cut_into_small_records_goes_on(
    contexts: Contexts, trusting: ssl.SSLContext, size: int
) -> None:
    client = StdlibPeer(trusting, server_side=False, host="localhost")
    hello = client.step()[5:]
    engine = make_server_engine(contexts, "localhost", (), None, client.sink)
    for at in range(0, len(hello), size):
        part = hello[at : at + size]
        engine.feed(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part)
    play(engine, client)
    assert engine.established
    assert engine.feed(client.write(b"ping")) == b"ping"


def test_a_hello_that_asks_for_too_much_is_refused(contexts: Contexts) -> None:
    engine = make_server_engine(contexts, "localhost", (), None, lambda data: None)
    record = b"\x16\x03\x01\x40\x00" + b"\x01\xff\xff\xff" + bytes(0x4000 - 4)
    with pytest.raises(ClientTlsError):
        feed_often(engine, record)


def feed_often(engine: TlsEngine, data: bytes) -> None:
    for _ in range(40):
        engine.feed(data)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_and_that_is_known(
    contexts: Contexts, trusting: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    trusting.maximum_version = version
    first = StdlibPeer(trusting, server_side=False, host="localhost")
    serve(contexts, first)
    again = StdlibPeer(trusting, server_side=False, host="localhost", session=first.tls.session)
    engine = serve(contexts, again)
    assert again.tls.session_reused
    assert engine.info().resumed


# --- our side as client


def test_what_was_negotiated_is_known(contexts: Contexts, good_server: ssl.SSLContext) -> None:
    good_server.set_alpn_protocols(["http/1.1"])
    engine, server = ask(contexts, good_server)
    info = engine.info()
    assert info.version == "TLSv1.3"
    assert info.cipher == server.tls.cipher()[0]  # type: ignore[index]  # there is one
    assert info.group.lower() == "x25519"
    assert (info.alpn, info.alpn_offered, info.sni) == ("http/1.1", ("http/1.1",), "localhost")
    assert info.verify_error == ""
    hello = parse_handshake(info.client_hello)
    assert (hello.sni, hello.alpn) == ("localhost", (b"http/1.1",))
    assert info.server_hello[:4] == bytes([2, 0, 0, len(info.server_hello) - 4])


def test_an_address_is_no_server_name(contexts: Contexts, good_server: ssl.SSLContext) -> None:
    server = StdlibPeer(good_server, server_side=True)
    engine = make_client_engine(contexts, "127.0.0.1", [], server.sink, verify=False)
    play(engine, server)
    assert parse_handshake(engine.info().client_hello).sni == ""
    assert engine.info().sni == ""


def test_the_server_hello_is_the_one_after_a_retry(
    contexts: Contexts, good_server: ssl.SSLContext
) -> None:
    good_server.set_ecdh_curve("secp384r1")
    flights: list[bytes] = []
    server = StdlibPeer(good_server, server_side=True)
    engine = make_client_engine(contexts, "localhost", [], server.sink)
    engine.start()
    while data := server.step():
        flights.append(data)
        for at in range(0, len(data), 50):
            engine.feed(data[at : at + 50])
    assert engine.info().group.lower() == "secp384r1"
    found = engine.info().server_hello
    assert found in flights[1]
    assert flights[0][5:] not in found  # that one asked to try again


@pytest.mark.parametrize(
    ("flight", "expect"),
    [
        (b"", b""),
        (b"\x16\x03\x03\x00\x06\x02\x00\x00\x02ab", b"\x02\x00\x00\x02ab"),
        (b"\x16\x03\x03\x00\x03\x02\x00\x00\x16\x03\x03\x00\x03\x02ab", b"\x02\x00\x00\x02ab"),
        (b"\x16\x03\x03\x00\x06\x02\x00\x00\x09ab", b""),
        (b"\x16\x03\x03\x00\x06\x0b\x00\x00\x02ab", b""),
        (b"\x15\x03\x03\x00\x02\x02\x28", b""),
        (b"HTTP/1.1 400 Bad Request\r\n", b""),
    ],
)
def test_a_server_hello_is_found_in_records(flight: bytes, expect: bytes) -> None:
    assert server_hello(flight) == expect


@pytest.mark.parametrize(
    ("answer", "cause", "message"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol", "localhost does not speak TLS"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "protocol", "localhost does not speak TLS"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "alert", "with the alert 'handshake failure'"),
        (b"\x15\x03\x01\x00\x02\x02\x70", "alert", "with the alert 'unrecognized name'"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "protocol", r"offers no TLS version from 1\.2 on"),
        (b"\x15\x03\x01\x00\x02\x01\x00", "protocol", "the peer closed during the handshake"),
    ],
)
def test_a_server_that_does_not_do_tls_with_us(
    contexts: Contexts, answer: bytes, cause: str, message: str
) -> None:
    engine = make_client_engine(contexts, "localhost", [], lambda data: None)
    engine.start()
    with pytest.raises(UpstreamTlsError, match=message) as caught:
        engine.feed(answer)
    assert caught.value.cause == cause
    assert engine.info().version == ""


def test_a_server_of_old_is_refused_for_its_version(
    contexts: Contexts, good_server: ssl.SSLContext
) -> None:
    make_old(good_server)
    with pytest.raises(UpstreamTlsError, match=r"no TLS version from 1\.2 on") as caught:
        ask(contexts, good_server)
    assert caught.value.cause == "protocol"


def test_a_server_that_wants_to_renegotiate_is_told_no_at_once(
    contexts: Contexts, tmp_path: Path
) -> None:
    (tmp_path / "server.pem").write_bytes(GOOD)
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.use_certificate_file(str(tmp_path / "server.pem"))
    context.use_privatekey_file(str(tmp_path / "server.pem"))
    server = SSL.Connection(context, None)
    server.set_accept_state()

    def sink(data: bytes) -> None:
        server.bio_write(data)

    engine = make_client_engine(contexts, "localhost", [], sink)
    engine.start()
    while not engine.established:
        with_want_read(server.do_handshake)
        engine.feed(server.bio_read(65536))
    with_want_read(server.do_handshake)
    server.renegotiate()
    with_want_read(server.do_handshake)
    assert engine.feed(server.bio_read(65536)) == b""
    with pytest.raises(SSL.Error, match="no renegotiation"):
        server.recv(1)


def with_want_read(step: Callable[[], None]) -> None:
    try:
        step()
    except SSL.WantReadError:
        return


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=3))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_server_that_sends_anything_raises_nothing_else(
    contexts: Contexts, good_server: ssl.SSLContext, changes: list[tuple[int, int]]
) -> None:
    """Under TLS 1.2, where the certificate goes in the clear, and accepted as it comes."""
    good_server.maximum_version = ssl.TLSVersion.TLSv1_2
    server = StdlibPeer(good_server, server_side=True)
    engine = make_client_engine(contexts, "localhost", [], server.sink, verify=False)
    engine.start()
    flight = bytearray(server.step())
    for place, byte in changes:
        flight[place % len(flight)] = byte
    with contextlib.suppress(UpstreamTlsError), warnings.catch_warnings(action="ignore"):
        engine.feed(bytes(flight))
    engine.info()


def test_a_certificate_that_does_not_parse_is_refused_and_hurts_nobody_else(
    contexts: Contexts, good_server: ssl.SSLContext
) -> None:
    good_server.maximum_version = ssl.TLSVersion.TLSv1_2
    server = StdlibPeer(good_server, server_side=True)
    engine = make_client_engine(contexts, "localhost", [], server.sink)
    engine.start()
    version = b"\xa0\x03\x02\x01"
    flight = server.step().replace(version + b"\x02", version + b"\x41")  # X.509 version 66
    with pytest.raises(UpstreamTlsError, match="of localhost does not parse") as caught:
        engine.feed(flight)
    assert caught.value.cause == "other"
    assert peer_names(engine.info().certificates[0]) == ()
    ask(contexts, good_server)


@given(data=st.binary(max_size=200))
def test_a_client_that_sends_anything_raises_nothing_else(contexts: Contexts, data: bytes) -> None:
    engine = make_server_engine(contexts, "localhost", (), None, lambda data: None)
    with contextlib.suppress(ClientTlsError):
        engine.feed(b"\x16\x03\x01" + len(data).to_bytes(2, "big") + data)
    engine.info()


# --- data


def test_large_data_goes_both_ways_in_bounded_slices(contexts: Contexts) -> None:
    server, client, to_client, to_server = pair(contexts)
    data = os.urandom(1 << 20)
    for writer, reader, flight in ((server, client, to_client), (client, server, to_server)):
        writer.write(data)
        assert max(map(len, flight)) < 40_000
        assert reader.feed(b"".join(flight)) == data
        flight.clear()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_can_be_written(contexts: Contexts, kind: Callable[[bytes], bytes]) -> None:
    server, client, to_client, _ = pair(contexts)
    server.write(kind(b"abc"))
    server.write(kind(b""))
    server.write(kind(b"d" * 100_000))
    assert client.feed(b"".join(to_client)) == b"abc" + b"d" * 100_000


def test_ciphertext_may_come_byte_by_byte(contexts: Contexts) -> None:
    server, client, to_client, _ = pair(contexts)
    server.write(b"hello")
    wire = b"".join(to_client)
    parts = [client.feed(wire[at : at + 1]) for at in range(len(wire))]
    assert b"".join(parts) == b"hello"


def test_the_peers_close_notify_is_seen_and_a_mere_end_is_not(contexts: Contexts) -> None:
    server, client, to_client, to_server = pair(contexts)
    server.write(b"bye")
    assert client.feed(b"".join(to_client)) == b"bye"
    assert not client.closed
    to_client.clear()
    server.close()
    server.close()
    assert len(to_client) == 1
    assert client.feed(to_client[0]) == b""
    assert client.closed
    client.write(b"still here")  # RFC 8446 6.1: one direction ends alone
    assert server.feed(b"".join(to_server)) == b"still here"


def test_nothing_counts_after_close_notify(contexts: Contexts) -> None:
    server, client, to_client, _ = pair(contexts)
    server.close()
    assert client.feed(b"".join(to_client) + b"HTTP/1.1 200 OK\r\n\r\n") == b""
    assert client.feed(b"more") == b""
    assert client.failure is None


def test_close_before_the_handshake_sends_nothing(contexts: Contexts) -> None:
    sent: list[bytes] = []
    make_server_engine(contexts, "localhost", (), None, sent.append).close()
    assert sent == []


def test_plaintext_before_a_fault_is_given_before_the_error(contexts: Contexts) -> None:
    server, client, to_client, to_server = pair(contexts)
    server.write(b"good")
    server.write(b"tampered")
    good, bad = to_client
    wire = good + bad[:-1] + bytes([bad[-1] ^ 1])
    assert client.feed(wire) == b"good"
    assert client.failure is not None
    with pytest.raises(UpstreamTlsError, match=r"TLS with localhost failed: \w+"):
        client.feed(b"")
    with pytest.raises(UpstreamTlsError):
        client.write(b"x")
    assert to_server, "the peer was told by an alert"
    with pytest.raises(ClientTlsError, match="alert 'bad record mac'"):
        server.feed(b"".join(to_server))


def test_an_engine_leaves_with_its_last_reference(contexts: Contexts) -> None:
    """Without the collector: a thousand connections a second must not wait for it."""
    server, client, _, _ = pair(contexts)
    alive = weakref.ref(server._connection), weakref.ref(client._connection)
    gc.disable()
    try:
        del server, client
        assert [ref() for ref in alive] == [None, None]
    finally:
        gc.enable()


def test_idle_pairs_take_little_memory(contexts: Contexts) -> None:
    before = resident()
    pairs = [pair(contexts) for _ in range(200)]
    assert resident() - before < len(pairs) * 160 * 1024  # 90 KiB measured, both ends
    before = resident()
    for server, client, to_client, _ in pairs:
        server.write(bytes(200_000))
        client.feed(b"".join(to_client))
        to_client.clear()
    assert resident() - before < len(pairs) * 200 * 1024  # 110 KiB measured, both ends


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_names_of_what_is_no_certificate_are_none() -> None:
    assert peer_names(b"") == ()
    assert peer_names(b"\x30\x03\x02\x01\x00") == ()


# --- clients that people use


@pytest.fixture
def server(contexts: Contexts) -> Iterator[EngineServer]:
    def make(sink: Callable[[bytes], None]) -> TlsEngine:
        return make_server_engine(contexts, "localhost", ("127.0.0.1",), b"http/1.1", sink)

    with engine_server(make) as running:
        yield running


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_curl(server: EngineServer, authority: Authority, host: str, version: str) -> None:
    limits = [f"--tlsv{version}", "--tls-max", version, "--ipv4"]
    answer = curl(*limits, "--cacert", str(authority.path), f"https://{host}:{server.port}/")
    assert (answer.body, answer.error) == (b"hello", "")
    assert server.engines[0].info().version == f"TLSv{version}"


def test_curl_without_our_authority(server: EngineServer) -> None:
    assert curl(f"https://localhost:{server.port}/").exit_code == 60
    server.close()
    [error] = server.errors
    assert "the client does not trust our certificate" in str(error)


def test_openssl_s_client(server: EngineServer, authority: Authority) -> None:
    options = (
        f"-connect 127.0.0.1:{server.port} -servername localhost -alpn h2,http/1.1 -ign_eof"
        " -verify_hostname localhost -verify_return_error -x509_strict -CAfile"
    )
    run = subprocess.run(
        [program("openssl"), "s_client", *options.split(), str(authority.path)],
        input=b"GET / HTTP/1.1\r\n\r\n",
        capture_output=True,
        timeout=30,
    )
    assert b"Verify return code: 0 (ok)" in run.stdout
    assert b"ALPN protocol: http/1.1" in run.stdout
    assert b"hello" in run.stdout


def test_python(server: EngineServer, trusting: ssl.SSLContext) -> None:
    with (
        socket.create_connection(("127.0.0.1", server.port), 10) as raw,
        trusting.wrap_socket(raw, server_hostname="localhost") as tls,
    ):
        tls.sendall(b"GET / HTTP/1.1\r\n\r\n")
        data = b""
        while part := tls.recv(65536):  # ends by close_notify, else SSLEOFError
            data += part
    assert data.endswith(b"\r\n\r\nhello")


def test_chromium_by_the_pin_of_our_authority(
    server: EngineServer, authority: Authority, tmp_path: Path
) -> None:
    """Chromium looks for the pin in the chain that it was sent."""
    command = [
        *(program("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        f"--user-data-dir={tmp_path}",
        f"--ignore-certificate-errors-spki-list={authority.spki_sha256}",
        *("--dump-dom", f"https://localhost:{server.port}/"),
    ]
    run = subprocess.run(command, env=clean_env(), capture_output=True, timeout=60)
    assert b"hello" in run.stdout
