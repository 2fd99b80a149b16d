"""`rama ls` and `rama show`: stores read from the shell, while they are written or after."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from rama_proxy.cli.console import wants_colour
from rama_proxy.cli.flow_rows import Table, row_json
from rama_proxy.cli.options import read_options, some_options
from rama_proxy.errors import StoreError
from rama_proxy.filters import Where, parse_filter
from rama_proxy.model.coding import CodingError
from rama_proxy.model.flow import ACTIVE, HELD, Flow
from rama_proxy.model.message import Message
from rama_proxy.model.text import escape_lines
from rama_proxy.store.files import SUFFIX
from rama_proxy.store.reader import FlowRow, Reader, newest_store, writer_pid

POLL = 0.1  # seconds between looks at a store that is being written
_SIDES = click.Choice(["request", "response"])
_FILE = click.Path(path_type=Path)


@click.command(short_help="List the flows of a store.")
@click.argument("arguments", metavar="[FILE] [FILTER]", nargs=-1)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is recorded from here on.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each flow.")
def ls(arguments: tuple[str, ...], follow: bool, as_json: bool) -> None:
    """List the flows of a store, oldest first.

    FILE is the newest capture if it is left out; FILTER is an expression such as `~d example.com`,
    and the words after it belong to it. With -f it ends when the capture ends.

    \b
      rama ls                              everything in the newest capture
      rama ls today.db '~e | ~c 500'       what went wrong
      rama ls -f --json '~b token' | jq .url
    """
    file, expression = _file_and_filter(arguments)
    where = parse_filter(expression, now=time.time()).where()
    path = file or newest_store()
    with Reader(path) as reader:
        rows = _follow(reader, where) if follow else reader.iter_flows(where)
        _print(rows, None if as_json else Table(reader.last_id(), colour=wants_colour()))


def _file_and_filter(arguments: tuple[str, ...]) -> tuple[Path | None, str]:
    """The first argument is a file if it is one or is called like one."""
    if arguments and (arguments[0].endswith(SUFFIX) or Path(arguments[0]).is_file()):
        return Path(arguments[0]), " ".join(arguments[1:])
    return None, " ".join(arguments)


def _print(rows: Iterable[FlowRow | None], table: Table | None) -> None:
    """Write each row as a line; None means that the reader may wait and wants to see the rest."""
    if table is not None:
        _write_text(table.header() + "\n")
    for row in rows:
        if row is None:
            sys.stdout.buffer.flush()
        else:
            _write_text((row_json(row) if table is None else table.line(row)) + "\n")
    sys.stdout.buffer.flush()


def _write_text(text: str) -> None:
    sys.stdout.buffer.write(text.encode(sys.stdout.encoding, "backslashreplace"))


def _follow(reader: Reader, where: Where) -> Iterator[FlowRow | None]:
    """Flows as they end, None where there is nothing for the moment; over when nobody writes."""
    printed = bytearray()  # a byte for each id
    rev = 0
    is_live = True
    while is_live:
        is_live = bool(writer_pid(reader.path))  # asked first, so that the last look misses nothing
        while (changes := reader.since(rev, where)).rev > rev:
            rev = changes.rev
            for row in reader.page(changes.ids):
                if row.id >= len(printed):
                    printed.extend(bytes(max(4096, row.id + 1 - len(printed))))
                if not printed[row.id] and row.state not in {ACTIVE, HELD}:
                    printed[row.id] = 1
                    yield row
        yield None
        seen = reader.data_version()
        while is_live and reader.data_version() == seen and writer_pid(reader.path):
            time.sleep(POLL)


@click.command(short_help="Show one flow of a store.")
@click.argument("flow_id", metavar="ID", type=click.IntRange(min=1))
@click.argument("file", required=False, type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="All of it as one JSON object.")
@click.option("--raw", type=_SIDES, help="Write one message as it was received, byte for byte.")
@click.option("--body", type=_SIDES, help="Write one body, its content coding undone.")
@some_options("protobuf_descriptors")
@click.pass_context
def show(
    ctx: click.Context,
    /,
    flow_id: int,
    file: Path | None,
    as_json: bool,
    raw: str | None,
    body: str | None,
    **params: object,
) -> None:
    """Show one flow: request and response, its messages, connections, TLS and times.

    Messages are those of WebSockets, gRPC and event streams.

    ID is the number that `rama ls` shows; FILE is the newest capture if it is left out.

    \b
      rama show 7
      rama show 7 --body response | jq .
    """
    del params
    if as_json + bool(raw) + bool(body) > 1:
        raise click.UsageError("--json, --raw and --body exclude each other")
    path = file or newest_store()
    flow = _read(path, flow_id)
    if raw or body:
        message = _message(flow, raw or body or "")
        _write_bytes(_raw(message) if raw else _decoded(message, flow.id))
        return
    _write_text(_shown(ctx, path, flow, as_json) + "\n")


def _shown(ctx: click.Context, path: Path, flow: Flow, as_json: bool) -> str:
    """All of a flow, with its messages."""
    from rama_proxy.cli.flow_text import flow_as_json, flow_as_text
    from rama_proxy.cli.message_text import message_as_json, messages_as_text, read_messages
    from rama_proxy.cli.schema_files import read_schema

    schema = read_schema(read_options(ctx))
    with Reader(path) as reader:
        if as_json:
            messages = [message_as_json(row, flow, schema) for row in read_messages(reader, flow)]
            return flow_as_json(flow, messages)
        colour = wants_colour()
        messages_text = messages_as_text(reader, flow, colour=colour, schema=schema)
        attempts = reader.attempts(flow)
    numbers = [str(number) for number in attempts.latest]
    if attempts.total > len(numbers):
        numbers.insert(0, "…")
    split, replays = bool(messages_text), " ".join(numbers)
    text = flow_as_text(flow, colour=colour, schema=schema, split=split, replays=replays)
    return f"{text}\n\n{messages_text}" if messages_text else text


def _read(path: Path, flow_id: int) -> Flow:
    with Reader(path) as reader:
        flow = reader.flow(flow_id)
        if flow is None:
            raise StoreError(f"there is no flow {flow_id} in {path}")
        reader.load_bodies(flow)
    return flow


def _message(flow: Flow, side: str) -> Message:
    message = flow.request if side == "request" else flow.response
    if message is None:
        raise StoreError(f"flow {flow.id} has no {side}")
    return message


def _raw(message: Message) -> bytes:
    from rama_proxy.content.wire import wire_bytes

    head, body, _ = wire_bytes(message)
    return head + body


def _decoded(message: Message, flow_id: int) -> bytes:
    try:
        return message.content
    except CodingError as error:
        raise StoreError(f"flow {flow_id}: {error}; --raw has it as it was received") from error


def _write_bytes(data: bytes) -> None:
    """To a file or pipe as they are; to a terminal without what could steer it."""
    if sys.stdout.isatty():
        data = escape_lines(data.decode("utf-8", "replace").replace("\r\n", "\n")).encode()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
