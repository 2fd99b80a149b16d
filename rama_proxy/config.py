"""Options: one declaration each gives flag, config key, environment variable and documentation.

`Options` says what can be set, with type, default and help; the precedence is flag, environment
(`RAMA_PORT`), config file, default. Knows nothing of the code that reads an option.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, cast

import msgspec
import platformdirs

from rama_proxy.errors import ConfigError

APP = "rama"


def _opt(
    default: object, help_text: str, *flags: str, metavar: str = "", group: str = "General"
) -> Any:
    """A field of Options. Without `flags` its flag is its name with dashes."""
    metadata = {"help": help_text, "flags": flags, "metavar": metavar, "group": group}
    if isinstance(default, (list, tuple)):
        return field(default_factory=lambda: tuple(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(slots=True, kw_only=True)
class Options:
    """Everything that can be set. Sizes are bytes, times are seconds."""

    listen_host: str = _opt("127.0.0.1", "Address to listen on.", metavar="ADDRESS")
    port: int = _opt(8080, "Port to listen on; 0 takes a free one.", "-p", "--port", metavar="PORT")
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
        ("fingerprint", "curl"),
        "Addon of rama_addons to load; may repeat.",
        "--addon",
        metavar="NAME",
    )

    keep_host: bool = _opt(
        False, "Reverse mode: leave the Host header as the client sent it.", group="HTTP"
    )
    body_limit: int = _opt(
        16 * 1024 * 1024, "Bytes kept of each body; all of it is relayed.", group="Limits"
    )
    max_head: int = _opt(
        64 * 1024, "Largest message head.", group="Limits"
    )  # nginx 32 KiB, node 80 KiB
    max_fields: int = _opt(
        256, "Most header fields in one message.", group="Limits"
    )  # apache 100, node 2000
    max_connections: int = _opt(
        0, "Most client connections; 0 fits the file limit.", group="Limits"
    )
    capture_budget: int = _opt(
        64 * 1024 * 1024,
        "Bytes that may wait for the store; beyond it bodies are dropped.",
        group="Limits",
    )

    head_timeout: float = _opt(
        30.0, "A request head, from its first byte to its last.", group="Timeouts"
    )
    connect_timeout: float = _opt(10.0, "Connecting to a server.", group="Timeouts")
    handshake_timeout: float = _opt(10.0, "A TLS handshake.", group="Timeouts")
    idle_timeout: float = _opt(60.0, "A client connection between requests.", group="Timeouts")
    body_timeout: float = _opt(60.0, "Silence in the middle of a request body.", group="Timeouts")
    response_timeout: float = _opt(120.0, "Waiting for a response head.", group="Timeouts")
    stream_timeout: float = _opt(
        600.0, "Silence in the middle of a response body.", group="Timeouts"
    )
    tunnel_timeout: float = _opt(
        3600.0, "Silence in a tunnel or an upgraded connection.", group="Timeouts"
    )
    shutdown_timeout: float = _opt(10.0, "Draining before a stop.", group="Timeouts")

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
        metavar="HOST:PORT:ADDRESS",
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

    @property
    def env(self) -> str:
        """The environment variable that sets it."""
        return f"RAMA_{self.name.upper()}"


def option_infos() -> list[OptionInfo]:
    """Every option in the order of its declaration."""
    return [_info(item) for item in fields(Options)]


def _info(item: Field[Any]) -> OptionInfo:
    default = item.default if item.default is not MISSING else cast("Any", item.default_factory)()
    flags = item.metadata["flags"] or (f"--{item.name.replace('_', '-')}",)
    return OptionInfo(
        item.name,
        str(item.type),
        default,
        item.metadata["help"],
        flags,
        item.metadata["metavar"],
        item.metadata["group"],
    )


def config_dir() -> Path:
    """Where the config file and the certificate authority are by default."""
    return Path(
        os.environ.get("RAMA_CONFDIR") or platformdirs.user_config_dir(APP, appauthor=False)
    )


def captures_dir() -> Path:
    """Where stores are made when no file is named."""
    return (
        Path(os.environ.get("RAMA_CAPTURES") or platformdirs.user_data_dir(APP, appauthor=False))
        / "captures"
    )


def load_options(
    flags: Mapping[str, object], environ: Mapping[str, str] | None = None, path: Path | None = None
) -> Options:
    """Options from `flags` (unset ones left out), the environment and the config file at `path`.

    Raises ConfigError naming the source, the option and what it got.
    """
    values: dict[str, object] = {}
    file = path or config_dir() / "config.toml"
    if file.exists():
        values.update(_read_file(file))
    elif path is not None:
        raise ConfigError(f"no config file at {path}")
    values.update(_read_env(os.environ if environ is None else environ))
    values.update(flags)
    return _convert(values, "command line")


def _read_file(file: Path) -> dict[str, object]:
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {file}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: {error}") from error
    _convert(table, str(file))
    return table


def _read_env(environ: Mapping[str, str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for info in option_infos():
        text = environ.get(info.env)
        if text is None or info.name == "confdir":
            continue
        values[info.name] = (
            [part for part in text.split(",") if part] if info.type.startswith("tuple") else text
        )
        _convert({info.name: values[info.name]}, f"environment variable {info.env}")
    return values


def _convert(values: Mapping[str, object], source: str) -> Options:
    known = {info.name for info in option_infos()}
    for name in values:
        if name not in known:
            raise ConfigError(f"{source}: no option is called {name!r}")
    try:
        return msgspec.convert(dict(values), Options, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {error}") from error
