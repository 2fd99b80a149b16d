"""Real HTTP clients of both versions, each of which gives what it got as one comparable Result.

CLIENTS lists them. What a client does not tell (httpx says nothing of trailers) is None, with the
proxy between and without it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.support.origin_answers import comparable
from tests.support.peers import clean_env, curl, program

Pairs = list[tuple[str, str]]
NODE_CLIENT = Path(__file__).with_name("http2_client.mjs")


class Ask(NamedTuple):
    """A request. `body` None: none, not even an empty one."""

    path: str
    method: str = "GET"
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    trailers: tuple[tuple[str, str], ...] = ()


class Route(NamedTuple):
    """How to get to an origin: its URL without a path, whom to trust, and a proxy to CONNECT by."""

    url: str
    trust: str
    proxy: str = ""

    @property
    def secure(self) -> bool:
        """Whether it is https."""
        return self.url.startswith("https:")


@dataclass(slots=True)
class Result:
    """A response as a client saw it; `version` is how it came and is not compared."""

    status: int
    fields: Pairs
    size: int | None = None
    digest: str | None = None
    informational: list[tuple[int, Pairs]] | None = None
    trailers: Pairs | None = None
    error: str = ""
    version: str = field(default="", compare=False)
    pushed: int = field(default=0, compare=False)


def _told(pairs: Iterable[tuple[str, str]]) -> Pairs:
    """Fields without those that differ from answer to answer or from hop to hop."""
    encoded = [(name.encode(), value.encode("latin-1", "replace")) for name, value in pairs]
    return [(name, value) for name, value in comparable(encoded) if name != "date"]


def ask_curl(ask: Ask, route: Route, version: str) -> Result:
    """By curl, in "HTTP/1.1" or "HTTP/2"; an h2c request goes through a CONNECT."""
    options = ["--http1.1"]
    if version == "HTTP/2":
        options = ["--http2"] if route.secure else ["--http2-prior-knowledge"]
    if route.proxy:
        options += ["-x", route.proxy, "--suppress-connect-headers"]
        options += ["-p"] if version == "HTTP/2" else []
    options += ["-I"] if ask.method == "HEAD" else ["-X", ask.method]
    for name, value in ask.fields:
        options += ["-H", f"{name}: {value}" if value else f"{name};"]
    options += [] if ask.body is None else ["--data-binary", "@-"]
    with tempfile.TemporaryDirectory() as directory:
        heads = Path(directory) / "heads"
        answer = curl(
            *("--cacert", route.trust, "-D", str(heads), *options, route.url + ask.path),
            stdin=ask.body,
        )
        result = _curl_heads(heads.read_bytes())
    body = b"" if ask.method == "HEAD" else answer.body  # -I prints the head there
    result.size, result.digest = len(body), hashlib.sha256(body).hexdigest()
    result.error = "" if answer.exit_code == 0 else f"curl {answer.exit_code}"
    return result


def _curl_heads(data: bytes) -> Result:
    """What curl wrote by -D: heads, and trailers behind the last."""
    result = Result(0, [], informational=[], trailers=[])
    for block in data.decode("latin-1").split("\r\n\r\n"):
        lines = block.strip("\r\n").split("\r\n")
        started = lines[0].startswith("HTTP/")
        pairs = [
            (name, value.strip())
            for name, _, value in (line.partition(":") for line in lines[started:] if line)
        ]
        if not started:
            result.trailers = (result.trailers or []) + _told(pairs)
            continue
        result.version, status = lines[0].split(" ")[:2]
        if status[0] == "1":
            assert result.informational is not None
            result.informational.append((int(status), _told(pairs)))
        else:
            result.status, result.fields = int(status), _told(pairs)
    return result


def ask_nghttp(ask: Ask, route: Route, version: str) -> Result:
    """By nghttp, which knows no proxy. It is run twice: it tells either the frames or the body."""
    assert (version, route.proxy) == ("HTTP/2", "")
    with tempfile.TemporaryDirectory() as directory:
        options = ["-H", f":method: {ask.method}", "--no-verify-peer"]
        for name, value in ask.fields:
            options += ["-H", f"{name}: {value}"]
        for name, value in ask.trailers:
            options += ["--no-content-length", "--trailer", f"{name}: {value}"]
        if ask.body is not None:
            data = Path(directory) / "body"
            data.write_bytes(ask.body)
            options += ["-d", str(data)]
        url = route.url + ask.path
        told, body = (_run("nghttp", *mode, *options, url) for mode in (["-nv"], []))
    result = Result(0, [], informational=[], trailers=[], version="HTTP/2")
    code = re.search(rb"recv RST_STREAM frame .*\n\s+\(error_code=\w+\((0x\w+)\)", told)
    result.error = f"RST_STREAM {int(code[1], 16)}" if code and int(code[1], 16) else ""
    heads: list[Pairs] = []
    pairs: Pairs = []
    for line in told.decode("latin-1").split("\n"):
        if found := re.search(r"recv \(stream_id=\d+(?:, sensitive)?\) (:?[^:]+): ?(.*)", line):
            pairs.append((found[1], found[2]))
        elif "recv HEADERS frame" in line:
            heads.append(pairs)
            pairs = []
    for pairs in heads:
        status = int(dict(pairs).get(":status", 0))
        if status == 0:
            result.trailers = _told(pairs)
        elif status < 200:
            assert result.informational is not None
            result.informational.append((status, _told(pairs)))
        else:
            result.status, result.fields = status, _told(pairs)
    result.size, result.digest = len(body), hashlib.sha256(body).hexdigest()
    return result


def ask_httpx(ask: Ask, route: Route, version: str) -> Result:
    """By httpx. It tells neither informational responses nor trailers."""
    context = ssl.create_default_context(cafile=route.trust)
    two = version == "HTTP/2"
    with httpx.Client(
        http1=not two,
        http2=two,
        verify=context,
        proxy=route.proxy or None,
        trust_env=False,
        timeout=30,
    ) as client:
        url, fields = route.url + ask.path, list(ask.fields)
        try:
            response = client.request(ask.method, url, headers=fields, content=ask.body)
        except httpx.HTTPError as error:
            return Result(0, [], error=type(error).__name__)
    raw = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in response.headers.raw]
    return Result(
        response.status_code,
        _told(raw),
        size=len(response.content),
        digest=hashlib.sha256(response.content).hexdigest(),
        version=response.http_version,
    )


def ask_node(ask: Ask, route: Route, version: str) -> Result:
    """By Node's http2 client."""
    assert version == "HTTP/2"
    return ask_node_at_once([ask], route)[0]


def ask_node_at_once(asks: Sequence[Ask], route: Route) -> list[Result]:
    """By Node's http2 client, all on one connection."""
    questions = [
        {
            "method": ask.method,
            "path": ask.path,
            "fields": ask.fields,
            "body": None if ask.body is None else base64.b64encode(ask.body).decode(),
            "trailers": ask.trailers,
        }
        for ask in asks
    ]
    job = {"url": route.url, "ca": route.trust, "proxy": route.proxy, "asks": questions}
    said: list[dict[str, Any]] = json.loads(_run("node", str(NODE_CLIENT), stdin=json.dumps(job)))
    return [
        Result(
            one["status"],
            _told((name, value) for name, value in one["fields"]),
            one["size"],
            one["digest"],
            [(status, _told(map(tuple, pairs))) for status, pairs in one["informational"]],
            _told(map(tuple, one["trailers"])),
            one["error"],
            "HTTP/2",
            one["pushed"],
        )
        for one in said
    ]


def _run(name: str, *arguments: str, stdin: str = "", timeout: float = 60) -> bytes:
    """The standard output of a program; what it says beside that goes into the failure."""
    run = subprocess.run(
        [program(name), *arguments],
        env=clean_env(),
        input=stdin.encode(),
        capture_output=True,
        timeout=timeout,
    )
    assert run.stdout or run.returncode == 0, run.stderr.decode(errors="replace")
    return run.stdout


class H2load(NamedTuple):
    """What h2load counted."""

    succeeded: int
    failed: int
    errored: int
    statuses: dict[str, int]  # "2xx" and so on
    per_second: float
    output: str


def h2load(url: str, requests: int, *options: str, timeout: float = 600) -> H2load:
    """Run h2load with `requests` to one URL."""
    output = _run("h2load", "-n", str(requests), *options, url, timeout=timeout).decode()
    counted = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", output)
    rate = re.search(r"finished in \S+, ([\d.]+) req/s", output)
    assert counted, output
    assert rate, output
    statuses = {name: int(count) for count, name in re.findall(r"(\d+) (\dxx)", output)}
    succeeded, failed, errored = map(int, counted.groups())
    return H2load(succeeded, failed, errored, statuses, float(rate[1]), output)


@dataclass(frozen=True, slots=True)
class Client:
    """A client: how to ask, which versions it speaks, and what it can be told of a proxy."""

    ask: Callable[[Ask, Route, str], Result]
    versions: tuple[str, ...]
    sends_trailers: bool = False
    knows_proxies: bool = True
    tunnels_h2c: bool = True  # else it sends the proxy an absolute URL as :path

    def can_tunnel(self, url: str, version: str) -> bool:
        """Whether it gets to `url` by way of a CONNECT, or of an absolute target in HTTP/1.1."""
        plain = url.startswith("http:") and version == "HTTP/2"
        return self.knows_proxies and (self.tunnels_h2c or not plain)


CLIENTS = {
    "curl": Client(ask_curl, ("HTTP/1.1", "HTTP/2")),
    "httpx": Client(ask_httpx, ("HTTP/1.1", "HTTP/2"), tunnels_h2c=False),
    "node": Client(ask_node, ("HTTP/2",), sends_trailers=True),
    "nghttp": Client(ask_nghttp, ("HTTP/2",), sends_trailers=True, knows_proxies=False),
}


def ask_all(name: str, asks: Sequence[Ask], route: Route, version: str) -> list[Result]:
    """What a client got for each question; Node asks them all at once."""
    if name == "node":
        return ask_node_at_once(asks, route)
    return [CLIENTS[name].ask(ask, route, version) for ask in asks]
