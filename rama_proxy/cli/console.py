"""Flows as lines on standard output, written by a thread of their own.

A reader that stops reading must not stop the traffic: beyond a bound lines are left out and
counted; all flows are in the store.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from typing import TextIO

import click

from rama_proxy.cli.flow_rows import method_of
from rama_proxy.model.flow import Flow
from rama_proxy.model.text import escape_text
from rama_proxy.protocols.grpc_result import result_of
from rama_proxy.units import format_size

MAX_WAITING = 20_000  # lines
_COLOURS = {"1": "cyan", "2": "green", "3": "cyan", "4": "yellow"}


class Console:
    """Writes lines to `output` in a thread. `on_broken` is called there, once.

    It gets None when nobody reads any more, else what went wrong. `left_out` counts lines that
    could not wait.
    """

    def __init__(self, output: TextIO, on_broken: Callable[[OSError | None], None]) -> None:
        self.left_out = 0
        self._output = output
        self._on_broken = on_broken
        self._broken = False
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="console", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Write `line` when its turn comes."""
        if self._lines.qsize() >= MAX_WAITING:
            self.left_out += 1
        elif not self._broken:
            self._lines.put(line)

    def close(self, timeout: float = 2.0) -> None:
        """Write what waits; leave it after `timeout` seconds if nobody reads."""
        self._lines.put(None)
        self._thread.join(timeout)

    def _write(self) -> None:
        output, encoding = self._output.buffer, self._output.encoding
        try:
            while (line := self._lines.get()) is not None:
                output.write(line.encode(encoding, "backslashreplace") + b"\n")
                if self._lines.empty():
                    output.flush()
            output.flush()
        except OSError as error:
            self._broken = True
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, output.fileno())  # what is buffered has somewhere to go at exit
            os.close(devnull)
            self._on_broken(None if isinstance(error, BrokenPipeError) else error)


def wants_colour() -> bool:
    """Whether standard output is a terminal that shows colours and may (no-color.org)."""
    dumb = os.environ.get("TERM", "dumb") == "dumb" or bool(os.environ.get("NO_COLOR"))
    return is_terminal(sys.stdout) and not dumb


def is_terminal(stream: TextIO | None) -> bool:
    """Whether `stream` is a terminal; a standard stream that was closed is None."""
    return stream is not None and stream.isatty()


def flow_line(flow: Flow, *, colour: bool) -> str:
    """Time, method, status, size, milliseconds, URL and error of `flow`."""
    response, request = flow.response, flow.request
    began = datetime.fromtimestamp(flow.timing.started)
    status = str(response.status) if response is not None and response.status else "---"
    result = result_of(response)
    failed = result is not None and result.code != 0
    if result is not None and failed:
        status = f"g{result.code}"
    method = method_of(flow.kind, request.method)
    took = _milliseconds(flow.timing.begin, flow.timing.end)
    parts = [
        f"{began:%H:%M:%S}",
        f"{escape_text(method):7}",
        f"{status:>3}",
        f"{format_size(response.body.size) if response is not None else '':>10}",
        f"{'' if took is None else f'{took:.0f} ms':>9}",
        escape_text(request.pretty_url),
    ]
    if colour:
        parts[0] = click.style(parts[0], dim=True)
        parts[2] = click.style(parts[2], fg=_COLOURS.get(status[0], "red"))
    if failed:
        parts.append(escape_text(f"(grpc {result})"))
    if flow.error:
        error = escape_text(flow.error)
        parts.append(click.style(error, fg="red") if colour else f"({error})")
    return " ".join(parts)


def flow_json(flow: Flow) -> str:
    """The same for programs: one JSON object, times in seconds, sizes in bytes."""
    request, response, timing = flow.request, flow.response, flow.timing
    result = result_of(response)
    entry = {
        "id": flow.id,
        "kind": flow.kind,
        "state": flow.state,
        "started": round(timing.started, 6),
        "method": request.method,
        "url": request.pretty_url,
        "scheme": request.scheme,
        "host": request.host,
        "port": request.port,
        "path": request.path,
        "version": request.version,
        "status": response.status if response is not None else None,
        "grpc_status": None if result is None else result.code,
        "resp_type": response.media_type if response is not None else None,
        "req_size": request.body.size,
        "resp_size": response.body.size if response is not None else None,
        "ttfb": _seconds(timing.begin, timing.response_begin),
        "total": _seconds(timing.begin, timing.end),
        "client": "{}:{}".format(*flow.client.peer) if flow.client.peer else None,
        "error": flow.error or None,
    }
    return json.dumps(entry).replace("\x7f", "\\u007f")  # the one control that JSON leaves as it is


def _seconds(begin: float, end: float | None) -> float | None:
    return None if end is None else round(end - begin, 6)


def _milliseconds(begin: float, end: float | None) -> float | None:
    return None if end is None else (end - begin) * 1000
