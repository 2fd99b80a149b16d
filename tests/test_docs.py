"""The documentation: every option, hook and command is described, and works as shown."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from rama_proxy.cli import main
from rama_proxy.config import OptionInfo, option_infos
from rama_proxy.hooks import HOOK_NAMES

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "addons/README.md", *ROOT.glob("docs/*.md")]


def shell_lines(text: str) -> Iterator[str]:
    """The commands in the shell blocks of a Markdown page, without comments and prompts."""
    for block in re.findall(r"^```(?:sh|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            command = line.removeprefix("$ ").strip()
            if command and not command.startswith("#"):
                yield command


def words_of(line: str) -> list[list[str]]:
    """The commands of one line, split at pipes and the like, those in $() as well."""
    inner = re.findall(r"\$\((.*?)\)", line)
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("|&;"):
            commands.append([])
        else:
            commands[-1].append(word)
    return [words for words in commands if words] + [w for part in inner for w in words_of(part)]


def shown(program: str) -> list[list[str]]:
    """Every command line of `program` that a page shows, without the program's name."""
    return [
        words[1:]
        for page in PAGES
        for line in shell_lines(page.read_text("utf-8"))
        for words in words_of(line)
        if words[0] == program
    ]


def parse(command: click.Command, arguments: list[str], parent: click.Context | None) -> None:
    """Parse `arguments` as `command` would, subcommands included. Raises click.UsageError."""
    try:
        context = command.make_context(command.name, list(arguments), parent)
    except click.exceptions.Exit:
        return  # --help and --version end there
    rest = [*context._protected_args, *context.args]
    if isinstance(command, click.Group) and rest:
        _, child, rest = command.resolve_command(context, rest)
        assert child is not None
        parse(child, rest, context)


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """`command` and all below it, by their full names."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from commands(child, f"{path} {name}")


COMMANDS = dict(commands(main, "rama"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_parameter_has_help(name: str) -> None:
    command = COMMANDS[name]
    assert command.help, name
    options = [item for item in command.params if isinstance(item, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme(name: str) -> None:
    assert re.search(rf"\b{name}\b", README.read_text("utf-8"))


@pytest.mark.parametrize("arguments", shown("rama"), ids=" ".join)
def test_every_command_shown_is_understood(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for word in arguments:  # files that the page takes for granted
        if re.fullmatch(r"[\w-]+\.(py|db|toml|pem)", word):
            (tmp_path / word).touch()
    parse(main, arguments, None)


@pytest.mark.parametrize("line", ["rama capture --no-such-flag", "rama ls a.db --and"])
def test_a_command_that_is_wrong_is_noticed(line: str) -> None:
    with pytest.raises(click.UsageError):
        parse(main, words_of(line)[0][1:], None)


def test_every_make_target_shown_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    used = {words[0] for words in shown("make") if words}
    assert used >= {"run", "test"}
    assert used <= targets


def test_the_reference_pages_are_up_to_date() -> None:
    script = [sys.executable, str(ROOT / "docs/make_pages.py"), "--check"]
    run = subprocess.run(script, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "")


def words_in_tests() -> tuple[set[str], set[str]]:
    """All words in the strings of the tests, and all keywords given to something about options."""
    words: set[str] = set()
    keywords: set[str] = set()
    for path in (ROOT / "tests").rglob("*.py"):
        if path == Path(__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.update(re.findall(r"[\w-]+", node.value))
            elif isinstance(node, ast.Call) and "option" in ast.unparse(node.func).lower():
                keywords.update(keyword.arg for keyword in node.keywords if keyword.arg)
    return words, keywords


WORDS, KEYWORDS = words_in_tests()


@pytest.mark.parametrize("info", option_infos(), ids=lambda info: info.name)
def test_every_option_is_tested(info: OptionInfo) -> None:
    assert info.name in KEYWORDS or {info.flags[-1], info.env} & WORDS


@pytest.mark.parametrize("hook", HOOK_NAMES)
def test_every_hook_is_documented_and_tested(hook: str) -> None:
    assert re.search(rf"\b{hook}\(", (ROOT / "addons/README.md").read_text("utf-8"))
    tests = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")]
    assert any(re.search(rf"def {hook}\(|\b{hook}=", text) for text in tests)


def test_no_link_to_a_file_is_broken() -> None:
    broken = [
        f"{page.name}: {link}"
        for page in PAGES
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
        if "://" not in link and not (page.parent / link).exists()
    ]
    assert broken == []
