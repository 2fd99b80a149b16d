"""CPU of HTTP/2 without I/O: `python -m tests.bench.http2_exchange`.

One exchange as a proxy sees it, both ends: a browser's request read and sent on, a response of
960 bytes read and sent back; each with a path of its own, and the same again and again. Uses jh2
where that is installed. And 100 MiB through both ends.
"""

from __future__ import annotations

from time import process_time

from rama_proxy.model.headers import Headers
from rama_proxy.protocols.http2 import ENGINE, Http2Connection
from rama_proxy.protocols.http2_events import Data

PSEUDO = [
    (b":method", b"GET"),
    (b":authority", b"www.example.com"),
    (b":scheme", b"https"),
    (b":path", b"/articles/7?page=1"),
]
REQUEST = Headers(
    [
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"),
        ("accept", "*/*"),
        ("accept-encoding", "gzip, deflate, br"),
        ("accept-language", "en-GB"),
        ("cookie", "session=12345678901234567890"),
        ("cookie", "b=2"),
        ("referer", "https://www.example.com/"),
    ]
)
RESPONSE = Headers(
    [
        ("server", "nginx"),
        ("date", "Mon, 23 Nov 2026 06:00:00 GMT"),
        ("content-type", "text/html"),
        ("content-length", "960"),
        ("etag", '"abc"'),
        ("cache-control", "no-cache"),
        ("vary", "accept-encoding"),
    ]
)
BODY = b"x" * 960


def exchange(client: Http2Connection, server: Http2Connection, path: bytes) -> None:
    """One request and its response."""
    number = client.open([*PSEUDO[:3], (b":path", path)], REQUEST, end_stream=True)
    server.receive(client.data_to_send(), 0.0)
    server.send_head(number, 200, RESPONSE, end_stream=False)
    server.send_data(number, BODY, end_stream=True)
    for event in client.receive(server.data_to_send(), 0.0):
        if isinstance(event, Data):
            client.acknowledge(number, event.flow_length)


def download(client: Http2Connection, server: Http2Connection, size: int) -> None:
    """A body of `size` bytes from server to client."""
    number = client.open(PSEUDO, REQUEST, end_stream=True)
    server.receive(client.data_to_send(), 0.0)
    server.send_head(number, 200, Headers(), end_stream=False)
    part = b"z" * 65536
    while size > 0:
        size -= server.send_data(number, part)
        for event in client.receive(server.data_to_send(), 0.0):
            if isinstance(event, Data):
                client.acknowledge(number, event.flow_length)
        server.receive(client.data_to_send(), 0.0)


def main() -> None:
    """Print the figures, each the best of five."""
    client, server = Http2Connection(client_side=True), Http2Connection(client_side=False)
    other, same, bulk = 1e9, 1e9, 1e9
    for turn in range(5):
        began = process_time()
        for number in range(1000):
            exchange(client, server, b"/articles/%d-%d" % (turn, number))
        other = min(other, (process_time() - began) * 1000)
        began = process_time()
        for _ in range(1000):
            exchange(client, server, b"/articles/7?page=1")
        same = min(same, (process_time() - began) * 1000)
        began = process_time()
        download(client, server, 100 * 1024 * 1024)
        bulk = min(bulk, (process_time() - began) * 1000)
    print(
        f"{ENGINE}: both ends of an exchange {other:.0f} us, the same again {same:.0f} us; "
        f"{bulk:.0f} ms for 100 MiB"
    )


if __name__ == "__main__":
    main()
