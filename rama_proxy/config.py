"""Options: one declaration each gives flag, config key, environment variable and documentation.

`Options` says what can be set, with type, default and help; the precedence is flag, environment
(`RAMA_PORT`), config file, default. Knows nothing of the code that reads an option.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from rama_proxy.errors import ConfigError
from rama_proxy.units import format_duration, format_size, parse_duration, parse_size

APP = "rama"
BYTES, SECONDS = "bytes", "seconds"
KIB, MIB = 1024, 1024 * 1024


def _opt(
    default: object,
    help_text: str,
    *flags: str,
    metavar: str = "",
    group: str = "General",
    unit: str = "",
    most: float = math.inf,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field of Options. Without `flags` its flag is its name with dashes."""
    metadata = {
        "help": help_text,
        "flags": flags,
        "metavar": metavar,
        "group": group,
        "unit": unit,
        "most": most,
        "choices": choices,
    }
    if isinstance(default, (list, tuple)):
        return field(default_factory=lambda: tuple(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def _size(default: int, help_text: str) -> Any:
    return _opt(default, help_text, metavar="SIZE", group="Limits", unit=BYTES)


def _time(default: float, help_text: str) -> Any:
    return _opt(default, help_text, metavar="TIME", group="Timeouts", unit=SECONDS)


@dataclass(slots=True, kw_only=True)
class Options:
    """Everything that can be set. Sizes are bytes, times are seconds."""

    listen_host: str = _opt("127.0.0.1", "Address to listen on.", metavar="ADDRESS")
    port: int = _opt(
        8080,
        "Port to listen on; 0 takes a free one.",
        "-p",
        "--port",
        metavar="PORT",
        most=65535,
    )
    mode: str = _opt(
        "regular", "regular, or reverse:http[s]://host[:port].", "-m", "--mode", metavar="MODE"
    )
    store: str = _opt(
        "", "SQLite file to record into; made if it is missing.", "-w", "--write", metavar="FILE"
    )
    confdir: str = _opt("", "Directory of the certificate authority.", metavar="DIR")
    scripts: tuple[str, ...] = _opt(
        (), "Addon script to load; may repeat.", "-s", "--script", metavar="FILE"
    )
    addons: tuple[str, ...] = _opt(
        ("fingerprint", "curl", "replay"),
        "Addon of rama_addons to load; may repeat.",
        "--addon",
        metavar="NAME",
    )

    protobuf_descriptors: tuple[str, ...] = _opt(
        (),
        "Descriptor set that names the fields of gRPC messages; may repeat.",
        metavar="FILE",
        group="Content",
    )

    keep_host: bool = _opt(
        False, "Reverse mode: leave the Host header as the client sent it.", group="HTTP"
    )
    http2: bool = _opt(
        True, "Speak HTTP/2, with clients that do and servers they would.", group="HTTP"
    )
    upstream_http: str = _opt(
        "mirror",
        "HTTP version to servers: mirror takes what client and server agree on; 1.1, or 2 where"
        " the server can (without TLS: by prior knowledge), is spoken whatever the client does.",
        metavar="VERSION",
        group="HTTP",
        choices=("mirror", "1.1", "2"),
    )
    body_limit: int = _size(16 * MIB, "Bytes kept of each body; all of it is relayed.")
    max_head: int = _size(64 * KIB, "Largest message head.")  # nginx 32 KiB, node 80 KiB
    max_fields: int = _opt(
        256, "Most header fields in one message.", metavar="N", group="Limits"
    )  # apache 100, node 2000
    max_connections: int = _opt(
        0, "Most client connections; 0 fits the file limit.", metavar="N", group="Limits"
    )
    capture_budget: int = _size(
        64 * MIB,
        "Bytes that may wait for the store, and a quarter of those kept of flows under way;"
        " beyond it bodies are dropped.",
    )

    head_timeout: float = _time(30.0, "A request head, from its first byte to its last.")
    connect_timeout: float = _time(10.0, "Connecting to a server.")
    handshake_timeout: float = _time(10.0, "A TLS handshake.")
    idle_timeout: float = _time(60.0, "A client connection between requests.")
    body_timeout: float = _time(60.0, "Silence in the middle of a request body.")
    response_timeout: float = _time(120.0, "Waiting for a response head.")
    stream_timeout: float = _time(600.0, "Silence in the middle of a response body.")
    tunnel_timeout: float = _time(3600.0, "Silence in a tunnel or an upgraded connection.")
    shutdown_timeout: float = _time(10.0, "Draining before a stop.")

    ssl_insecure: bool = _opt(
        False, "Accept any certificate from servers.", "-k", "--ssl-insecure", group="TLS"
    )
    ssl_ca: str = _opt(
        "",
        "PEM file of authorities trusted for servers, beside the system's.",
        metavar="FILE",
        group="TLS",
    )
    client_cert: tuple[str, ...] = _opt(
        (),
        "[HOST=]PEM with certificate and key to show to servers; may repeat.",
        metavar="[HOST=]FILE",
        group="TLS",
    )
    dns_server: tuple[str, ...] = _opt(
        (),
        "Name server to ask instead of the system's resolver; may repeat.",
        metavar="IP",
        group="Network",
    )
    resolve: tuple[str, ...] = _opt(
        (),
        "Connect to ADDRESS when a client asks for HOST:PORT; may repeat.",  # as curl's flag
        metavar="HOST:PORT:ADDRESS[:PORT]",
        group="Network",
    )


@dataclass(slots=True, frozen=True)
class OptionInfo:
    """What the command line and the docs need to know of one option."""

    name: str
    type: str  # "str", "int", "float", "bool" or "tuple[str, ...]"
    default: object
    help: str
    flags: tuple[str, ...]
    metavar: str
    group: str
    unit: str = ""  # "bytes" and "seconds" may be written as `16M` and `2m`
    most: float = math.inf
    choices: tuple[str, ...] = ()  # the texts that it takes, () for any

    @property
    def env(self) -> str:
        """The environment variable that sets it."""
        return f"RAMA_{self.name.upper()}"

    @property
    def repeats(self) -> bool:
        """Whether it holds a list, which a flag adds to and the environment separates by commas."""
        return self.type.startswith("tuple")

    @property
    def shown_default(self) -> str:
        """The default as a person writes it, "" for none."""
        if self.default in ("", (), False):
            return ""
        if isinstance(self.default, tuple):
            return ", ".join(self.default)
        if self.unit:
            shown = format_size if self.unit == BYTES else format_duration
            return shown(cast("int", self.default))
        return str(self.default)


def option_infos() -> list[OptionInfo]:
    """Every option in the order of its declaration."""
    return [_info(item) for item in fields(Options)]


def _info(item: Field[Any]) -> OptionInfo:
    default = item.default if item.default is not MISSING else cast("Any", item.default_factory)()
    flags = item.metadata["flags"] or (f"--{item.name.replace('_', '-')}",)
    names = ("help", "metavar", "group", "unit", "most", "choices")
    details = {name: item.metadata[name] for name in names}
    return OptionInfo(name=item.name, type=str(item.type), default=default, flags=flags, **details)


def config_dir() -> Path:
    """Where the config file and the certificate authority are by default."""
    named = os.environ.get("RAMA_CONFDIR")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_config_dir(APP, appauthor=False))


def captures_dir() -> Path:
    """Where stores are made when no file is named."""
    named = os.environ.get("RAMA_CAPTURES")
    if named:
        return Path(named).expanduser() / "captures"
    import platformdirs

    return Path(platformdirs.user_data_dir(APP, appauthor=False)) / "captures"


def load_options(
    flags: Mapping[str, object], environ: Mapping[str, str] | None = None, path: Path | None = None
) -> Options:
    """Options from `flags` (unset ones left out), the environment and the config file at `path`.

    Without `path` the file is `RAMA_CONFIG`, else config.toml in `config_dir`, which may be
    missing. Raises ConfigError naming the source, the option and what it got.
    """
    environ = os.environ if environ is None else environ
    if path is None and environ.get("RAMA_CONFIG"):
        path = Path(environ["RAMA_CONFIG"]).expanduser()
    values: dict[str, Any] = {}
    file = path or config_dir() / "config.toml"
    if path is not None or file.exists():
        values.update(_read_file(file))
    values.update(_read_env(environ))
    values.update(
        {name: convert_option(name, value, "command line") for name, value in flags.items()}
    )
    return Options(**values)


def convert_option(name: str, value: object, source: str) -> object:
    """`value`, text as typed or a TOML value, as option `name` holds it.

    Raises ConfigError that opens with `source`.
    """
    info = _INFOS.get(name)
    if info is None:
        raise ConfigError(f"{source}: no option is called {name!r}{_nearest(name)}")
    try:
        return convert_value(info, value)
    except ValueError as error:
        raise ConfigError(f"{source}: {name}: expected {error}, got {value!r}") from error


def convert_value(info: OptionInfo, value: object) -> object:
    """`value` as the option of `info` holds it. Raises ValueError saying what was expected."""
    if info.repeats:
        if not isinstance(value, (list, tuple)) or not all(isinstance(part, str) for part in value):
            raise ValueError("a list of texts")
        return tuple(_path(info, part) for part in value)
    if info.type == "bool":
        return _convert_bool(value)
    if info.choices:
        if str(value) not in info.choices:  # TOML has 1.1 as a number
            raise ValueError(f"one of {', '.join(info.choices)}")
        return str(value)
    if info.type == "str":
        if not isinstance(value, str):
            raise ValueError("a text")
        return _path(info, value)
    return _convert_number(info, value)


def _read_file(file: Path) -> dict[str, object]:
    import tomllib

    try:
        text = file.read_text("utf-8")
        table = tomllib.loads(text)
    except FileNotFoundError as error:
        raise ConfigError(f"no config file at {file}") from error
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read {file}: it is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: {error}") from error
    return {
        name: convert_option(name, value, f"{file}{_line_of(name, text)}")
        for name, value in table.items()
    }


def _line_of(name: str, text: str) -> str:
    """`, line N` for the line of a TOML `text` that sets `name`: tomllib keeps no positions."""
    found = re.search(rf"^[ \t]*\[*[\"']?{re.escape(name)}\b", text, re.MULTILINE)
    return f", line {text.count(chr(10), 0, found.start()) + 1}" if found else ""


def _read_env(environ: Mapping[str, str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for info in _INFOS.values():
        text = environ.get(info.env)
        if text is not None and (text or info.repeats):  # empty is as good as unset
            parts = [part.strip() for part in text.split(",") if part.strip()]
            value = parts if info.repeats else text
            values[info.name] = convert_option(info.name, value, f"environment variable {info.env}")
    return values


def _nearest(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name.replace("-", "_"), _INFOS, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _convert_bool(value: object) -> bool:
    if isinstance(value, str):
        value = _BOOLS.get(value.strip().lower())
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _convert_number(info: OptionInfo, value: object) -> int | float:
    kind, parse = _NUMBERS[info.unit or info.type]
    try:
        number = parse(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    wanted = (int,) if info.type == "int" else (int, float)
    if isinstance(number, bool) or not isinstance(number, wanted) or not 0 <= number <= info.most:
        raise ValueError(kind if info.most == math.inf else f"{kind} from 0 to {info.most:g}")
    return number if info.type == "int" else float(number)


def _path(info: OptionInfo, text: str) -> str:
    return os.path.expanduser(text) if info.metavar in ("FILE", "DIR") else text


_BOOLS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}
_NUMBERS: dict[str, tuple[str, Callable[[str], float]]] = {
    "int": ("a whole number", int),
    BYTES: ("a size such as 64k or 16M", parse_size),
    SECONDS: ("a time such as 500ms, 10s or 2m", parse_duration),
}
_INFOS = {info.name: info for info in option_infos()}
