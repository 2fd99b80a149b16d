"""The root of the command line: what runs without a command, help, options, mistakes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rama_proxy import __version__
from rama_proxy.cli import COMMANDS, main
from rama_proxy.cli.capture import capture
from rama_proxy.cli.lazy import Failure, Lazy, LazyCommands, LazyGroup
from rama_proxy.cli.options import engine_arguments, read_options
from rama_proxy.config import Options, option_infos
from rama_proxy.errors import ConfigError, FilterError, StoreError
from tests.support.peers import clean_env
from tests.support.shell import Shell, rama

HEAVY = {"uvloop", "OpenSSL", "sqlite3", "sqlite_utils", "cryptography", "rama_proxy.engine", "ssl"}


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, arguments, prog_name="rama", catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


# --- help and version


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_version(flag: str) -> None:
    assert run(flag) == (0, f"rama {__version__}\n", "")


def test_help_lists_every_command_with_its_line() -> None:
    code, output, _ = run("--help")

    assert code == 0
    for name, entry in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(entry.help[:20])}", output, re.MULTILINE), name


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_a_command_is_its_own(name: str) -> None:
    command = main.commands[name]
    shown = " ".join(command.get_short_help_str(200).split())
    assert COMMANDS[name].help.startswith(shown.rstrip(".")[:20]), (COMMANDS[name].help, shown)


def test_help_and_version_import_nothing_heavy() -> None:
    code = (
        "import sys\nfrom rama_proxy.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "Commands:" in done.stdout
    assert set(done.stderr.split()) & HEAVY == set()


def test_help_of_a_command_shows_every_option_in_its_group() -> None:
    _, output, _ = run("capture", "--help")

    for info in option_infos():
        assert info.flags[-1] in output, info.name
        assert f"\n{info.group}:\n" in output
    assert "--attached" not in output
    assert "[default: 16 MiB]" in output


# --- options


def parsed(*arguments: str) -> click.Context:
    return capture.make_context("capture", list(arguments))


def test_options_reach_the_engine_by_every_flag(tmp_path: Path) -> None:
    arguments = [
        "-p", "0", "--listen-host", "::1", "-m", "reverse:http://a", "-w", "x.db", "--no-keep-host",
        "--body-limit", "1M", "--idle-timeout", "1h30m", "-k", "--script", "a.py", "-s", "b.py",
        "--resolve", "a:80:127.0.0.1:8000", "--addon", "har", "--confdir", str(tmp_path),
    ]  # fmt: skip
    expected = Options(
        port=0,
        listen_host="::1",
        mode="reverse:http://a",
        store="x.db",
        body_limit=1 << 20,
        idle_timeout=5400.0,
        ssl_insecure=True,
        scripts=("a.py", "b.py"),
        resolve=("a:80:127.0.0.1:8000",),
        addons=("har",),
        confdir=str(tmp_path),
    )

    assert read_options(parsed(*arguments)) == expected


def test_a_child_gets_the_options_of_this_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "c.toml"
    config.write_text("max_fields = 7\n")
    monkeypatch.setenv("RAMA_MAX_HEAD", "1k")
    given = parsed("--config", str(config), "-p", "9", "--no-ssl-insecure", "-s", "a", "-s", "b c")

    again = parsed(*engine_arguments(given))

    assert engine_arguments(given) == [
        "--config", str(config), "--port", "9", "--script", "a", "--script", "b c",
        "--no-ssl-insecure",
    ]  # fmt: skip
    assert read_options(again) == read_options(given)
    assert (read_options(again).max_fields, read_options(again).max_head) == (7, 1024)


# --- what runs without a command


def test_without_a_terminal_rama_does_what_capture_does(tmp_path: Path) -> None:
    with Shell("-p", "0", "-w", tmp_path / "s.db") as shell:
        assert shell.port
        assert shell.errors[0] == "rama: no terminal here: doing what `rama capture` does"
        shell.signal(signal.SIGTERM)
        assert shell.end() == 0
    assert (tmp_path / "s.db").exists()


def test_without_a_terminal_a_file_is_listed(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    rama("capture", "-p", "0", "-w", store, "--for", "1ms")

    done = rama(store)

    assert done.returncode == 0
    assert done.stderr == "rama: no terminal here: doing what `rama ls` does\n"
    assert "METHOD" in done.stdout


@pytest.mark.parametrize(
    ("word", "hint"), [("captrue", " Did you mean 'rama capture'?"), ("nothing.db", "")]
)
def test_what_is_neither_command_nor_file(word: str, hint: str) -> None:
    code, output, errors = run(word)

    assert (code, output) == (2, "")
    assert f"Error: There is no command and no file called '{word}'.{hint}\n" in errors
    assert "Usage: rama [OPTIONS] [FILE] | COMMAND" in errors


def test_a_mistake_in_an_option_opens_no_screen() -> None:
    code, output = in_terminal("--port", "http")

    assert code == 2
    assert "expected a whole number from 0 to 65535, got 'http'" in output
    assert "\x1b[?1049h" not in output


def in_terminal(*arguments: str) -> tuple[int, str]:
    """Exit code and output of `rama` on a terminal of its own."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rama_proxy", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=clean_env(TERM="xterm-256color"),
    )
    os.close(theirs)
    output = b""
    while True:
        try:
            output += os.read(ours, 65536)
        except OSError:  # Linux: the other end is closed
            break
    os.close(ours)
    return process.wait(20), output.decode()


# --- errors


def failing(error: Exception) -> click.Command:
    @click.command()
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (StoreError("s.db is damaged"), 1, "rama: s.db is damaged\n"),
        (ConfigError("no such mode"), 2, "rama: no such mode\n"),
        (StoreError("bad \x1b[31mname\u202e"), 1, "rama: bad \u241b[31mname\u2039202E\u203a\n"),
        (
            FilterError("unknown ~x", 3, "did you mean ~u?"),
            2,
            "rama: unknown ~x; did you mean ~u?\n",
        ),
        (StoreError(), 1, "rama: StoreError\n"),
        (KeyboardInterrupt(), 130, "\n"),
    ],
)
def test_an_error_is_a_sentence_and_an_exit_code(error: Exception, code: int, text: str) -> None:
    group = LazyGroup("rama", lazy={}, default="fail")
    group.add_command(failing(error))

    result = CliRunner().invoke(group, [])

    assert (result.exit_code, result.stdout, result.stderr) == (code, "", text)


def test_a_fault_of_ours_is_not_hidden() -> None:
    group = LazyGroup("rama", lazy={}, default="fail")
    group.add_command(failing(ZeroDivisionError()))

    with pytest.raises(ZeroDivisionError):
        CliRunner().invoke(group, [], catch_exceptions=False)


def test_a_reader_that_leaves_is_no_error() -> None:
    code = """
import click
from rama_proxy.cli.lazy import LazyGroup
group = LazyGroup("rama", lazy={}, default="yes")
@group.command()
def yes():
    while True:
        click.echo("y")
group([])
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"y\n"
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(20) == 0


def test_failures_keep_their_error() -> None:
    error = StoreError("gone")
    assert Failure(error).error is error


def test_lazy_commands_load_when_they_are_used() -> None:
    entries = {
        "a": Lazy("rama_proxy.cli.completion:completion", "A."),
        "b": Lazy("no.such:b", "B."),
    }
    commands = LazyCommands(entries)

    assert list(commands) == ["a", "b"]
    assert len(commands) == 2
    assert "b" in commands
    assert commands["a"] is commands["a"]
    with pytest.raises(ModuleNotFoundError):
        commands["b"]
    del commands["b"]
    assert "b" not in commands
    with pytest.raises(KeyError):
        commands["b"]


# --- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    code, output, _ = run("completion", shell)

    assert code == 0
    assert f"_RAMA_COMPLETE={shell}_complete" in output


def complete(line: str) -> list[str]:
    words = line.split(" ")
    done = rama(_RAMA_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1))
    return done.stdout.split()


def test_completion_by_a_shell() -> None:
    assert complete("rama cap") == ["plain,capture"]
    assert complete("rama flo") == ["file,flo"]
    assert "plain,--keep-host" in complete("rama capture --keep")
    assert complete("rama capture --script a") == ["file,a"]
    assert complete("rama capture --log-format j") == ["plain,json"]


def test_the_bash_script_is_bash() -> None:
    _, script, _ = run("completion", "bash")

    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
