"""What `--mode` takes."""

from __future__ import annotations

import pytest

from rama_proxy.errors import ConfigError
from rama_proxy.modes.spec import parse_mode


def test_modes() -> None:
    assert parse_mode("regular").name == "regular"
    spec = parse_mode("reverse:https://a.test")
    assert (spec.name, spec.scheme, spec.target) == ("reverse", "https", ("a.test", 443))
    assert parse_mode("reverse:http://[::1]:81/").target == ("::1", 81)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "regular:x",
        "other",
        "reverse:",
        "reverse:a.test",
        "reverse:http://a/path",
        "reverse:ftp://a",
    ],
)
def test_what_is_no_mode_is_refused_with_the_right_form(text: str) -> None:
    with pytest.raises(ConfigError, match=r"reverse:http\[s\]://host\[:port\]"):
        parse_mode(text)
