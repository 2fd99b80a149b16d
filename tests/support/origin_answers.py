"""What the test origin answers, by the first part of the path, whatever version of HTTP carries it.

An answer is a function that takes a request and yields steps: a head (informational ones too),
bytes of the body, trailers, or a fault. ANSWERS lists them; `http1_origin` and `http2_origin` put
the steps on the wire.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

Field = tuple[bytes, bytes]
Fields = list[Field]

# what belongs to a hop or to the version of HTTP, and so may differ
OF_THE_HOP = {"connection", "host", "keep-alive", "proxy-connection", "te", "transfer-encoding"}


class Head(NamedTuple):
    """The head of a response, an informational one below 200. `end`: no body follows."""

    status: int
    fields: Sequence[Field] = ()
    end: bool = False


class Trailers(NamedTuple):
    """What follows the body."""

    fields: Sequence[Field]


class Reset(NamedTuple):
    """RST_STREAM with this code; the connection's reset in HTTP/1."""

    code: int


class GoAway(NamedTuple):
    """GOAWAY that names this stream as the last, or the one before it. Nothing in HTTP/1."""

    code: int = 0
    processed: bool = True


class Push(NamedTuple):
    """A promise of this path and its response. Nothing in HTTP/1."""

    path: bytes


Step = Head | bytes | Trailers | Reset | GoAway | Push
Steps = AsyncGenerator[Step, None]
Pull = Callable[[], Awaitable[bytes | None]]


@dataclass(slots=True, eq=False)
class Incoming:
    """One request as it arrived: `fields` with names in their case and pseudo fields in order."""

    version: str  # "HTTP/2"
    method: str
    target: str
    fields: Fields
    pull: Pull  # the next bytes of the body, None after its end
    connection: int  # counts the origin's connections
    stream: int = 0
    repeat: int = 0  # requests of the same target before this one
    never_indexed: list[bytes] = field(
        default_factory=list
    )  # names of such fields (RFC 7541 6.2.3)
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    complete: bool = False
    reset: int | None = None  # the code of the client's RST_STREAM

    @property
    def path(self) -> str:
        """The first part of the path."""
        return urlsplit(self.target).path.split("/")[1]

    def number(self, name: str, default: float = 0) -> float:
        """A number from the query."""
        return float(parse_qs(urlsplit(self.target).query).get(name, [str(default)])[0])

    def value(self, name: bytes) -> bytes | None:
        """The first value of a field."""
        return next((value for key, value in self.fields if key.lower() == name), None)

    async def parts(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        while (part := await self.pull()) is not None:
            self.body += part
            yield part
        self.complete = True

    async def read(self) -> bytes:
        """The whole body."""
        async for _ in self.parts():
            pass
        return self.body


Answer = Callable[[Incoming], Steps]
ANSWERS: dict[str, Answer] = {}


def answer(function: Answer) -> Answer:
    """Let `function` answer the path of its name."""
    ANSWERS[function.__name__.rstrip("_").replace("_", "-")] = function
    return function


def pattern(size: int) -> bytes:
    """The bytes that /bytes sends."""
    return (b"0123456789abcde\n" * (size // 16 + 1))[:size]


def comparable(fields: Iterable[Field]) -> list[tuple[str, str]]:
    """Fields as text with names in lower case, cookies joined, without what belongs to a hop."""
    pairs = [(name.decode().lower(), value.decode("latin-1")) for name, value in fields]
    cookies = [value for name, value in pairs if name == "cookie"]
    kept = [(name, value) for name, value in pairs if name not in OF_THE_HOP | {"cookie"}]
    kept = [(name, value) for name, value in kept if name[:1] != ":"]
    return kept + [("cookie", "; ".join(cookies))] * bool(cookies)


@answer
async def bytes_(request: Incoming) -> Steps:
    """`size` bytes, with Content-Length unless `length` is 0."""
    await request.read()
    size = int(request.number("size"))
    length = [(b"content-length", b"%d" % size)] if request.number("length", 1) else []
    yield Head(200, [(b"content-type", b"text/plain"), *length])
    data = memoryview(pattern(size))
    for begin in range(0, size, 1 << 16):
        yield bytes(data[begin : begin + (1 << 16)])


@answer
async def echo(request: Incoming) -> Steps:
    """JSON of what arrived, less what belongs to the hop and to the version."""
    if (request.value(b"expect") or b"").lower() == b"100-continue":
        yield Head(100)
    body = await request.read()
    fields = comparable(request.fields)
    said = {
        "method": request.method,
        "target": request.target,
        # HTTP/1.1 has to say so where HTTP/2 does not (RFC 9110 8.6)
        "fields": [pair for pair in fields if pair != ("content-length", "0")],
        "size": len(body),
        "digest": hashlib.sha256(body).hexdigest(),
        "trailers": comparable(request.trailers),
    }
    data = json.dumps(said).encode()
    length = b"%d" % len(data)
    yield Head(200, [(b"content-type", b"application/json"), (b"content-length", length)])
    yield data


@answer
async def fields(request: Incoming) -> Steps:
    """Fields that come twice, are empty, hold bytes above 0x7f, or are `size` long in all."""
    await request.read()
    odd = [
        (b"set-cookie", b"a=1; Path=/"),
        (b"x-empty", b""),
        (b"x-latin", b"caf\xe9"),
        (b"set-cookie", b"b=2"),
        (b"x-UPPER-value", b"Keep My Case"),
        (b"x-twice", b"2"),
        (b"x-twice", b"1"),
    ]
    long = [(b"x-long-%d" % number, b"v" * 1000) for number in range(int(request.number("size")))]
    if request.version == "HTTP/2":
        odd = [(name.lower(), value) for name, value in odd]
    yield Head(200, [*odd, *long, (b"content-length", b"2")])
    yield b"ok"


@answer
async def trailers(request: Incoming) -> Steps:
    """A body of no stated length with trailers."""
    await request.read()
    yield Head(200, [(b"trailer", b"x-sum, x-more"), (b"content-type", b"text/plain")])
    yield b"hello"
    yield b" world"
    yield Trailers([(b"x-sum", b"42"), (b"x-more", b"a"), (b"x-more", b"b")])


@answer
async def early(request: Incoming) -> Steps:
    """Three informational responses before the final one."""
    await request.read()
    yield Head(102)
    yield Head(103, [(b"link", b"</a.css>; rel=preload")])
    yield Head(103, [(b"link", b"</b.css>; rel=preload"), (b"x-hint", b"2")])
    yield Head(200, [(b"content-length", b"2")])
    yield b"ok"


@answer
async def status(request: Incoming) -> Steps:
    """The status `code`; a body unless it is 204 or 304, which has a length without one."""
    await request.read()
    code = int(request.number("code"))
    if code in (204, 304):
        length = [(b"content-length", b"1000")] if code == 304 else []
        yield Head(code, [(b"etag", b'"5f3a"'), *length], end=True)
    else:
        yield Head(code, [(b"content-length", b"5")])
        yield b"body\n"


@answer
async def slow(request: Incoming) -> Steps:
    """`count` events, `every` seconds apart."""
    await request.read()
    yield Head(200, [(b"content-type", b"text/event-stream")])
    for number in range(int(request.number("count", 3))):
        if number:
            await asyncio.sleep(request.number("every", 0.2))
        yield b"id: %d\ndata: tick\n\n" % number


@answer
async def duplex(request: Incoming) -> Steps:
    """Every part of the body back as soon as it comes."""
    yield Head(200, [(b"content-type", b"application/octet-stream")])
    async for part in request.parts():
        yield part


@answer
async def refuse_body(request: Incoming) -> Steps:
    """413 before the body has come, which is never read; then RST_STREAM NO_ERROR."""
    del request
    yield Head(413, [(b"content-length", b"0")], end=True)
    yield Reset(0)


@answer
async def reset(request: Incoming) -> Steps:
    """RST_STREAM with `code` after `after` bytes of a body, at once if that is negative."""
    await request.read()
    after = int(request.number("after", 10))
    if after >= 0:
        yield Head(200, [(b"content-length", b"1000000")])
        yield pattern(after)
        await asyncio.sleep(0.1)  # else it overtakes the bytes
    yield Reset(int(request.number("code", 2)))


@answer
async def refuse(request: Incoming) -> Steps:
    """REFUSED_STREAM to the first `times` requests, then 200."""
    if request.repeat < request.number("times", 1):
        yield Reset(7)
    else:
        await request.read()
        yield Head(200, [(b"content-length", b"8")])
        yield b"accepted"


@answer
async def goaway(request: Incoming) -> Steps:
    """GOAWAY in the middle of the body, which goes on to its end."""
    await request.read()
    yield Head(200, [(b"content-length", b"20")])
    yield b"0123456789"
    yield GoAway(int(request.number("code")))
    await asyncio.sleep(0.05)
    yield b"0123456789"


@answer
async def goaway_before(request: Incoming) -> Steps:
    """To the first request a GOAWAY that says it was not processed; to the next, 200."""
    if request.repeat == 0:
        yield GoAway(processed=False)
    else:
        await request.read()
        yield Head(200, [(b"content-length", b"5")])
        yield b"again"


@answer
async def push(request: Incoming) -> Steps:
    """A promise that nobody asked for, then the response; what is allowed if push is enabled."""
    await request.read()
    yield Push(b"/bytes?size=10")
    yield Head(200, [(b"content-length", b"2")])
    yield b"ok"


@answer
async def stall(request: Incoming) -> Steps:
    """Neither answers nor reads: what the client sends fills the window and stays there."""
    del request
    await asyncio.Event().wait()
    yield b""
