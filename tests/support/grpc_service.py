"""The gRPC service of the tests, on grpcio and without protoc: messages are bytes.

Run as a program it serves until its input ends, on the port that it writes first.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

SERVICE = "rama.test.Peer"
Context = grpc.ServicerContext

cancelled = threading.Event()  # a call was given up while the server was busy with it


def upper(data: bytes, context: Context) -> bytes:
    """The message in upper case; the client's metadata comes back, as head and as trailers."""
    sent = tuple((name, value) for name, value in context.invocation_metadata() if name[:2] == "x-")
    context.send_initial_metadata(sent)
    context.set_trailing_metadata((("x-sum", str(len(data))), ("x-raw-bin", b"\x00\xff")))
    return data.upper()


def fail(data: bytes, context: Context) -> bytes:
    """An error with a message that has to be encoded, and a detail in binary."""
    context.set_trailing_metadata((("x-detail-bin", data),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "Grüße: 100% of it\nfailed")


def given_up(context: Context) -> threading.Event:
    """An event that is set when the client gives up; was_cancelled learns of it too."""
    event = threading.Event()

    def on_end() -> None:
        event.set()
        cancelled.set()

    if not context.add_callback(on_end):  # it has ended already
        on_end()
    return event


def wait(data: bytes, context: Context) -> bytes:
    """Never answers."""
    given_up(context).wait(20)
    return data


def hang(data: bytes, context: Context) -> Iterator[bytes]:
    """One answer, and then none."""
    event = given_up(context)
    yield data
    event.wait(20)


def was_cancelled(data: bytes, context: Context) -> bytes:
    """Waits until a call has been given up; "yes" if it was."""
    del data, context
    found = cancelled.wait(10)
    cancelled.clear()
    return b"yes" if found else b"no"


def count(data: bytes, context: Context) -> Iterator[bytes]:
    """As many messages as the number says."""
    del context
    for number in range(int(data)):
        yield b"message %d" % number


def count_and_fail(data: bytes, context: Context) -> Iterator[bytes]:
    """The same, then an error."""
    yield from count(data, context)
    context.abort(grpc.StatusCode.DATA_LOSS, "after the last")


def total(messages: Iterator[bytes], context: Context) -> bytes:
    """How many messages came, and their bytes in all."""
    del context
    sizes = [len(message) for message in messages]
    return b"%d %d" % (len(sizes), sum(sizes))


def echo(messages: Iterator[bytes], context: Context) -> Iterator[bytes]:
    """Every message back as soon as it comes."""
    del context
    yield from messages


METHODS: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
    "Upper": grpc.unary_unary_rpc_method_handler(upper),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Wait": grpc.unary_unary_rpc_method_handler(wait),
    "WasCancelled": grpc.unary_unary_rpc_method_handler(was_cancelled),
    "Hang": grpc.unary_stream_rpc_method_handler(hang),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "CountAndFail": grpc.unary_stream_rpc_method_handler(count_and_fail),
    "Total": grpc.stream_unary_rpc_method_handler(total),
    "Echo": grpc.stream_stream_rpc_method_handler(echo),
}


def serve(pem: str) -> None:
    """Serve; `pem` is the file of a certificate with its key, "" to serve without TLS."""
    server = grpc.server(ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, METHODS)])
    if pem:
        data = Path(pem).read_bytes()
        credentials = grpc.ssl_server_credentials([(data, data)])
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(json.dumps(port), flush=True)
    sys.stdin.read()
    server.stop(0).wait(5)


if __name__ == "__main__":
    serve(sys.argv[1])
