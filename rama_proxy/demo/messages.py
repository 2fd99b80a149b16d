"""What the demo's servers read and what they answer, whatever the version of HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit


@dataclass(slots=True)
class Asked:
    """A request as it arrived; `fields` by lower-case name."""

    method: str
    target: str
    fields: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The path without the query."""
        return urlsplit(self.target).path

    @property
    def host(self) -> str:
        """The name in Host."""
        return self.fields.get("host", "").partition(":")[0].lower()

    def number(self, name: str, default: int) -> int:
        """A number from the query."""
        values = parse_qs(urlsplit(self.target).query).get(name, [])
        return int(values[0]) if values and values[0].isdigit() else default


@dataclass(slots=True)
class Reply:
    """An answer. With `pieces` (seconds to wait, data) or `trailers` its length is not announced.

    `cut` closes the connection after that many bytes of the body, `reset` at once; over HTTP/2
    they end the stream.
    """

    status: int = 200
    media_type: str = "text/plain; charset=utf-8"
    body: bytes = b""
    fields: list[tuple[str, str]] = field(default_factory=list)
    delay: float | None = None  # seconds; None: a little, depending on the path
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    trailers: list[tuple[str, str]] = field(default_factory=list)
    cut: int | None = None
    reset: bool = False

    def head(self) -> list[tuple[str, str]]:
        """All fields of the head but those that one version of HTTP alone has."""
        fields = [("Server", "demo")]
        has_body = self.status not in (204, 304)
        if self.media_type and has_body:
            fields.append(("Content-Type", self.media_type))
        fields += self.fields
        if has_body and not self.pieces and not self.trailers:
            fields.append(("Content-Length", str(len(self.body))))
        return fields


Route = Callable[[Asked], Reply]
