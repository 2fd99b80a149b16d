"""TLS in the middle: handshakes in order, names and protocols mirrored, failures told."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from rama_proxy import Addon, ClientHelloData
from rama_proxy.config import Options
from rama_proxy.protocols.client_hello import parse_handshake
from tests.support.certificates import TestAuthority
from tests.support.running import Running, closed, origin, running

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


async def ask(
    engine: Running, port: int, context: ssl.SSLContext, host: str = "localhost"
) -> tuple[bytes, ssl.SSLObject]:
    """One request through a tunnel in TLS: the answer and the client's side of the TLS."""
    reader, writer = await engine.tunnel("localhost", port)
    await writer.start_tls(context, server_hostname=host)
    tls = writer.get_extra_info("ssl_object")
    writer.write(f"GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    await closed(writer)
    return answer, tls


def shake_hands(proxy: tuple[str, int], port: int, context: ssl.SSLContext) -> None:
    """A handshake through a tunnel, with nothing after it."""
    with socket.create_connection(proxy, 5) as sock:
        sock.sendall(
            f"CONNECT localhost:{port} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode()
        )
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")
        context.wrap_socket(sock, server_hostname="localhost").close()


async def test_decrypted_exchange(tmp_path: Path, ca: TestAuthority) -> None:
    context = ca.server_context("localhost", "other.test")
    context.set_alpn_protocols(["http/1.1"])
    async with (
        origin(OK, context) as port,
        running(tmp_path, Options(ssl_ca=str(ca.path))) as engine,
    ):
        answer, tls = await ask(engine, port, engine.trusting(["h2", "http/1.1"]))
        assert answer == OK
        assert tls.selected_alpn_protocol() == "http/1.1"
        certificate = tls.getpeercert()
        assert certificate is not None
        assert certificate["subjectAltName"] == (("DNS", "localhost"), ("DNS", "other.test"))
        (flow,) = engine.flows()
    assert flow.request.url == f"https://localhost:{port}/x"
    assert flow.server is not None
    client, server = flow.client.tls, flow.server.tls
    assert client is not None
    assert server is not None
    assert (client.sni, client.alpn_offered, client.alpn) == (
        "localhost",
        ("h2", "http/1.1"),
        "http/1.1",
    )
    assert client.client_hello[:1] == b"\x01"
    assert server.alpn_offered == ("h2", "http/1.1")
    assert server.certificates
    assert server.verify_error == ""
    assert flow.client.annotations["ja4"].startswith("t13d")


async def test_groups_of_the_client_are_mirrored(tmp_path: Path, ca: TestAuthority) -> None:
    async with (
        origin(OK, ca.server_context("localhost")) as port,
        running(tmp_path, Options(ssl_ca=str(ca.path))) as engine,
    ):
        await ask(engine, port, engine.trusting())
        (flow,) = engine.flows()
    assert flow.client.tls is not None
    assert flow.server is not None
    assert flow.server.tls is not None
    asked = parse_handshake(flow.client.tls.client_hello).groups
    offered = parse_handshake(flow.server.tls.client_hello).groups
    assert (0x11EC in offered) is (0x11EC in asked)  # OpenSSL offers it from 3.5 on
    assert 0x001D in offered


async def test_server_without_alpn_is_mirrored(tmp_path: Path, ca: TestAuthority) -> None:
    async with (
        origin(OK, ca.server_context("localhost")) as port,
        running(tmp_path, Options(ssl_ca=str(ca.path))) as engine,
    ):
        answer, tls = await ask(engine, port, engine.trusting())
    assert answer == OK
    assert tls.selected_alpn_protocol() is None


async def test_untrusted_server_is_explained_inside_the_tls(
    tmp_path: Path, ca: TestAuthority
) -> None:
    async with (
        origin(OK, ca.server_context("localhost", last_day=-1, first_day=-9)) as port,
        running(tmp_path, Options(ssl_ca=str(ca.path))) as engine,
    ):
        answer, _ = await ask(engine, port, engine.trusting())
        (flow,) = engine.flows()
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert b"expired" in answer
    assert b"--ssl-insecure" in answer
    assert "expired" in flow.error
    assert flow.request.path == "/x"
    assert flow.server is not None
    assert "expired" in flow.server.error


async def test_insecure_notes_what_it_let_pass(tmp_path: Path, ca: TestAuthority) -> None:
    async with (
        origin(OK, ca.server_context("localhost", self_signed=True)) as port,
        running(tmp_path, Options(ssl_insecure=True)) as engine,
    ):
        answer, _ = await ask(engine, port, engine.trusting())
        (flow,) = engine.flows()
    assert answer == OK
    assert flow.server is not None
    assert flow.server.tls is not None
    assert flow.server.tls.verify_error


async def test_client_that_does_not_trust_us_gets_a_row(tmp_path: Path, ca: TestAuthority) -> None:
    strange = ssl.create_default_context(cafile=str(ca.path))
    async with (
        origin(OK, ca.server_context("localhost")) as port,
        running(tmp_path, Options(ssl_ca=str(ca.path))) as engine,
    ):
        address = engine.proxy.addresses[0]
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.to_thread(shake_hands, address, port, strange)
        await engine.ended()
        (flow,) = engine.flows()
    assert flow.kind == "tls"
    assert "does not trust" in flow.error
    assert (flow.request.host, flow.request.port) == ("localhost", port)


async def test_server_that_never_ends_its_handshake(tmp_path: Path) -> None:
    async with origin(OK) as port, running(tmp_path, Options(handshake_timeout=0.2)) as engine:
        answer, _ = await ask(engine, port, engine.trusting())
    assert answer.startswith(b"HTTP/1.1 504 ")
    assert b"no complete TLS handshake within 0.2 s" in answer


async def test_server_that_speaks_no_tls(tmp_path: Path) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await closed(writer)

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with running(tmp_path) as engine:
        answer, _ = await ask(engine, server.sockets[0].getsockname()[1], engine.trusting())
    server.close()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"does not speak TLS" in answer


async def test_addon_passes_tls_on_unopened(tmp_path: Path, ca: TestAuthority) -> None:
    class LetAlone(Addon):
        def tls_clienthello(self, data: ClientHelloData) -> None:
            data.ignore_connection = data.client_hello.sni == "localhost"

    own = ssl.create_default_context(cafile=str(ca.path))
    async with origin(OK, ca.server_context("localhost")) as port, running(tmp_path) as engine:
        engine.proxy.hooks.set_addons([LetAlone()])
        answer, tls = await ask(engine, port, own)
        certificate = tls.getpeercert()
        await engine.ended()
        (flow,) = engine.flows()
    assert answer == OK
    assert certificate is not None
    assert flow.kind == "tcp"
    assert "TLS passed on unopened" in flow.notes
    assert flow.request.body.size > 0


async def test_tls_to_the_proxy_itself_then_through_it(tmp_path: Path, ca: TestAuthority) -> None:
    async with (
        origin(OK, ca.server_context("localhost")) as port,
        running(tmp_path, Options(ssl_ca=str(ca.path))) as engine,
    ):
        reader, writer = await engine.connect()
        context = engine.trusting()
        await writer.start_tls(context, server_hostname="127.0.0.1")
        outer = writer.get_extra_info("ssl_object")
        assert outer.version() == "TLSv1.3"
        writer.write(f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        refused = await reader.read()
        assert refused.startswith(b"HTTP/1.1 400 ")  # Host contradicts the target
        await closed(writer)


async def test_reverse_mode_ends_tls_for_a_plain_server(tmp_path: Path) -> None:
    async with (
        origin(OK) as port,
        running(tmp_path, Options(mode=f"reverse:http://127.0.0.1:{port}")) as engine,
    ):
        reader, writer = await engine.connect()
        await writer.start_tls(engine.trusting(), server_hostname="shown.test")
        writer.write(b"GET / HTTP/1.1\r\nHost: shown.test\r\nConnection: close\r\n\r\n")
        assert await reader.read() == OK
        await closed(writer)
        (flow,) = engine.flows()
    assert flow.request.url == f"http://127.0.0.1:{port}/"
    assert flow.client.tls is not None
    assert flow.client.tls.sni == "shown.test"


async def test_hello_that_is_none_gets_a_row(tmp_path: Path) -> None:
    async with origin(OK) as port, running(tmp_path) as engine:
        reader, writer = await engine.tunnel("127.0.0.1", port)
        writer.write(b"\x16\x03\x01\x00\x04\x01\x00\x00\x00")
        assert await reader.read() == b""
        await closed(writer)
        await engine.ended()
        (flow,) = engine.flows()
    assert flow.kind == "tls"
    assert "TLS hello" in flow.error
