"""Scripts and installed addons: what loads, and what a person is told when it does not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rama_proxy.addon_files import installed_names, load_addons, load_script
from rama_proxy.errors import AddonError
from rama_proxy.hooks import Hooks


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def sources(addon: object, name: str) -> list[str]:
    """What hook `name` calls once `addon` is loaded."""
    return [call.source for call in getattr(Hooks([addon]), name)]


def test_functions_of_a_script_are_its_hooks(tmp_path: Path) -> None:
    script = write(tmp_path / "mine.py", "def request(flow):\n    flow.metadata['seen'] = True\n")
    module = load_script(script)
    assert sources(module, "request") == ["mine.request"]
    assert sources(module, "response") == []


def test_a_list_of_addons_as_in_mitmproxy(tmp_path: Path) -> None:
    script = write(
        tmp_path / "listed.py",
        "class Counter:\n"
        "    def request(self, flow): ...\n"
        "class Logger:\n"
        "    def request(self, flow): ...\n"
        "addons = [Counter(), Logger()]\n"
        "def response(flow): ...\n",
    )
    module = load_script(script)
    assert sources(module, "request") == ["Counter.request", "Logger.request"]
    assert sources(module, "response") == ["listed.response"]
    hooks = Hooks([module])
    hooks.set_addons(hooks.addons)
    assert [call.source for call in hooks.request] == ["Counter.request", "Logger.request"]


def test_a_script_is_read_anew_each_time(tmp_path: Path) -> None:
    script = write(tmp_path / "changing.py", "VALUE = 1\n")
    first = load_script(script)
    write(script, "VALUE = 2\n")
    second = load_script(script)
    assert (vars(first)["VALUE"], vars(second)["VALUE"]) == (1, 2)
    assert first is not second


def test_files_beside_a_script_are_read_anew_too(tmp_path: Path) -> None:
    write(tmp_path / "beside_it.py", "VALUE = 'one'\n")
    script = write(tmp_path / "importer.py", "from beside_it import VALUE\n")
    assert vars(load_script(script))["VALUE"] == "one"
    write(tmp_path / "beside_it.py", "VALUE = 'other'\n")
    assert vars(load_script(script))["VALUE"] == "other"


def test_each_script_has_its_own_neighbours(tmp_path: Path) -> None:
    scripts = []
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "beside.py", f"WHO = {name!r}\n")
        scripts.append(
            write(
                tmp_path / name / f"{name}.py",
                "from beside import WHO\n"
                "def request(flow):\n"
                "    import beside\n"
                "    return beside.WHO\n",
            )
        )
    modules = [load_script(script) for script in scripts]
    assert [vars(module)["WHO"] for module in modules] == ["left", "right"]
    assert vars(modules[0])["request"](None) == "left"


def test_scripts_of_one_name_do_not_meet(tmp_path: Path) -> None:
    paths = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        paths.append(write(tmp_path / name / "same.py", f"WHO = {name!r}\n"))
    modules = [load_script(path) for path in paths]
    assert [vars(module)["WHO"] for module in modules] == ["one", "two"]
    assert [sys.modules[vars(module)["__name__"]] for module in modules] == modules


def test_dataclasses_and_future_annotations_work_in_a_script(tmp_path: Path) -> None:
    script = write(
        tmp_path / "typed.py",
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from typing import ClassVar\n"
        "@dataclass\n"
        "class Seen:\n"
        "    count: int = 0\n"
        "    limit: ClassVar[int] = 3\n"
        "def request(flow): ...\n",
    )
    hooks = Hooks([load_script(script)])
    assert hooks.annotations() == {}
    assert hooks.exporters() == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def request(flow)\n    pass\n", "{path}:1: SyntaxError: expected ':'"),
        ("x = 1\n\ny = undefined\n", "{path}:3: NameError: name 'undefined' is not defined"),
        ("import no_such\n", "{path}:1: ModuleNotFoundError: No module named 'no_such'"),
        ("def f():\n    1 / 0\n\nf()\n", "{path}:2: ZeroDivisionError: division by zero"),
        ("import json\njson.loads('{')\n", "{path}:2: JSONDecodeError: Expecting property name"),
        ("raise SystemExit(3)\n", "{path}:1: SystemExit: 3"),
        ("raise RuntimeError\n", "{path}:1: RuntimeError"),
        ("raise RuntimeError('two\\n  lines')\n", "{path}:1: RuntimeError: two lines"),
        ("import bad_neighbour\n", "{path}:1: NameError: name 'oops' is not defined (in {near}:2)"),
        ("import cut_neighbour\n", "{path}:1: SyntaxError: '(' was never closed (in {cut}:1)"),
        ("addons = {}\n", "{path}: addons is a dict, not a list"),
    ],
)
def test_what_is_wrong_with_a_script_is_said_with_file_and_line(
    tmp_path: Path, text: str, said: str
) -> None:
    near = write(tmp_path / "bad_neighbour.py", "\noops\n")
    cut = write(tmp_path / "cut_neighbour.py", "f(\n")
    path = write(tmp_path / "broken.py", text)
    with pytest.raises(AddonError) as caught:
        load_script(path)
    assert str(caught.value).startswith(said.format(path=path, near=near, cut=cut))
    assert "\n" not in str(caught.value)


def test_a_script_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(AddonError, match=r"absent\.py: No such file or directory"):
        load_script(tmp_path / "absent.py")
    with pytest.raises(AddonError, match="Is a directory"):
        load_script(tmp_path)
    (tmp_path / "binary.py").write_bytes(b"\x00\xff")
    with pytest.raises(AddonError, match=r"binary\.py"):
        load_script(tmp_path / "binary.py")


def test_a_broken_version_leaves_the_one_before(tmp_path: Path) -> None:
    script = write(tmp_path / "edited.py", "VALUE = 1\n")
    module = load_script(script)
    write(script, "VALUE = 2\nboom\n")
    with pytest.raises(AddonError):
        load_script(script)
    assert sys.modules[vars(module)["__name__"]] is module
    assert vars(module)["VALUE"] == 1


def test_installed_addons_are_loaded_by_name_in_order() -> None:
    addons = load_addons(["fingerprint", "curl"])
    assert [vars(addon)["__name__"] for addon in addons] == [
        "rama_addons.fingerprint",
        "rama_addons.curl",
    ]
    assert {"curl", "fingerprint"} <= set(installed_names())
    assert load_addons([]) == []


@pytest.mark.parametrize("name", ["no_such", "", "../evil", "curl.x"])
def test_an_unknown_addon_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(AddonError, match=r"no addon is called .*; there are: .*fingerprint"):
        load_addons([name])
