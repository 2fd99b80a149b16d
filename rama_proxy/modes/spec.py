"""`--mode` as text and as what it means."""

from __future__ import annotations

from dataclasses import dataclass

from rama_proxy.errors import ConfigError
from rama_proxy.model.connection import Address
from rama_proxy.model.message import split_url

MODES = "regular, reverse:http[s]://host[:port]"


@dataclass(slots=True, frozen=True)
class ModeSpec:
    """A mode and its target. `name` is "regular" or "reverse"."""

    name: str
    scheme: str = "http"
    target: Address | None = None
    text: str = ""


def parse_mode(text: str) -> ModeSpec:
    """The mode that `text` names. Raises ConfigError with what would be right."""
    name, _, rest = text.partition(":")
    if name == "regular" and not rest:
        return ModeSpec("regular", text=text)
    if name != "reverse":
        raise ConfigError(f"unknown mode {text!r}; the modes are {MODES}")
    try:
        scheme, host, port, path = split_url(rest)
    except ValueError as error:
        raise ConfigError(f"mode {text!r}: {error}; write reverse:http[s]://host[:port]") from error
    if path != "/":
        raise ConfigError(
            f"mode {text!r}: a path cannot be given; write reverse:http[s]://host[:port]"
        )
    return ModeSpec("reverse", scheme, (host, port), text)
