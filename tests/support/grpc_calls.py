"""What a gRPC client of grpcio does with the service of the tests, and what it gets.

Run as a program it makes the calls that its input names, one a line, and writes what each gave.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc

from tests.support.grpc_service import SERVICE

LARGE = 3 << 20  # under grpcio's limit of 4 MiB, above every window
OPTIONS = [("grpc.enable_http_proxy", 0)]
Said = dict[str, Any]


def _outcome(call: Callable[[], Iterable[bytes]]) -> Said:
    """The messages that came, and how it ended."""
    messages: list[str] = []
    said: Said = {"messages": messages, "status": "OK", "details": ""}
    try:
        for message in call():
            text = message.decode("latin-1")
            messages.append(text if len(text) < 100 else f"{len(text)} of {text[:5]}")
    except grpc.RpcError as error:
        if not isinstance(error, grpc.Call):
            raise
        said |= {"status": error.code().name, "details": error.details()}
        said["trailers"] = _pairs(error.trailing_metadata())
    return said


def _pairs(metadata: Iterable[tuple[str, str | bytes]] | None) -> list[list[str]]:
    """Metadata as text."""
    return [
        [key, value.decode("latin-1") if isinstance(value, bytes) else value]
        for key, value in metadata or ()
    ]


class Stub:
    """The service's methods on a channel, by name and kind."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def unary(self, name: str) -> Any:
        """One message for one."""
        return self._channel.unary_unary(f"/{SERVICE}/{name}")

    def answers(self, name: str) -> Any:
        """Many messages for one."""
        return self._channel.unary_stream(f"/{SERVICE}/{name}")

    def asks(self, name: str) -> Any:
        """One message for many."""
        return self._channel.stream_unary(f"/{SERVICE}/{name}")

    def both(self, name: str) -> Any:
        """Many for many."""
        return self._channel.stream_stream(f"/{SERVICE}/{name}")


def call_unary(stub: Stub) -> Said:
    """Metadata in both directions, binary too."""
    metadata = [("x-a", "b"), ("x-a", "c"), ("x-bytes-bin", b"\x00\x01\xff")]
    answer, call = stub.unary("Upper").with_call(b"hello", metadata=metadata, timeout=10)
    return {
        "messages": [answer.decode()],
        "status": call.code().name,
        "head": [pair for pair in _pairs(call.initial_metadata()) if pair[0][:2] == "x-"],
        "trailers": _pairs(call.trailing_metadata()),
    }


def call_large(stub: Stub) -> Said:
    """A message larger than every window, there and back."""
    return _outcome(lambda: [stub.unary("Upper")(b"a" * LARGE, timeout=30)])


def call_empty(stub: Stub) -> Said:
    """A message of no bytes."""
    return _outcome(lambda: [stub.unary("Upper")(b"", timeout=10)])


def call_compressed(stub: Stub) -> Said:
    """A message that goes as gzip."""
    gzip = grpc.Compression.Gzip
    return _outcome(lambda: [stub.unary("Upper")(b"a" * 5000, compression=gzip, timeout=10)])


def call_server_streaming(stub: Stub) -> Said:
    """Many answers to one question."""
    return _outcome(lambda: stub.answers("Count")(b"20", timeout=10))


def call_client_streaming(stub: Stub) -> Said:
    """One answer to many questions."""
    messages = (b"x" * size for size in range(0, 50000, 5000))
    return _outcome(lambda: [stub.asks("Total")(messages, timeout=10)])


def call_lockstep(stub: Stub) -> Said:
    """A conversation: each question is sent when the last one is answered."""
    answered = threading.Semaphore(1)

    def questions() -> Iterator[bytes]:
        for number in range(20):
            assert answered.acquire(timeout=10)
            yield b"question %d" % number

    def conversation() -> Iterator[bytes]:
        for answer in stub.both("Echo")(questions(), timeout=20):
            answered.release()
            yield answer

    return _outcome(conversation)


def call_failing(stub: Stub) -> Said:
    """An error in place of an answer."""
    return _outcome(lambda: [stub.unary("Fail")(b"\x01\x02", timeout=10)])


def call_failing_late(stub: Stub) -> Said:
    """An error after messages."""
    return _outcome(lambda: stub.answers("CountAndFail")(b"3", timeout=10))


def call_unknown(stub: Stub) -> Said:
    """A method that the service has not."""
    return _outcome(lambda: [stub.unary("Unheard")(b"", timeout=10)])


def call_deadline(stub: Stub) -> Said:
    """Nobody answers in time; the server learns of it."""
    said = _outcome(lambda: [stub.unary("Wait")(b"", timeout=0.3)])
    del said["details"]  # grpcio's words depend on what came before
    return {**said, "cancelled": stub.unary("WasCancelled")(b"", timeout=15).decode()}


def call_cancel(stub: Stub) -> Said:
    """The client gives up after the first answer; the server learns of it."""
    call = stub.answers("Hang")(b"first", timeout=10)
    messages = [next(call).decode()]
    call.cancel()
    said = stub.unary("WasCancelled")(b"", timeout=15).decode()
    return {"messages": messages, "status": call.code().name, "cancelled": said}


def call_many(stub: Stub) -> Said:
    """Fifty calls at once on one connection."""
    calls = [stub.unary("Upper").future(b"call %d" % number, timeout=20) for number in range(50)]
    return _outcome(lambda: [call.result() for call in calls])


CALLS: dict[str, Callable[[Stub], Said]] = {
    name.removeprefix("call_"): function
    for name, function in list(globals().items())
    if name.startswith("call_")
}


def call(target: str, trust: str) -> None:
    """Make the calls on one channel to `target`; over TLS if there is a file to trust."""
    if trust:
        credentials = grpc.ssl_channel_credentials(Path(trust).read_bytes())
        channel = grpc.secure_channel(target, credentials, OPTIONS)
    else:
        channel = grpc.insecure_channel(target, OPTIONS)
    with channel:
        for line in sys.stdin:
            print(json.dumps(CALLS[line.strip()](Stub(channel))), flush=True)


if __name__ == "__main__":
    call(*sys.argv[1:])
