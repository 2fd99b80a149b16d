"""JSON as the store keeps it: what addons put into a flow, as far as JSON can hold it."""

from __future__ import annotations

from typing import Any

import msgspec

_encode = msgspec.json.Encoder(enc_hook=str).encode
_decode = msgspec.json.Decoder().decode


def to_json(value: object) -> str:
    """`value` as JSON text; what JSON cannot hold becomes its str()."""
    try:
        return _encode(value).decode()
    except (ValueError, TypeError, OverflowError, RecursionError):  # odd keys, lone surrogates
        return _encode(ascii(value)).decode()


def from_json(text: str) -> Any:
    """The value of JSON text."""
    return _decode(text)
