"""How a body is shown: a registry of formats, and the fallback when none fits.

A format is a line in FORMATS and, where it re-arranges its text, a function in a file of its own. A
view never fails and says in its note what is not as it was asked for. It takes time: call it where
nothing waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rama_proxy.content.charset import looks_binary, to_utf8
from rama_proxy.content.events import pretty_events
from rama_proxy.content.form import pretty_form
from rama_proxy.content.grpc import pretty_grpc, pretty_protobuf
from rama_proxy.content.jsontext import pretty_json, pretty_json_lines
from rama_proxy.content.markup import pretty_html, pretty_xml
from rama_proxy.content.origin import NOWHERE, Origin, origin_of
from rama_proxy.content.protobuf_schema import Schema
from rama_proxy.model.coding import MAX_DECODED, CodingError, codings, decode_prefix
from rama_proxy.model.message import Message
from rama_proxy.units import format_size

MAX_PRETTY = 16 * 1024 * 1024

Pretty = Callable[[bytes], tuple[bytes, str]]  # UTF-8 → UTF-8 and a note; ValueError: not mine
Decode = Callable[[bytes, Origin], tuple[bytes, str]]  # the same, for what may be no text


@dataclass(slots=True, frozen=True)
class View:
    """A body made readable. `data` is UTF-8 text, or for "hex" the bytes to be dumped.

    UTF-8 as far as the body was text: what is not valid is for the reader to mark. `language` is
    pygments' name of the highlighting ("form" and "" are none of its), `note` a phrase or "".
    """

    name: str
    data: bytes
    language: str = ""
    note: str = ""


@dataclass(slots=True, frozen=True)
class Format:
    """A way to show text, or with `decode` bytes.

    `types` are media types, or ends of them from "+" on, or beginnings up to "/" or "+".
    """

    name: str
    types: tuple[str, ...]
    language: str = ""
    pretty: Pretty | None = None
    decode: Decode | None = None

    def suits(self, media_type: str) -> bool:
        """Whether `media_type` (lower case, without parameters) is one of this format."""
        return any(
            media_type == known
            or (known[0] == "+" and media_type.endswith(known))
            or (known[-1] in "/+" and media_type.startswith(known))
            for known in self.types
        )


_JSON_LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
_GRPC = (
    "application/grpc",
    "application/grpc+",
    "application/grpc-web",
    "application/grpc-web+",
    "application/grpc-web-text",
    "application/grpc-web-text+",
    "application/connect+",
)
_PROTOBUF = (
    "application/protobuf",
    "application/proto",
    "application/x-protobuf",
    "application/x-google-protobuf",
    "application/vnd.google.protobuf",
    "+proto",
    "+protobuf",
)
FORMATS: dict[str, Format] = {
    found.name: found
    for found in (
        Format("gRPC", _GRPC, "yaml", decode=pretty_grpc),
        Format("protobuf", _PROTOBUF, "yaml", decode=pretty_protobuf),
        Format("events", ("text/event-stream",), "yaml", pretty_events),
        Format("JSON lines", (*_JSON_LINES, "application/json-seq"), "json", pretty_json_lines),
        Format("JSON", ("application/json", "text/json", "+json"), "json", pretty_json),
        Format("HTML", ("text/html", "application/xhtml+xml"), "html", pretty_html),
        Format("XML", ("application/xml", "text/xml", "+xml"), "xml", pretty_xml),
        Format("form", ("application/x-www-form-urlencoded",), "form", pretty_form),
        Format(
            "JavaScript",
            (
                "text/javascript",
                "application/javascript",
                "application/x-javascript",
                "application/ecmascript",
                "text/ecmascript",
            ),
            "javascript",
        ),
        Format("CSS", ("text/css",), "css"),
        Format("text", ("text/",)),
    )
}
_VAGUE = frozenset({"", "text/plain", "application/octet-stream", "binary/octet-stream"})


def render(
    data: bytes,
    media_type: str = "",
    name: str = "auto",
    charset: str | None = None,
    origin: Origin = NOWHERE,
) -> View:
    """The view `name` of `data`, which has no content coding any more.

    "auto" is the format of the media type, or of what the data looks like; "raw" is the text as it
    is, "hex" a dump; else a name of FORMATS.
    """
    if name == "hex":
        return View("hex", data)
    binary = looks_binary(data)
    chosen = FORMATS.get(name) or _format_for(media_type, data, binary)
    if chosen is not None and chosen.decode is not None and name != "raw":
        try:
            text, note = chosen.decode(data, origin)
            return View(chosen.name, text, chosen.language, note)
        except Exception as error:  # as below
            note = f"cannot be shown as {chosen.name}: {error}"
            return View("hex" if binary else "text", data, note=note)
    if binary and name != "raw" and charset is None:
        note = f"not {chosen.name}, shown as bytes" if chosen and chosen.name != "text" else ""
        return View("hex", data, note=note)
    text, note = to_utf8(data, charset)
    if chosen is None:
        return View("text", text, note=note)
    if name == "raw" or chosen.pretty is None:
        return View(chosen.name, text, chosen.language, note)
    if len(text) > MAX_PRETTY:
        note = f"larger than {format_size(MAX_PRETTY)}, shown as it is"
        return View(chosen.name, text, chosen.language, note)
    try:
        text, remark = chosen.pretty(text)
    except Exception as error:  # formats come from addons too; a view must not end the screen
        remark = f"cannot be shown as {chosen.name}: {error}"
    return View(chosen.name, text, chosen.language, _joined(note, remark))


def view_body(
    message: Message, name: str = "auto", path: str = "", schema: Schema | None = None
) -> View:
    """The view `name` of a message's body, its content coding undone as far as possible.

    `path` is that of the request, which with `schema` says what a gRPC message is.
    """
    data, encoding = bytes(message.body), message.headers.joined("content-encoding")
    note = ""
    if data and codings(encoding):
        try:
            data, more = decode_prefix(data, encoding)
        except CodingError as error:
            view = render(data, name="hex" if looks_binary(data) and name != "raw" else name)
            return View(view.name, view.data, "", f"{error}, shown as received")
        if more:
            note = f"only the first {format_size(MAX_DECODED)} after decoding"
    origin = origin_of(message, path, schema)
    view = render(data, message.media_type, name, message.charset, origin)
    return View(view.name, view.data, view.language, _joined(note, view.note))


def _format_for(media_type: str, data: bytes, binary: bool) -> Format | None:
    """The format of `media_type`; where that says little, what `data` begins like."""
    if media_type not in _VAGUE:
        for found in FORMATS.values():
            if found.suits(media_type):
                return found
    start = b"" if binary else data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"{", b"[")):
        return FORMATS["JSON"] if _looks_like_json(start) else None
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return FORMATS["HTML"]
    if start.startswith((b"<?xml", b"<svg", b"<soap")):
        return FORMATS["XML"]
    return None


def _looks_like_json(start: bytes) -> bool:
    """Whether text that begins like this is JSON rather than a log line in brackets."""
    following = start[1:].lstrip()[:1]
    return following in (b'"}' if start[:1] == b"{" else b'"]{[-0123456789tfn')


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
