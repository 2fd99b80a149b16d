"""Export formats by name, and shell quoting that holds for any bytes.

The formats themselves are addons: functions of a flow that give text. Knows neither the hooks nor
the store; whoever exports a flow loads its bodies first.
"""

from __future__ import annotations

import base64
import string
from collections.abc import Callable, Iterable, Mapping

from rama_proxy.errors import ConfigError, ExportError
from rama_proxy.model.flow import Flow

Exporter = Callable[[Flow], str]

MAX_PRINTF = 200  # bytes; more than that is shorter and as unreadable in base64

_KEPT = (string.ascii_letters + string.digits + " #&()*+,-./:;<=>?@[]^_{|}~").encode()
_OCTAL_DASH = "\\055"


class Exporters:
    """Export formats: names and the functions behind them."""

    def __init__(self, found: Mapping[str, Exporter]) -> None:
        """`found` is what `Hooks.exporters` gives."""
        self._found = dict(found)

    @classmethod
    def of(cls, addons: Iterable[object]) -> Exporters:
        """The formats that `addons` and those in their own lists `addons` have.

        Of two with one name it is the later one.
        """
        found: dict[str, Exporter] = {}
        for addon in addons:
            found.update(getattr(addon, "exporters", {}))
            inner = getattr(addon, "addons", ())
            if isinstance(inner, list | tuple):
                found.update(cls.of(inner)._found)
        return cls(found)

    @property
    def names(self) -> list[str]:
        """Every format there is, sorted."""
        return sorted(self._found)

    def export(self, name: str, flow: Flow) -> str:
        """`flow` in format `name`.

        Raises ConfigError for an unknown name, ExportError for a flow that the format cannot say.
        """
        if name not in self._found:
            known = ", ".join(self.names) or "none"
            raise ConfigError(f"no export format is called {name!r}; there are: {known}")
        try:
            return self._found[name](flow)
        except ValueError as error:
            raise ExportError(f"flow {flow.id} cannot be exported as {name}: {error}") from error
        except Exception as error:  # an addon may raise anything
            reason = f"{type(error).__name__}: {error}"
            raise ExportError(f"the exporter {name} failed on flow {flow.id}: {reason}") from error


def shell_quote(data: bytes | str) -> str:
    """A word of a POSIX shell command that stands for exactly `data`, whatever is in it.

    It is fit to be shown and pasted: what a terminal would obey (control and bidi characters) and
    what is no UTF-8 becomes a printf. Raises ValueError for NUL, which no argument can hold.
    """
    data = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    if 0 in data:
        raise ValueError("an argument of a command cannot hold NUL")
    text = _shown(data)
    if text is not None:
        return _single_quoted(text)
    core = data.rstrip(b"\n")  # $() drops newlines at the end
    word = f'"$({_printf(core)})"'
    return word + _single_quoted("\n" * (len(data) - len(core))) if core != data else word


def shell_print(data: bytes) -> str:
    """A POSIX shell command that prints exactly `data`."""
    text = _shown(data)
    if text is not None:
        return f"printf %s {_single_quoted(text)}"
    if len(data) <= MAX_PRINTF:
        return _printf(data)
    return f"printf %s '{base64.b64encode(data).decode()}' | base64 -d"


def is_plain_text(data: bytes) -> bool:
    """Whether `data` is text that `shell_quote` leaves readable."""
    return _shown(data) is not None


def _shown(data: bytes) -> str | None:
    """`data` as text if nothing in it could act on a terminal, None otherwise."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text.replace("\n", "").isprintable() else None


def _single_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _printf(data: bytes) -> str:
    """A printf of `data`; letters, digits and some marks stay, the rest is octal.

    Octal of three digits is what POSIX has. A `-` in front would be an option, and a `!` is
    expanded by an interactive bash even inside $().
    """
    text = "".join(chr(byte) if byte in _KEPT else f"\\{byte:03o}" for byte in data)
    return f"printf '{text.replace('-', _OCTAL_DASH, 1) if text.startswith('-') else text}'"
