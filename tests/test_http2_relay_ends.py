"""HTTP/2 that ends in the wrong moment: nothing waits for ever, no memory and no window is lost."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from h2.errors import ErrorCodes

from rama_proxy.config import Options
from rama_proxy.errors import RamaError
from rama_proxy.model.flow import Flow
from rama_proxy.relay.http2_link import Link
from tests.support.abuse import server as raw_server
from tests.support.abuse import until, vanish
from tests.support.http2_ends import (
    Exchange,
    Handler,
    Http2End,
    Http2Origin,
    http2_client,
    http2_origin,
    request_fields,
)
from tests.support.peers import free_port
from tests.support.running import Running, running

OK = [(b":status", b"200")]
KIB = 1024


def path_of(exchange: Exchange) -> bytes:
    """What was asked for."""
    return dict(exchange.heads[0])[b":path"]


@asynccontextmanager
async def proxied(
    area: Path, handler: Handler, **options: object
) -> AsyncIterator[tuple[Running, Http2Origin, Http2End]]:
    """A reverse proxy of h2c before an origin, and a client of it."""
    async with http2_origin(handler) as server:
        settings = Options(mode=f"reverse:http://127.0.0.1:{server.port}", **options)  # type: ignore[arg-type]
        async with running(area, settings) as engine, http2_client(*await engine.connect()) as end:
            yield engine, server, end


async def send_slowly(end: Http2End, exchange: Exchange, size: int) -> None:
    """Answer with `size` bytes as the windows allow."""
    number = exchange.number
    end.h2.send_headers(number, OK)
    while size and not exchange.reset:
        await end.wait(lambda: end.h2.local_flow_control_window(number) > 0, "a window")
        room = min(end.h2.local_flow_control_window(number), 16384, size)
        size -= room
        end.h2.send_data(number, bytes(room), end_stream=not size)
        end.flush()


def has(items: Sequence[object], count: int) -> bool:
    """Whether there are so many."""
    return len(items) >= count


class TestWindows:
    """What came and is never read opens the connection's window again: 16 MiB for all streams."""

    async def test_of_downloads_that_the_client_cancels(self, tmp_path: Path) -> None:
        async def handler(end: Http2End, exchange: Exchange) -> None:
            await send_slowly(end, exchange, 10 if path_of(exchange) == b"/small" else 900 * KIB)
            sent.append(exchange.number)

        sent: list[int] = []
        async with proxied(tmp_path, handler) as (engine, _, client):
            client.acknowledge = False
            client.h2.increment_flow_control_window(1 << 30)  # of the connection, not of a stream
            for number in range(30):
                large = client.send(request_fields("/large"))
                await until(partial(has, sent, number * 2 + 1), "the whole response to be sent")
                small = await client.ask(request_fields("/small"))  # it comes behind the large one
                assert (small.status, len(small.body)) == (b"200", 10)
                client.reset(large, ErrorCodes.CANCEL)
                await engine.ended(number * 2 + 2)
            errors = {flow.error for flow in engine.flows()}
        assert errors == {"", "the client reset the stream: CANCEL"}

    async def test_of_uploads_that_the_server_answers_early(self, tmp_path: Path) -> None:
        async def handler(end: Http2End, exchange: Exchange) -> None:
            end.acknowledge = False
            if path_of(exchange) == b"/up":
                await come.wait()
                end.h2.increment_flow_control_window(1 << 20)  # of the connection alone
            end.answer(exchange, OK, b"early")

        async with proxied(tmp_path, handler) as (engine, _, client):
            for number in range(40):
                come = asyncio.Event()
                upload = client.send(request_fields("/up", method="POST"), end=False)
                await send_body(client, upload.number, 900 * KIB)
                await client.ask(request_fields("/small"))  # it comes behind the upload
                come.set()
                await client.wait(partial(getattr, upload, "over"), "the response")
                assert (upload.status, bytes(upload.body)) == (b"200", b"early")
                await engine.ended(number * 2 + 2)


async def send_body(end: Http2End, number: int, size: int) -> None:
    """Send a body as the windows allow."""
    while size:
        await end.wait(lambda: end.h2.local_flow_control_window(number) > 0, "a window")
        room = min(end.h2.local_flow_control_window(number), 16384, size)
        size -= room
        end.h2.send_data(number, bytes(room), end_stream=not size)
        end.flush()


def count(kind: type) -> int:
    """How many objects of a kind there are, those that only the garbage collector ends left out."""
    gc.collect()
    return sum(isinstance(one, kind) for one in gc.get_objects())


class TestServerEnds:
    """The server or its connection goes while requests are on their way to it."""

    async def test_what_its_client_took_back_is_not_sent(self, tmp_path: Path) -> None:
        async def handler(end: Http2End, exchange: Exchange) -> None:
            end.answer(exchange, OK, b"hi")

        async with proxied(tmp_path, handler) as (engine, server, client):
            await client.ask(request_fields("/first"))
            for number in range(3, 103, 2):
                client.exchanges[number] = Exchange(number)
                client.h2.send_headers(number, request_fields("/taken-back"))
                client.h2.reset_stream(number, ErrorCodes.CANCEL)
            client.flush()
            assert (await client.ask(request_fields("/last"))).status == b"200"
            await engine.ended(52)
            flows = engine.flows()
        assert [path_of(one) for one in server.exchanges] == [b"/first", b"/last"]
        errors = [flow.error for flow in flows if flow.request.target == b"/taken-back"]
        assert errors == ["the client reset the stream: CANCEL"] * 50

    @pytest.mark.parametrize(("method", "sent"), [("GET", 2), ("POST", 1)])
    async def test_a_connection_that_breaks_as_it_is_used_again(
        self, tmp_path: Path, method: str, sent: int
    ) -> None:
        async def handler(end: Http2End, exchange: Exchange) -> None:
            if len(server.ends) == 1 and path_of(exchange) == b"/again":
                vanish(end.writer)
            else:
                end.answer(exchange, OK, b"hi")

        async with proxied(tmp_path, handler) as (engine, server, client):
            await client.ask(request_fields("/first"))
            again = await client.ask(request_fields("/again", method=method))
            await engine.ended(2)
            flow = engine.flows()[1]
        assert [path_of(one) for one in server.exchanges] == [b"/first"] + [b"/again"] * sent
        assert again.status == (b"200" if sent == 2 else b"502")
        assert bool(flow.error) == (sent == 1)

    async def test_a_connection_that_broke_as_it_rested(self, tmp_path: Path) -> None:
        async def handler(end: Http2End, exchange: Exchange) -> None:
            end.answer(exchange, OK, b"hi")

        async with proxied(tmp_path, handler) as (engine, server, client):
            for number in range(1, 6):
                assert (await client.ask(request_fields("/x", method="POST"))).status == b"200"
                await engine.ended(number)
                vanish(server.ends[-1].writer)
                await until(lambda: self.open_links(engine) == 0, "the end to be seen")
        assert len(server.ends) == 5

    @staticmethod
    def open_links(engine: Running) -> int:
        return sum(one.info.side == "server" for one in engine.proxy.sweeper.streams)

    async def test_connections_left_at_a_goaway_are_forgotten(self, tmp_path: Path) -> None:
        async def handler(end: Http2End, exchange: Exchange) -> None:
            end.writer.write(b"\0\0\x08\7\0\0\0\0\0\0\0\0\1\0\0\0\0")  # GOAWAY, stream 1 goes on
            await until(lambda: len(server.ends) > server.ends.index(end) + 1, "the next one")
            end.answer(exchange, OK, b"hi")

        async with proxied(tmp_path, handler) as (engine, server, client):
            before = count(Link)
            asked = []
            for number in range(1, 31):
                asked.append(client.send(request_fields("/x")))
                await until(partial(has, server.ends, number), "a connection")
            await engine.ended(29)
            await client.wait(lambda: all(one.status == b"200" for one in asked[:-1]), "answers")
            asked.append(client.send(request_fields("/x")))
            await engine.ended(30)
            assert count(Link) <= before + 4

    async def test_who_leaves_a_dial_leaves_it_to_others(self, tmp_path: Path) -> None:
        async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            dials.append(writer)
            if len(dials) == 1:
                await reader.read()

        dials: list[asyncio.StreamWriter] = []
        async with raw_server(mute) as port, running(tmp_path) as engine:
            async with http2_client(*await engine.connect()) as client:
                fields = request_fields("/")
                fields[1:3] = (b":authority", b"127.0.0.1:%d" % port), (b":scheme", b"https")
                first = client.send(fields)
                second = client.send(fields)
                await until(lambda: dials, "a dial")
                client.reset(first, ErrorCodes.CANCEL)
                await client.wait(lambda: second.over, "an answer")
            await engine.ended(2)
            flows = engine.flows()
        assert flows[0].error == "the client closed while the server's TLS handshake went on"
        assert "TLS handshake with 127.0.0.1" in flows[1].error
        assert (second.status, len(dials)) == (b"502", 2)

    async def test_servers_that_failed_are_forgotten(self, tmp_path: Path) -> None:
        async with running(tmp_path) as engine, http2_client(*await engine.connect()) as client:
            port = free_port()
            before = count(RamaError)
            for number in range(1, 40):
                fields = request_fields("/")
                fields[1] = (b":authority", b"127.0.0.%d:%d" % (number, port))
                assert (await client.ask(fields)).status == b"502"
            await engine.ended(39)
            assert count(RamaError) <= before + 3

    async def test_a_whole_response_outlives_its_connection(self, tmp_path: Path) -> None:
        async def handler(end: Http2End, exchange: Exchange) -> None:
            end.answer(exchange, OK, b"early")
            end.writer.close()

        async with proxied(tmp_path, handler) as (engine, _, client):
            got = client.send(request_fields("/up", method="POST"), b"x", end=False)
            await client.wait(lambda: got.over, "the end of the response")
            await engine.ended()
            (flow,) = engine.flows()
        assert (got.status, bytes(got.body), got.ended) == (b"200", b"early", True)
        assert flow.error == ""


SETTINGS = b"\0\0\0\4\0\0\0\0\0"
HINT = b"\0\0\x05\1\4\0\0\0\1\x08\x03103"  # HEADERS with :status 103
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GET = b"\0\0\x08\1\5\0\0\0\1\x82\x84\x86\x01\3a:1"  # HEADERS of GET http://a:1/ on stream 1


async def test_a_server_that_breaks_http2_is_told(tmp_path: Path) -> None:
    async def evil(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(PREFACE)
        writer.write(SETTINGS + b"\0\0\1\0\0\0\0\0\x09x")  # DATA on stream 9
        said.append(await reader.read())

    said: list[bytes] = []
    async with raw_server(evil) as port:
        options = Options(mode=f"reverse:http://127.0.0.1:{port}", upstream_http="2")
        async with running(tmp_path, options) as engine:
            async with http2_client(*await engine.connect()) as client:
                got = await client.ask(request_fields("/"))
            await until(lambda: said, "the server to see the end")
            await engine.ended()
            (flow,) = engine.flows()
    words = b"DATA on idle stream 9 (RFC 9113 5.1)"
    assert said[0].endswith(b"\0\0%c\7\0\0\0\0\0\0\0\0\0\0\0\0\1%b" % (8 + len(words), words))
    assert got.status == b"502"
    assert words.decode() in flow.error
    assert flow.server is not None
    assert flow.server.error == words.decode()


class TestTime:
    """A client that says a little now and then, and never enough."""

    @pytest.mark.parametrize("begin", [b"PRI * HTTP/2", PREFACE, PREFACE + SETTINGS[:5]])
    async def test_no_complete_handshake(self, tmp_path: Path, begin: bytes) -> None:
        options = Options(handshake_timeout=0.3, head_timeout=0.3)
        async with running(tmp_path, options) as engine:
            reader, writer = await engine.connect()
            writer.write(begin)
            async with asyncio.timeout(5):
                await reader.read()
            writer.close()

    @pytest.mark.parametrize("busy", [False, True])
    @pytest.mark.parametrize("half", ["a frame", "a block"])
    async def test_half_a_head(self, tmp_path: Path, half: str, busy: bool) -> None:
        async def silent(end: Http2End, exchange: Exchange) -> None:
            pass

        async with http2_origin(silent) as server:
            options = Options(mode=f"reverse:http://127.0.0.1:{server.port}", head_timeout=0.3)
            async with running(tmp_path, options) as engine:
                reader, writer = await engine.connect()
                writer.write(PREFACE + SETTINGS)
                number = 1
                if busy:
                    writer.write(GET)
                    number = 3
                head = GET[:4] + b"\1\0\0\0%c" % number + GET[9:]
                writer.write(head[: 12 if half == "a frame" else None])
                drip = bytes(1) if half == "a frame" else b"\0\0\0\x09\0\0\0\0%c" % number
                reading = asyncio.ensure_future(reader.read())
                for _ in range(5 if half == "a frame" else 15):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(asyncio.shield(reading), 0.1)
                        break
                    writer.write(drip)
                async with asyncio.timeout(5):
                    said = await reading
                writer.close()
                await engine.ended(1 + busy)
                flows = engine.flows()
        assert b"\7\0\0\0\0\0\0\0\0%c\0\0\0\x0b" % (1 if busy else 0) in said  # GOAWAY
        assert "no complete request head within 0.3 s" in flows[-1].error

    async def test_heads_that_follow_each_other_are_no_half_head(self, tmp_path: Path) -> None:
        async def handler(end: Http2End, exchange: Exchange) -> None:
            end.answer(exchange, OK, b"hi")

        async with http2_origin(handler) as server:
            options = Options(mode=f"reverse:http://127.0.0.1:{server.port}", head_timeout=1.0)
            async with running(tmp_path, options) as engine:
                reader, writer = await engine.connect()
                heads = [GET[:8] + bytes([number]) + GET[9:] for number in range(1, 61, 2)]
                rest = PREFACE + SETTINGS
                for head in heads:  # each write ends in the middle of the next head
                    writer.write(rest + head[:12])
                    rest = head[12:]
                    await asyncio.sleep(0.1)
                writer.write(rest)
                said = b""
                async with asyncio.timeout(5):
                    while said.count(b"hi") < len(heads):
                        said += await reader.read(65536)
                writer.close()


class TestNotices:
    """1xx heads have no window: they are bounded by their size, and by who takes them."""

    async def test_from_the_server_without_end(self, tmp_path: Path) -> None:
        async def evil(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(PREFACE)
            writer.write(SETTINGS)
            while not reader.at_eof():
                writer.write(HINT * 1000)
                await writer.drain()
                await asyncio.sleep(0)
                if reader._buffer.find(b"\0\0\4\3") >= 0:  # type: ignore[attr-defined]  # a reset came
                    break

        async with raw_server(evil) as port:
            options = Options(mode=f"reverse:http://127.0.0.1:{port}", upstream_http="2")
            async with running(tmp_path, options) as engine:
                async with http2_client(*await engine.connect()) as client:
                    got = await client.ask(request_fields("/"))
                await engine.ended()
                (flow,) = engine.flows()
        assert got.reset == ErrorCodes.ENHANCE_YOUR_CALM
        assert "1xx heads of more than 65536 bytes" in flow.error
        assert len(got.heads) < 3000


async def test_tiny_frames_of_many_streams_are_kept_in_few_pieces(tmp_path: Path) -> None:
    """A bytes object of one byte takes forty; a connection's window would let 16 Mi of them in."""
    taken: list[int] = []

    async def handler(end: Http2End, exchange: Exchange) -> None:
        await end.request(exchange)
        taken.append(len(exchange.body))
        end.answer(exchange, OK)

    class Hold:
        async def requestheaders(self, flow: Flow) -> None:
            await go_on.wait()

    go_on = asyncio.Event()
    async with proxied(tmp_path, handler) as (engine, _, client):
        engine.proxy.hooks.set_addons([Hold()])
        asked = [client.send(request_fields("/", method="POST"), end=False) for _ in range(2)]
        for _ in range(2000):
            for exchange in asked:
                client.h2.send_data(exchange.number, b"x")
        client.flush()
        (stream, *_) = engine.proxy.listener.tasks.values()
        async with asyncio.timeout(5):
            while stream.info.bytes_in < 4000 * 10:  # noqa: ASYNC110  no event for a test
                await asyncio.sleep(0.005)
        link = getattr(stream.watch, "__self__", None)
        assert isinstance(link, Link)
        assert max([len(one.parts) for one in link.streams.values()]) < 10
        go_on.set()
        for exchange in asked:
            client.h2.end_stream(exchange.number)
        client.flush()
        await client.wait(lambda: all(exchange.over for exchange in asked), "both responses")
    assert taken == [2000, 2000]


async def test_an_upload_that_stops_is_answered_and_leaves_nothing(tmp_path: Path) -> None:
    async def handler(end: Http2End, exchange: Exchange) -> None:
        await end.request(exchange)

    async with proxied(tmp_path, handler, body_timeout=0.2) as (engine, _, client):
        asked = client.send(request_fields("/", method="POST"), b"part", end=False)
        await client.wait(lambda: asked.over, "an answer")
        assert asked.status == b"408"
        (stream, *_) = engine.proxy.listener.tasks.values()
        link = getattr(stream.watch, "__self__", None)
        assert isinstance(link, Link)
        async with asyncio.timeout(5):
            while link.http2.active or link.streams:  # noqa: ASYNC110  no event for a test
                await asyncio.sleep(0.01)
        await engine.ended()
        (flow,) = engine.flows()
    assert flow.error == "no request body data within 0.2 s"
