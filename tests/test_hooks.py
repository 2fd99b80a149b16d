"""How addons are called, and what they cannot break."""

from __future__ import annotations

import asyncio
import time
import types

import pytest

from rama_proxy import Addon, ConnectionInfo, Flow, Http2StartData, Request, when
from rama_proxy.addon import Loader
from rama_proxy.errors import AddonError
from rama_proxy.hooks import HOOK_NAMES, Hooks
from rama_proxy.protocols.http2_start import parse_start
from tests.support.starts import CHROMIUM


def make_flow(url: str = "http://a.test/") -> Flow:
    return Flow(ConnectionInfo("client"), Request.make("GET", url))


class TestCompile:
    def test_only_what_an_addon_implements_is_called(self) -> None:
        class Some(Addon):
            def request(self, flow: Flow) -> None: ...

        hooks = Hooks([Some(), object(), Addon()])
        assert len(hooks.request) == 1
        assert all(not getattr(hooks, name) for name in HOOK_NAMES if name != "request")

    def test_a_module_is_an_addon(self) -> None:
        module = types.ModuleType("scripts.mine")
        module.response = lambda flow: None  # type: ignore[attr-defined]  # as a script's function
        hooks = Hooks([module])
        assert hooks.response[0].source == "mine.response"

    def test_every_hook_is_documented(self) -> None:
        for name in HOOK_NAMES:
            assert getattr(Addon, name).__doc__, name

    def test_exporters_and_annotations_are_collected(self) -> None:
        class One(Addon):
            exporters = {"one": lambda flow: "1"}  # noqa: RUF012  as an addon author writes it
            annotations = {"ja9": "a fingerprint"}  # noqa: RUF012

        hooks = Hooks([One()])
        assert hooks.exporters()["one"](make_flow()) == "1"
        assert hooks.annotations() == {"ja9": "a fingerprint"}

    def test_a_bad_filter_names_the_hook(self) -> None:
        class Bad(Addon):
            @when("~nonsense")
            def request(self, flow: Flow) -> None: ...

        with pytest.raises(AddonError, match=r"Bad\.request: bad filter '~nonsense'"):
            Hooks([Bad()])


class TestRun:
    async def test_the_start_of_http2_comes_with_its_client(self) -> None:
        class Watch(Addon):
            async def http2_start(self, data: Http2StartData) -> None:
                await asyncio.sleep(0)
                data.client.annotations["first"] = f"{data.start.stream} {data.start.priority}"

        hooks = Hooks([Watch()])
        client = ConnectionInfo("client")
        await hooks.run(hooks.http2_start, Http2StartData(client, parse_start(CHROMIUM)))
        assert client.annotations == {
            "first": "1 Priority(stream=1, exclusive=True, depends_on=0, weight=256)"
        }

    async def test_in_order_and_awaited(self) -> None:
        seen: list[str] = []

        class First(Addon):
            async def request(self, flow: Flow) -> None:
                await asyncio.sleep(0)
                seen.append("first")

        class Second(Addon):
            def request(self, flow: Flow) -> None:
                seen.append("second")

        hooks = Hooks([First(), Second()])
        await hooks.run(hooks.request, make_flow())
        assert seen == ["first", "second"]
        assert hooks.request[0].calls == 1

    async def test_an_exception_is_reported_and_the_next_is_called(self) -> None:
        reports: list[tuple[str, str, str]] = []
        seen: list[Flow] = []

        class Fail(Addon):
            def request(self, flow: Flow) -> None:
                raise KeyError("missing")

        class Next(Addon):
            def request(self, flow: Flow) -> None:
                seen.append(flow)

        hooks = Hooks([Fail(), Next()], lambda *report: reports.append(report))
        await hooks.run(hooks.request, make_flow())
        assert len(seen) == 1
        assert reports[0][:2] == ("error", "Fail.request")
        assert "KeyError: 'missing'" in reports[0][2]
        assert hooks.request[0].errors == 1

    async def test_a_hook_that_holds_everything_up_is_named(self) -> None:
        reports: list[tuple[str, str, str]] = []

        class Slow(Addon):
            def request(self, flow: Flow) -> None:
                time.sleep(0.12)

        hooks = Hooks([Slow()], lambda *report: reports.append(report))
        await hooks.run(hooks.request, make_flow())
        assert reports[0][:2] == ("warning", "Slow.request")
        assert "make it async" in reports[0][2]

    async def test_a_filter_chooses_the_flows(self) -> None:
        seen: list[str] = []

        class Some(Addon):
            @when("~d b[.]test")
            def request(self, flow: Flow) -> None:
                seen.append(flow.request.host)

        hooks = Hooks([Some()])
        for host in ("a.test", "b.test"):
            await hooks.run(hooks.request, make_flow(f"http://{host}/"))
        assert seen == ["b.test"]


class TestBodies:
    def test_a_hook_wants_the_body_unless_it_says_no(self) -> None:
        class Whole(Addon):
            @when("~d b[.]test")
            def response(self, flow: Flow) -> None: ...

        class Stream(Addon):
            @when(body=False)
            def response(self, flow: Flow) -> None: ...

        hooks = Hooks([Whole(), Stream()])
        assert not hooks.wants_body(hooks.response, make_flow("http://a.test/"))
        assert hooks.wants_body(hooks.response, make_flow("http://b.test/"))


def test_a_setting_keeps_the_value_it_was_given() -> None:
    loader = Loader({"given": 1})
    loader.add_option("given", int, 2, "help")
    loader.add_option("other", int, 3, "help")
    assert loader.settings == {"given": 1, "other": 3}
