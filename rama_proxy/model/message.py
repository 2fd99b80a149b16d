"""Requests and responses."""

from __future__ import annotations

import http
from typing import Self
from urllib.parse import parse_qsl

from rama_proxy.model.body import Body
from rama_proxy.model.charset import web_charset
from rama_proxy.model.coding import decode, encode
from rama_proxy.model.headers import Headers, to_bytes, to_text

DEFAULT_PORTS = {"http": 80, "https": 443}


class Message:
    """What a request and a response have in common.

    `raw` is the head as received, empty line included; empty for one that was made here.
    """

    __slots__ = ("body", "headers", "raw", "stream", "trailers", "version")

    version: str  # "HTTP/1.1"
    headers: Headers
    body: Body
    trailers: Headers | None
    raw: bytes
    stream: bool  # set by an addon: pass the body on as it comes, whoever wants it whole

    @property
    def raw_content(self) -> bytes:
        """The body with its content coding, as far as it was kept."""
        return bytes(self.body)

    @raw_content.setter
    def raw_content(self, data: bytes) -> None:
        self.body.replace(data)

    @property
    def content(self) -> bytes:
        """The body without its content coding. Raises CodingError where it is broken."""
        return decode(bytes(self.body), self.headers.joined("content-encoding"))

    @content.setter
    def content(self, data: bytes) -> None:
        self.body.replace(encode(data, self.headers.joined("content-encoding")))

    @property
    def text(self) -> str:
        """The body as text, by the charset of Content-Type if the web knows it, else UTF-8."""
        return self.content.decode(web_charset(self.charset) or "utf-8", "replace")

    @text.setter
    def text(self, text: str) -> None:
        try:
            self.content = text.encode(web_charset(self.charset) or "utf-8")
        except UnicodeEncodeError:
            self.content = text.encode("utf-8", "surrogateescape")

    @property
    def media_type(self) -> str:
        """The media type of Content-Type in lower case without parameters, "" without."""
        return (self.headers.get("content-type") or "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str | None:
        """The charset parameter of Content-Type."""
        for part in (self.headers.get("content-type") or "").split(";")[1:]:
            name, _, value = part.partition("=")
            if name.strip().lower() == "charset":
                return value.strip().strip('"') or None
        return None

    @property
    def http_version(self) -> str:
        """mitmproxy's name for `version`."""
        return self.version


class Request(Message):
    """A request. `target` is as on the wire; `scheme`, `host` and `port` say where it goes.

    `authority` is what the target or `:authority` named, "" if only Host did. Of HTTP/2 alone:
    `pseudo_order` are the initials of the pseudo fields in wire order ("masp", P for :protocol),
    `protocol` is what `:protocol` of an extended CONNECT named (RFC 8441 4).
    """

    __slots__ = (
        "authority",
        "host",
        "method",
        "port",
        "protocol",
        "pseudo_order",
        "scheme",
        "target",
    )

    def __init__(
        self, method: str, target: bytes, version: str, headers: Headers, raw: bytes = b""
    ) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        self.raw = raw
        self.body = Body(complete=False)
        self.trailers = None
        self.stream = False
        self.scheme = ""
        self.host = ""
        self.port = 0
        self.authority = ""
        self.pseudo_order = ""
        self.protocol = ""

    @classmethod
    def make(
        cls,
        method: str,
        url: str,
        content: bytes | str = b"",
        headers: Headers | dict[str, str] | None = None,
    ) -> Self:
        """A request made here, with Host and Content-Length. Raises ValueError for a bad URL."""
        scheme, host, port, path = split_url(url)
        fields = Headers(headers.items()) if headers is not None else Headers()
        if "host" not in fields:
            fields.fields.insert(0, (b"Host", to_bytes(authority_of(scheme, host, port))))
        request = cls(method, to_bytes(path), "HTTP/1.1", fields)
        request.scheme, request.host, request.port = scheme, host, port
        data = to_bytes(content) if isinstance(content, str) else content
        request.body = Body(data)
        if data:
            fields.set("Content-Length", str(len(data)))
        return request

    def copy(self) -> Self:
        """The same request with fields and a body of its own."""
        other = type(self)(self.method, self.target, self.version, self.headers.copy(), self.raw)
        other.body = self.body.copy()
        other.trailers = None if self.trailers is None else self.trailers.copy()
        other.stream = self.stream
        other.scheme, other.host, other.port = self.scheme, self.host, self.port
        other.authority, other.protocol = self.authority, self.protocol
        other.pseudo_order = self.pseudo_order
        return other

    @property
    def path(self) -> str:
        """Path and query as text: the target without scheme and authority."""
        target = to_text(self.target)
        if target.startswith("/") or "://" not in target:
            return target
        rest = target.partition("://")[2]
        for index, letter in enumerate(rest):
            if letter in "/?":
                return rest[index:] if letter == "/" else "/" + rest[index:]
        return "/"

    @path.setter
    def path(self, path: str) -> None:
        self.target = to_bytes(path)

    @property
    def url(self) -> str:
        """The whole URL, by where the request goes; host and port alone for CONNECT."""
        where = authority_of(self.scheme, self.host, self.port)
        if self.method == "CONNECT" and not self.target.startswith(b"/"):
            return where
        return f"{self.scheme}://{where}{self.path if self.path != '*' else ''}"

    @url.setter
    def url(self, url: str) -> None:
        self.scheme, self.host, self.port, path = split_url(url)
        self.target = to_bytes(path)
        if "host" in self.headers:
            self.headers.set("Host", authority_of(self.scheme, self.host, self.port))

    @property
    def pretty_host(self) -> str:
        """The host that the client named: Host or authority, else where the request goes."""
        named = self.authority or self.headers.get("host")
        if not named:
            return self.host
        try:
            return split_authority(named)[0]
        except ValueError:
            return named  # malformed, and still what was named

    @property
    def pretty_url(self) -> str:
        """`url` with the host that the client named."""
        named = self.authority or self.headers.get("host")
        return (
            f"{self.scheme}://{named}{self.path}"
            if named and (self.method != "CONNECT" or self.target.startswith(b"/"))
            else self.url
        )

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query's names and values in order."""
        return parse_qsl(self.path.partition("?")[2], keep_blank_values=True)


class Response(Message):
    """A response. `informational` holds the 1xx responses that came before it."""

    __slots__ = ("informational", "reason", "status")

    def __init__(
        self, status: int, reason: str, version: str, headers: Headers, raw: bytes = b""
    ) -> None:
        self.status = status
        self.reason = reason
        self.version = version
        self.headers = headers
        self.raw = raw
        self.body = Body(complete=False)
        self.trailers = None
        self.stream = False
        self.informational: list[Response] = []

    @classmethod
    def make(
        cls,
        status: int = 200,
        content: bytes | str = b"",
        headers: Headers | dict[str, str] | None = None,
        reason: str | None = None,
    ) -> Self:
        """A response made here, with its Content-Length."""
        fields = Headers(headers.items()) if headers is not None else Headers()
        data = content.encode() if isinstance(content, str) else content
        response = cls(
            status, REASONS.get(status, "") if reason is None else reason, "HTTP/1.1", fields
        )
        response.body = Body(data)
        if status >= 200 and status not in {204, 304}:
            fields.set("Content-Length", str(len(data)))
        return response

    @property
    def status_code(self) -> int:
        """mitmproxy's name for `status`."""
        return self.status

    @status_code.setter
    def status_code(self, status: int) -> None:
        self.status = status
        self.reason = REASONS.get(status, "")


def split_authority(authority: str) -> tuple[str, int | None]:
    """`host[:port]` in two, an IPv6 address without brackets. Raises ValueError for a bad port."""
    host, colon, port = authority.rpartition(":")
    if not colon or "]" in port:
        host, port = authority, ""
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"an IPv6 address needs brackets: {authority!r}")
    if port and not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f"bad port {port!r} in {authority!r}")
    return host, int(port) if port else None


def authority_of(scheme: str, host: str, port: int) -> str:
    """`host[:port]`, the port left out where the scheme implies it."""
    shown = f"[{host}]" if ":" in host else host
    return shown if DEFAULT_PORTS.get(scheme) == port else f"{shown}:{port}"


def split_url(url: str) -> tuple[str, str, int, str]:
    """Scheme, host, port, and path with query. Raises ValueError for what is no http(s) URL."""
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in DEFAULT_PORTS:
        raise ValueError(f"not an http or https URL: {url!r}")
    cut = min(
        (index for index in (rest.find(mark) for mark in "/?#") if index >= 0), default=len(rest)
    )
    host, port = split_authority(rest[:cut].rpartition("@")[2])
    if not host:
        raise ValueError(f"no host in URL {url!r}")
    path = rest[cut:].partition("#")[0]
    if not path.startswith("/"):
        path = "/" + path
    return scheme, host, DEFAULT_PORTS[scheme] if port is None else port, path


REASONS = {status.value: status.phrase for status in http.HTTPStatus}
