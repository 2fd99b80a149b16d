"""Header, status bar and empty state: what they say, and what they leave out when it is narrow."""

from __future__ import annotations

import pytest
from textual.widgets._footer import FooterKey

from rama_tui.session import ABSENT, RUNNING, STOPPED
from rama_tui.widgets import key_bar
from rama_tui.widgets.empty_state import Emptiness, first_command, lines_for
from rama_tui.widgets.header_bar import rate_text, sparkline
from rama_tui.widgets.status_bar import SEPARATOR, Status, chips_of, fitting

LIVE = Status(
    engine=RUNNING,
    address="127.0.0.1:8080",
    rate=1042.4,
    shown=1204,
    total=1_002_391,
    follow=True,
    size=1_900_000_000,
)


def words(status: Status, width: int = 500) -> list[str]:
    """The chips that fit into `width`."""
    return [chip.text.strip() for chip in fitting(chips_of(status), width)]


def test_a_running_engine() -> None:
    assert words(LIVE) == [
        "● 127.0.0.1:8080",
        "FOLLOW",
        "1,002,391 flows",
        "1,042/s",
        "0 dropped",
        "1.9GB on disk",
    ]


def test_a_filter_shows_how_much_it_hides() -> None:
    status = LIVE._replace(filter_text="~d shop & ~c 502 & ~m POST | ~e", follow=False)
    assert words(status)[1:3] == ["FILTER ~d shop & ~c 502 & ~m POST …", "1,204 of 1,002,391 flows"]


def test_new_flows_that_were_not_looked_at() -> None:
    assert "+37 new ↓" in words(LIVE._replace(follow=False, unseen=37))
    assert "+37 new ↓" not in words(LIVE._replace(unseen=37))


def test_dropped_bodies_are_told_loudly() -> None:
    chip = next(chip for chip in chips_of(LIVE._replace(dropped=3)) if "dropped" in chip.text)
    assert (chip.text, chip.style) == ("3 dropped", "warn")


@pytest.mark.parametrize(
    ("engine", "text", "style"),
    [
        (STOPPED, "■ engine stopped", "bad"),
        (ABSENT, "○ not recording", "plain"),
        (RUNNING, "● 127.0.0.1:8080", "good"),
    ],
)
def test_the_state_of_the_engine_comes_first(engine: str, text: str, style: str) -> None:
    chip = chips_of(LIVE._replace(engine=engine))[0]
    assert (chip.text.strip(), chip.style) == (text, style)


def test_a_narrow_bar_leaves_out_what_matters_least() -> None:
    for width in range(20, 120):
        kept = words(LIVE, width)
        assert kept[0] == "● 127.0.0.1:8080"
        assert len(kept) == 1 or len(SEPARATOR.join(kept)) <= width
    assert words(LIVE, 60) == ["● 127.0.0.1:8080", "FOLLOW", "1,002,391 flows", "1,042/s"]


def test_sparklines() -> None:
    assert sparkline((0.0, 0.0)) == "▁▁"
    assert sparkline((0.0, 5.0, 10.0)) == "▁▄█"
    assert sparkline(()) == ""


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0.0, "0/s"), (0.04, "0/s"), (3.42, "3.4/s"), (12.6, "13/s"), (1e4, "10,000/s")],
)
def test_rates(rate: float, text: str) -> None:
    assert rate_text(rate) == text


WAITING = Emptiness(RUNNING, "127.0.0.1:8080", ca_path="/home/ada/.config/rama/ca-cert.pem")


def lines(why: Emptiness, width: int = 96) -> list[str]:
    """The text of the lines for `why`."""
    return [text for text, _ in lines_for(why, width)]


def test_no_flow_yet_tells_how_to_send_one() -> None:
    text = "\n".join(lines(WAITING, 120))
    assert "curl -x http://127.0.0.1:8080 http://example.com" in text
    assert "--cacert /home/ada/.config/rama/ca-cert.pem https://example.com" in text
    assert "export http_proxy=http://127.0.0.1:8080 https_proxy=http://127.0.0.1:8080" in text


def test_long_commands_are_broken_so_that_a_shell_joins_them() -> None:
    shown = lines(WAITING._replace(ca_path="/home/ada lovelace/" + "x" * 40 + "/ca-cert.pem"), 60)
    https = shown[shown.index("HTTPS, trusting this proxy's certificate") + 1 :]
    command = " ".join(line.strip().removesuffix(" \\") for line in https[: https.index("")])
    assert command == (
        "curl -x http://127.0.0.1:8080 --cacert"
        f" '/home/ada lovelace/{'x' * 40}/ca-cert.pem' https://example.com"
    )


def test_a_reverse_proxy_is_asked_directly() -> None:
    why = WAITING._replace(mode="reverse:https://example.com")
    assert first_command(why) == "curl http://127.0.0.1:8080/"
    assert "--cacert" not in "\n".join(lines(why))


def test_other_reasons_for_an_empty_list() -> None:
    assert lines(Emptiness(ABSENT)) == ["This capture holds no flows."]
    hidden = lines(Emptiness(RUNNING, filter_text="~c 500\x1b", hidden=1204))
    assert hidden[0] == "No flow matches  ~c 500␛"
    assert hidden[-1] == "1,204 flows are hidden. esc clears the filter, / changes it."
    stopped = lines(Emptiness(STOPPED, error="exit code 1"))
    assert stopped[:2] == ["The engine has stopped.", "exit code 1"]


def test_keys_that_do_not_fit_are_left_out_whole() -> None:
    keys = [
        FooterKey(key, key, words, action)
        for key, words, action in (
            ("/", "Filter", "filter"),
            ("c", "curl", "export"),
            ("?", "Help", "help"),
            ("^p", "Commands", "command_palette"),
        )
    ]

    def shown(width: int) -> list[str]:
        fitting = key_bar.fitting(keys, width)
        return [key.description for key in keys if key in fitting]

    assert shown(36) == ["Filter", "curl", "Help", "Commands"]
    assert shown(35) == ["Filter", "Help", "Commands"]
    assert shown(10) == ["Help", "Commands"]
