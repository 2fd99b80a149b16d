"""Header fields in the order, case and bytes of the wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Field = tuple[bytes, bytes]


def to_bytes(text: str | bytes) -> bytes:
    """What goes on the wire for `text`: latin-1, or UTF-8 where latin-1 has no such letter."""
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8")


def to_text(data: bytes) -> str:
    """What a person reads for `data`: UTF-8 where it is valid, else latin-1. Never fails."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


class Headers:
    """A list of `(name, value)` bytes; equality is equality on the wire.

    Look-ups compare names without case (RFC 9110 5.1) and give text. Order, case and repeated
    fields stay as they are until something is changed, and then only that changes.
    """

    __slots__ = ("fields",)

    def __init__(self, fields: Iterable[tuple[str | bytes, str | bytes]] = ()) -> None:
        self.fields: list[Field] = [(to_bytes(name), to_bytes(value)) for name, value in fields]

    @classmethod
    def of(cls, fields: list[Field]) -> Headers:
        """Headers that own `fields` as they are, without a copy."""
        headers = cls.__new__(cls)
        headers.fields = fields
        return headers

    def copy(self) -> Headers:
        """Headers with a list of their own."""
        return Headers.of(self.fields.copy())

    def get_bytes(self, lower_name: bytes) -> bytes | None:
        """The first value of the field whose lower-case name is `lower_name`."""
        for name, value in self.fields:
            if name.lower() == lower_name:
                return value
        return None

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of field `name`."""
        value = self.get_bytes(to_bytes(name).lower())
        return default if value is None else to_text(value)

    def all(self, name: str) -> list[str]:
        """Every value of field `name`, in wire order."""
        lower_name = to_bytes(name).lower()
        return [to_text(value) for key, value in self.fields if key.lower() == lower_name]

    def joined(self, name: str) -> str | None:
        """All values of field `name` as one list (RFC 9110 5.3), or None without any."""
        values = self.all(name)
        return ", ".join(values) if values else None

    def set(self, name: str, value: str) -> None:
        """Replace the first field `name` in its place and case, drop its repeats, or append."""
        lower_name, new = to_bytes(name).lower(), to_bytes(value)
        kept: list[Field] = []
        placed = False
        for field in self.fields:
            if field[0].lower() != lower_name:
                kept.append(field)
            elif not placed:
                kept.append((field[0], new))
                placed = True
        if not placed:
            kept.append((to_bytes(name), new))
        self.fields = kept

    def add(self, name: str, value: str) -> None:
        """Append a field, whether or not one of that name is there."""
        self.fields.append((to_bytes(name), to_bytes(value)))

    def remove(self, name: str) -> None:
        """Drop every field `name`; none is fine."""
        lower_name = to_bytes(name).lower()
        self.fields = [field for field in self.fields if field[0].lower() != lower_name]

    def items(self) -> list[tuple[str, str]]:
        """Every field as text, in wire order, repeats included."""
        return [(to_text(name), to_text(value)) for name, value in self.fields]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.items())

    def __getitem__(self, name: str) -> str:
        value = self.joined(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self.remove(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get_bytes(to_bytes(name).lower()) is not None

    def __len__(self) -> int:
        return len(self.fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.fields == other.fields

    __hash__ = None  # type: ignore[assignment]  # mutable, as list is

    def __bytes__(self) -> bytes:
        """The block as on the wire: each field with its CRLF, without the empty line."""
        return b"".join([b"%b: %b\r\n" % field for field in self.fields])

    def __repr__(self) -> str:
        return f"Headers({self.fields!r})"
