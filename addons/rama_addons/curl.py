"""Export of a request as a curl command that sends the same bytes when `sh` runs it.

What the proxy itself leaves out on the way to the server is left out here too. Written for curl
7.43 and later; the bytes are checked with the curl that runs the tests.
"""

from __future__ import annotations

import re

from rama_proxy import Flow, Request, is_plain_text, shell_print, shell_quote

MAX_ARGUMENT = 100_000  # bytes; Linux allows 128 KiB in one argument
MAX_WITHOUT_EXPECT = 1024  # bytes of body above which some curl asks with Expect first

HOP = frozenset({b"proxy-connection", b"proxy-authorization"})

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 5.6.2
_HOST = re.compile(r"[A-Za-z0-9._~-]+|[0-9A-Fa-f:.]+")
_URL_PATH = re.compile(rb"/[^\x00-\x20#\\\x7f-\xff]*")  # what curl takes from a URL as it is
_DOTS = re.compile(rb"/(?:\.|%2e)", re.IGNORECASE)

Lines = list[tuple[bytes, bytes]]  # lower-case name and whole line of each header field


def to_curl(flow: Flow) -> str:
    """The request of `flow` as a curl command. Raises ValueError where curl cannot send it."""
    request = flow.request
    body = _whole_body(flow)
    lines = _header_lines(request)
    words = [*_url_words(request), *_version_words(request), *_method_words(request.method, body)]
    words += _header_words(request, lines, body)
    source = ""
    if body is not None:
        if is_plain_text(body) and len(body) <= MAX_ARGUMENT:
            words.append(f"--data-raw {shell_quote(body)}")
        else:
            source = f"{shell_print(body)} | "
            words.append("--data-binary @-")
    if any(name == b"accept-encoding" for name, _ in lines):
        words.append("--compressed")
    if flow.server is not None and flow.server.tls is not None and flow.server.tls.verify_error:
        words.append("--insecure")
    return f"{source}curl " + " \\\n  ".join(words)


exporters = {"curl": to_curl}


def _whole_body(flow: Flow) -> bytes | None:
    """The body to send, None for none; b"" where the request says that there is an empty one."""
    request = flow.request
    if flow.kind in {"tcp", "tls"} or request.method == "CONNECT":
        raise ValueError("a tunnel is no request")
    if request.trailers:
        raise ValueError("curl sends no trailers")
    body = request.body
    data = bytes(body)
    if len(data) != body.size or body.truncated:
        raise ValueError(f"only {len(data)} of {body.size} bytes of the request's body were kept")
    if not body.complete and body.size:
        raise ValueError("the request's body did not arrive whole")
    chunked = "chunked" in (request.headers.joined("transfer-encoding") or "").lower()
    return data if data or chunked else None


def _url_words(request: Request) -> list[str]:
    if request.scheme not in {"http", "https"} or not _HOST.fullmatch(request.host):
        raise ValueError(f"curl cannot take {request.scheme}://{request.host} as a URL")
    root = f"{request.scheme}://{_authority(request)}".encode()
    target = _origin_form(request)
    if not target or 0 in target:
        raise ValueError(f"curl cannot send the request target {target!r}")
    empty_query = target.endswith(b"?")  # not every libcurl keeps the mark of one
    if empty_query or not _URL_PATH.fullmatch(target):
        return [shell_quote(root + b"/"), f"--request-target {shell_quote(target)}"]
    words = [shell_quote(root + target)]
    if _DOTS.search(target):
        words.append("--path-as-is")
    if any(mark in root + target for mark in (b"[", b"]", b"{", b"}")):
        words.append("--globoff")
    return words


def _origin_form(request: Request) -> bytes:
    """The target as the server gets it: without the scheme and authority meant for the proxy."""
    target = request.target
    if target[:1] in {b"/", b"*"} or not re.match(rb"(?i)https?://", target):
        return target
    rest = target.partition(b"://")[2]
    start = re.search(rb"[/?]", rest)
    if start is None:
        return b"*" if request.method == "OPTIONS" else b"/"  # RFC 9112 3.2.4
    path = rest[start.start() :]
    return path if path.startswith(b"/") else b"/" + path


def _authority(request: Request) -> str:
    host = f"[{request.host}]" if ":" in request.host else request.host
    default = {"http": 80, "https": 443}[request.scheme]
    return host if request.port in {0, default} else f"{host}:{request.port}"


def _version_words(request: Request) -> list[str]:
    secure = request.scheme == "https"
    match request.version:
        case "HTTP/1.0":
            return ["--http1.0"]
        case "HTTP/1.1":
            return ["--http1.1"] if secure else []
        case "HTTP/2" | "HTTP/2.0":
            return ["--http2"] if secure else ["--http2-prior-knowledge"]
        case "HTTP/3" | "HTTP/3.0":
            return ["--http3"]
        case version:
            raise ValueError(f"curl has no {version!r}")


def _method_words(method: str, body: bytes | None) -> list[str]:
    if not _TOKEN.fullmatch(method.encode()):
        raise ValueError(f"curl cannot send the method {method!r}")
    if method == "HEAD" and body is None:
        return ["--head"]
    implied = "GET" if body is None else "POST"
    return [] if method == implied else [f"-X {shell_quote(method)}"]


def _header_lines(request: Request) -> Lines:
    """The fields to send, each line as it came where nobody edited the fields since."""
    raw = dict[int, bytes]()
    received = request.raw.split(b"\r\n")[1:-2]
    fields = request.headers.fields
    if len(received) == len(fields):
        for index, (line, (name, value)) in enumerate(zip(received, fields, strict=True)):
            left, colon, right = line.partition(b":")
            if colon and left == name and right.strip(b" \t") == value:
                raw[index] = line
    lines = Lines()
    for index, (name, value) in enumerate(fields):
        lower_name = name.lower()
        if not _TOKEN.fullmatch(name) or any(mark in value for mark in (0, 10, 13)):
            raise ValueError(f"curl cannot send the header field {name!r}: {value!r}")
        if lower_name not in HOP:
            line = raw.get(index, b"%b: %b" % (name, value))
            lines.append((lower_name, line if value.strip(b" \t") else name + b";"))
    return lines


def _header_words(request: Request, lines: Lines, body: bytes | None) -> list[str]:
    """Every field in its place, and an order to leave out each that curl would add."""
    names = {name for name, _ in lines}
    arguments = [line for _, line in lines]
    if lines and arguments[0] == b"Host: " + _authority(request).encode():
        del arguments[0]  # curl puts the same there
    elif request.version.startswith("HTTP/1") and not (lines and lines[0][1][:5] == b"Host:"):
        arguments.insert(0, b"Host:")  # none in front, then; one in the list goes in its place
    length = b"Content-Length: %d" % len(body or b"")
    if body and arguments and arguments[-1] == length:
        del arguments[-1]  # curl puts the same there, also after somebody edits the command
    unwanted = [b"User-Agent", b"Accept"]
    if body is not None:
        unwanted.append(b"Content-Type")
        if b"transfer-encoding" not in names:
            unwanted.append(b"Content-Length")
        if len(body) > MAX_WITHOUT_EXPECT:
            unwanted.append(b"Expect")
    arguments += [name + b":" for name in unwanted if name.lower() not in names]
    return [f"-H {shell_quote(argument)}" for argument in arguments]
