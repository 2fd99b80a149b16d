"""Options: where a value comes from, what a mistake is told, and units as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rama_proxy.config import (
    Options,
    captures_dir,
    config_dir,
    convert_option,
    load_options,
    option_infos,
)
from rama_proxy.errors import ConfigError
from rama_proxy.units import format_duration, format_size, parse_duration, parse_size

PORTS = "a whole number from 0 to 65535"


@pytest.fixture(autouse=True)
def own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for info in option_infos():
        monkeypatch.delenv(info.env, raising=False)
    monkeypatch.delenv("RAMA_CONFIG", raising=False)
    monkeypatch.setenv("RAMA_CONFDIR", str(tmp_path / "conf"))


def config_file(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "rama.toml"
    file.write_text(text, "utf-8")
    return file


def test_defaults_without_any_source() -> None:
    assert load_options({}, environ={}) == Options()


def test_flag_beats_environment_beats_file(tmp_path: Path) -> None:
    file = config_file(tmp_path, 'port = 1001\nmode = "reverse:http://a"\nbody_limit = "1M"\n')
    environ = {"RAMA_PORT": "1002", "RAMA_MODE": "reverse:http://b"}

    options = load_options({"port": 1003}, environ, file)

    assert (options.port, options.mode, options.body_limit) == (1003, "reverse:http://b", 1 << 20)


def test_file_in_config_dir_is_read_when_none_is_named() -> None:
    config_dir().mkdir()
    (config_dir() / "config.toml").write_text('addons = ["har"]\nkeep_host = true\n')

    options = load_options({}, environ={})

    assert options.addons == ("har",)
    assert options.keep_host is True


def test_environment_may_name_the_file(tmp_path: Path) -> None:
    file = config_file(tmp_path, "idle_timeout = 5\n")

    assert load_options({}, {"RAMA_CONFIG": str(file)}).idle_timeout == 5.0


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("RAMA_PORT", "0", 0),
        ("RAMA_BODY_LIMIT", "64k", 65536),
        ("RAMA_IDLE_TIMEOUT", "2m", 120.0),
        ("RAMA_SSL_INSECURE", "yes", True),
        ("RAMA_KEEP_HOST", "0", False),
        ("RAMA_DNS_SERVER", "127.0.0.1, ::1", ("127.0.0.1", "::1")),
        ("RAMA_ADDONS", "", ()),
        ("RAMA_PORT", "", 8080),
        ("RAMA_CONFDIR", "/somewhere", "/somewhere"),
    ],
)
def test_environment_values(name: str, text: str, value: object) -> None:
    options = load_options({}, {name: text})

    assert getattr(options, name.removeprefix("RAMA_").lower()) == value


def test_paths_may_start_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    file = config_file(tmp_path, 'store = "~/a.db"\nscripts = ["~/b.py"]\nmode = "~"\n')

    options = load_options({}, {}, file)

    assert options.store == "/home/someone/a.db"
    assert options.scripts == ("/home/someone/b.py",)
    assert options.mode == "~"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("port = 8080\nprot = 1\n",
         "{file}, line 2: no option is called 'prot'; did you mean 'port'?"),
        ("listen-host = 'a'\n",
         "{file}, line 1: no option is called 'listen-host'; did you mean 'listen_host'?"),
        ("[zzz]\n", "{file}, line 1: no option is called 'zzz'"),
        ("port = 'http'\n", "{file}, line 1: port: expected " + PORTS + ", got 'http'"),
        ("port = 70000\n", "{file}, line 1: port: expected " + PORTS + ", got 70000"),
        ("port = true\n", "{file}, line 1: port: expected " + PORTS + ", got True"),
        ("port = 80.5\n", "{file}, line 1: port: expected " + PORTS + ", got 80.5"),
        ("\n# limits\nmax_head = '1 mile'\n",
         "{file}, line 3: max_head: expected a size such as 64k or 16M, got '1 mile'"),
        ("idle_timeout = -1\n",
         "{file}, line 1: idle_timeout: expected a time such as 500ms, 10s or 2m, got -1"),
        ("idle_timeout = nan\n",
         "{file}, line 1: idle_timeout: expected a time such as 500ms, 10s or 2m, got nan"),
        ("keep_host = 'maybe'\n", "{file}, line 1: keep_host: expected true or false, got 'maybe'"),
        ("keep_host = 1\n", "{file}, line 1: keep_host: expected true or false, got 1"),
        ("mode = 5\n", "{file}, line 1: mode: expected a text, got 5"),
        ("scripts = 'a.py'\n", "{file}, line 1: scripts: expected a list of texts, got 'a.py'"),
        ("scripts = [1]\n", "{file}, line 1: scripts: expected a list of texts, got [1]"),
        ("port = \n", "{file}: Invalid value (at line 1, column 8)"),
    ],
)  # fmt: skip
def test_mistakes_in_a_file_name_file_line_and_value(
    tmp_path: Path, text: str, message: str
) -> None:
    file = config_file(tmp_path, text)

    with pytest.raises(ConfigError) as caught:
        load_options({}, {}, file)

    assert str(caught.value) == message.format(file=file)
    assert caught.value.exit_code == 2


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config file at .*missing.toml"):
        load_options({}, {}, tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match=r"cannot read .*: Is a directory"):
        load_options({}, {}, tmp_path)
    file = tmp_path / "latin.toml"
    file.write_bytes(b"mode = '\xe4'\n")
    with pytest.raises(ConfigError, match=r"cannot read .*latin.toml: it is not UTF-8 text"):
        load_options({}, {}, file)


def test_mistakes_name_environment_and_command_line() -> None:
    with pytest.raises(ConfigError, match=r"^environment variable RAMA_PORT: port: expected"):
        load_options({}, {"RAMA_PORT": "x"})
    with pytest.raises(ConfigError, match=r"^command line: mode: expected a text, got 3"):
        load_options({"mode": 3}, {})
    with pytest.raises(ConfigError, match=r"^control: no option is called 'colour'$"):
        convert_option("colour", "red", "control")


def test_every_option_reads_back_its_own_default() -> None:
    for info in option_infos():
        text = info.shown_default
        if text and not info.repeats:
            assert convert_option(info.name, text, "test") == info.default, info.name


def test_infos_have_what_a_command_line_needs() -> None:
    infos = option_infos()
    flags = [flag for info in infos for flag in info.flags]

    assert len(flags) == len(set(flags))
    assert all(info.help.endswith(".") for info in infos)
    assert {info.name: info.env for info in infos}["ssl_ca"] == "RAMA_SSL_CA"


def test_captures_dir_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAMA_CAPTURES", "/data/rama")

    assert captures_dir() == Path("/data/rama/captures")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("512B", 512),
        ("64k", 65536),
        ("16MiB", 16 << 20),
        ("1.5 GB", 3 << 29),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10", 10), ("0.5", 0.5), ("250ms", 0.25), ("10s", 10), ("2m", 120), ("1h30m", 5400),
     ("1d", 86400), ("1.5h", 5400)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "10 x", "1h-2m", "-1", "1e3", "nan", "10s junk"])
def test_what_is_neither_size_nor_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


def test_units_written_back() -> None:
    sizes = (0, 1023, 1024, 35328, 1 << 20, 123 << 20, 5 << 30, 5000 << 40)
    assert [format_size(size) for size in sizes] == [
        "0 B", "1023 B", "1 KiB", "34.5 KiB", "1 MiB", "123 MiB", "5 GiB", "5000 TiB",
    ]  # fmt: skip
    assert [format_duration(time) for time in (0.25, 1.5, 10, 59.99, 120, 5400, 90061)] == [
        "250ms", "1.5s", "10s", "60s", "2m", "1h30m", "1d1h1m1s",
    ]  # fmt: skip


def test_a_choice_is_one_of_few(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("upstream_http = 1.1\n")
    assert load_options({}, {}, file).upstream_http == "1.1"
    with pytest.raises(ConfigError, match=r"upstream_http: expected one of mirror, 1\.1, 2"):
        load_options({"upstream_http": "3"}, {}, file)
