"""HTML and XML, indented."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rama_proxy.content.markup import MAX_MARKUP, pretty_html, pretty_xml


def test_html() -> None:
    pretty, note = pretty_html(
        b'<!DOCTYPE html><html lang=en><head><meta charset="utf-8"><title>Tea &amp; cups</title>'
        b'<script>\n   var a = 1;\n   if (a < 2) { b("</div>") }\n</script></head>'
        b'<body class="x"\n   id=y><p>Some <b>bold</b> text\n   over lines <a href="?a>b">link</a>'
        b"<p>two<ul><li>one<li>two <ul><li>deep</li></ul></ul><pre>\n keep   this\n</pre>"
        b"<img src=x><br><hr><table><tr><td>1<td>2<tr><td>3</table></body></html><!-- end -->"
    )
    assert note == ""
    assert pretty.decode() == (
        """\
<!DOCTYPE html>
<html lang=en>
  <head>
    <meta charset="utf-8">
    <title>Tea &amp; cups</title>
    <script>
      var a = 1;
      if (a < 2) { b("</div>") }
    </script>
  </head>
  <body class="x" id=y>
    <p>Some <b>bold</b> text over lines <a href="?a>b">link</a>
    <p>two
    <ul>
      <li>one
      <li>
        two
        <ul>
          <li>deep</li>
        </ul>
    </ul>
    <pre>

 keep   this

    </pre>
    <img src=x><br>
    <hr>
    <table>
      <tr>
        <td>1
        <td>2
      <tr>
        <td>3
    </table>
  </body>
</html>
<!-- end -->"""
    )


def test_xml() -> None:
    pretty, note = pretty_xml(
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a xmlns="u"><b>text</b><c/>'
        b'<d><e f="1">  mixed <g>x</g> tail</e></d><![CDATA[ a<b ]]><h></h></a>'
    )
    assert note == ""
    assert pretty.decode() == (
        """\
<?xml version="1.0"?>
<!DOCTYPE a [<!ENTITY b "c">]>
<a xmlns="u">
  <b>text</b>
  <c/>
  <d>
    <e f="1">
      mixed
      <g>x</g>
      tail
    </e>
  </d>
  <![CDATA[ a<b ]]>
  <h></h>
</a>"""
    )


@pytest.mark.parametrize(
    ("data", "expect"),
    [
        (b"", b""),
        (b"a < b", b"a < b"),
        (b"</div>", b"</div>"),
        (b"<div", b"<div"),
        (b"<div><span></div>x", b"<div><span></div>\nx"),
        (b"<!-- never ends <div>", b"<!-- never ends <div>"),
        (b"<script>if (a</script", b"<script>\n  if (a</script"),
        (b"<b>x</i></b>", b"<b>x</i></b>"),
    ],
)
def test_broken_html_is_shown_too(data: bytes, expect: bytes) -> None:
    assert pretty_html(data) == (expect, "")


@given(
    st.lists(
        st.sampled_from(
            [
                *(b"<p>", b"<div>", b"</div>", b"<li>", b"</", b"<br/>", b"<!--", b"-->"),
                *(b"<script>", b"</script>", b"<td>", b"<pre>", b"</pre>", b"<b>", b"</b>"),
                *(b"<![CDATA[", b"]]>", b"<!DOCTYPE [", b"]>", b"<?", b'="', b"'", b"text "),
                *(b"\n", b"<", b">", b"\xff"),
            ]
        ),
        max_size=40,
    ).map(b"".join)
)
def test_nothing_is_lost(data: bytes) -> None:
    letters = re.compile(rb"\s+")
    for pretty in (pretty_html, pretty_xml):
        text, _ = pretty(data)
        assert letters.sub(b"", text) == letters.sub(b"", data)


@pytest.mark.parametrize(
    "piece",
    [
        *(b"<a>", b"<div>", b"</div>", b"<p>", b"<a '", b"<a \"'", b"<", b"<!--", b"<![CDATA["),
        *(b"<?", b"<script>", b"<pre>x</pre>", b"<a =  ", b"<div></x>", b"a \n ", b"<li>a"),
        *(b"<a\n", b"<!DOCTYPE [] ", b"]  ", b"<script> </script>", b"<textarea>"),
    ],
)
def test_time_is_linear(piece: bytes) -> None:
    data = (piece * (MAX_MARKUP // 2 // len(piece) + 1))[: MAX_MARKUP // 2]
    begin = time.perf_counter()
    for pretty in (pretty_html, pretty_xml):
        text, _ = pretty(data)
        assert len(text) < 100 * len(data)
    assert time.perf_counter() - begin < 10  # 2 s at most, quadratic would be hours


def test_what_is_too_large_stays_as_it_is() -> None:
    data = b"<p>" * (MAX_MARKUP // 3 + 1)
    assert pretty_html(data) == (data, "too large to be indented")
    assert pretty_xml(data) == (data, "too large to be indented")
