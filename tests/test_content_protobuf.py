"""Protocol Buffers as text, without a schema and with one."""

from __future__ import annotations

import time

import pytest

from rama_proxy.content.protobuf import (
    BYTES,
    FIXED32,
    FIXED64,
    GROUP,
    MAX_DEPTH,
    MAX_FIELDS,
    VARINT,
    Field,
    Fields,
    guess_message,
    guess_time,
    parse_message,
    short_float,
    unzigzag,
)
from rama_proxy.content.protobuf_schema import Schema, parse_descriptors
from rama_proxy.content.protobuf_text import beginning_text, message_text
from tests.support.descriptors import SHOP


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        (b"", []),
        (b"\x08\x96\x01", [Field(1, VARINT, 150)]),
        (b"\x08" + b"\xff" * 9 + b"\x01", [Field(1, VARINT, (1 << 64) - 1)]),
        (b"\x12\x07testing", [Field(2, BYTES, b"testing")]),
        (b"\x1d\x00\x00\x80\x3f", [Field(3, FIXED32, 0x3F800000)]),
        (b"\x21\x00\x00\x00\x00\x00\x00\xf0\x3f", [Field(4, FIXED64, 0x3FF0000000000000)]),
        (
            b"\x2b\x08\x01\x2c\x08\x02",
            [Field(5, GROUP, [Field(1, VARINT, 1)]), Field(1, VARINT, 2)],
        ),
        (b"\xf8\xff\xff\xff\x0f\x01", [Field((1 << 29) - 1, VARINT, 1)]),
    ],
)
def test_fields_of_the_wire(data: bytes, fields: list[Field]) -> None:
    assert parse_message(data) == Fields(fields, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"\x08",  # no value
        b"\x08\x80",
        b"\x08" + b"\xff" * 9 + b"\x02",  # more than 64 bits
        b"\x08" + b"\xff" * 11,
        b"\x00\x01",  # field 0
        b"\x12\x08testing",
        b"\x1d\x00\x00\x00",
        b"\x21\x00\x00\x00\x00\x00\x00\x00",
        b"\x2b\x08\x01",  # no end of the group
        b"\x2b\x08\x01\x34",  # the end of another
        b"\x2c",
        b"\x0e\x01",  # wire type 6
        b"\x2b" * (MAX_DEPTH + 1) + b"\x2c" * (MAX_DEPTH + 1),
        b"\xf8\xff\xff\xff\x7f\x01",  # a field's number of 32 bits
    ],
)
def test_what_is_no_message(data: bytes) -> None:
    assert parse_message(data) is None
    with pytest.raises(ValueError, match="the bytes are no message"):
        message_text(data)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"\x08\x96\x01", "1: 150"),
        (b"\x08" + b"\xff" * 9 + b"\x01", "1: 18446744073709551615  # -1 if signed"),
        (b"\x08\xff\xff\xff\xff\x0f", "1: 4294967295  # -2147483648 if zigzag"),
        (b"\x08\x80\xe2\xcf\xaa\x06", "1: 1700000000  # 2023-11-14 22:13:20 UTC"),
        (b"\x12\x07testing", '2: "testing"'),
        (b"\x0a\x00", '1: ""'),
        (b'\x0a\x08a"b\n\t\xe2\x82\xac', '1: "a\\"b\\n\\t€"'),
        (b"\x0a\x02\x08\x01", "1 {\n  1: 1\n}"),
        (b"\x0a\x04\x0a\x02hi", '1 {\n  1: "hi"\n}'),
        (b"\x0a\x02H1", '1: "H1"'),  # would parse as field 9
        (b"\x0a\x03\x00\xff\x10", "1: <00 ff 10>  # or varints 0, 2175"),
        (b"\x0a\x04\x01\xff\xfe\xfd", "1: <01 ff fe fd>"),
        (
            b"\x0a\x08\x00\x00\x80\x3f\x00\x00\x20\xc0",
            "1: <00 00 80 3f 00 00 20 c0>  # or floats 1, -2.5",
        ),
        (
            b"\x0a\x10\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\x04\xc0",
            "1: <00 00 00 00 00 00 f0 3f 00 00 00 00 00 00 04 c0>  # or doubles 1, -2.5",
        ),
        (b"\x0d\x00\x00\xc0\x3f", "1: 1.5  # fixed32 1069547520"),
        (b"\x0d\x05\x00\x00\x00", "1: 5  # fixed32"),
        (b"\x0d\xfb\xff\xff\xff", "1: 4294967291  # fixed32, -5 if signed"),
        (b"\x0d\x00\xf1\x53\x65", "1: 1700000000  # fixed32, 2023-11-14 22:13:20 UTC"),
        (b"\x09\x9a\x99\x99\x99\x99\x99\xb9\x3f", "1: 0.1  # fixed64 4591870180066957722"),
        (b"\x0b\x10\x01\x0c", "1 {  # a group\n  2: 1\n}"),
        (b"", ""),
    ],
)
def test_a_message_without_a_schema(data: bytes, line: str) -> None:
    assert message_text(data) == (line, "")


def test_a_long_text_in_a_message_is_no_text_itself() -> None:
    # The length of an UUID, 36, is "$" and the tag of field 1 a line feed: all of it prints.
    uuid = b"123e4567-e89b-12d3-a456-426614174000"
    text, _ = message_text(b"\x0a\x26\x0a\x24" + uuid)
    assert text == f'1 {{\n  1: "{uuid.decode()}"\n}}'
    assert guess_message(b"\nline two of a text")[0] is None


def test_an_item_of_a_shop_by_number_and_by_name() -> None:
    schema = parse_descriptors(SHOP)
    by_number, _ = message_text(ITEM)
    assert by_number.startswith(
        '1: "Ada\'s book\\n2nd"\n2: 18446744073709551613  # -3 if signed\n3: 13'
    )
    kind = schema.message_for("/shop.v1.Shop/Get", from_client=False)
    assert kind is not None
    by_name, note = message_text(ITEM, schema, kind)
    assert note == ""
    assert by_name.splitlines() == [
        'name: "Ada\'s book\\n2nd"',
        "count: -3",
        "delta: -7",
        "kind: LOST  # -1",
        "sizes: [1, 300, -1]",
        'prices["EU"] {',
        "  cents: 1999",
        '  currency: "EUR"',
        "}",
        "made {  # 2026-01-02 03:04:05 UTC",
        "  seconds: 1767323045  # 2026-01-02 03:04:05 UTC",
        "}",
        "blob: <00 ff 10>",
        "fragile: true",
        "weight: 1.5",
        "ratio: 0.1",
        "serial: 9223372036854775808",
        "shift: -5",
        "extra [shop.v1.Item.Price] {",
        "  cents: 5",
        '  currency: "USD"',
        "}",
        "tags: [BOOK, TOY]",
        "points: [0.5, 2.25]",
        'names[5]: "five"',
        'names[0]: ""',
        "big: 18446744073709551615",
    ]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"\x20\x09", "kind: 9  # not in shop.v1.Kind"),
        (b"\x08\x05", "name: 5  # field 1 is something else in the schema"),
        (b"\x12\x02hi", "count: [104, 105]"),  # not packed in the schema, and yet it may be
        (b"\x28\x05", "sizes: 5"),  # not packed
        (b"\xc8\x06\x01", "105: 1"),
        (b"\x0a\x02\xff\xfe", 'name: "\\\\xff\\\\xfe"'),
        (b"\x42\x05plain", 'blob: "plain"'),
        (b"\x32\x00", 'prices[""] {}'),
        (b"\x32\x04\x0a\x02EU", 'prices["EU"] {}'),
        (b"\x32\x02\x28\x01", "prices {\n  5: 1\n}"),
        (b"\x32\x01\xff", "prices: <ff>  # no shop.v1.Item.PricesEntry"),
        (b"\x8a\x01\x03\x12\x01x", 'names[0]: "x"'),
        (b"\x72\x03\x0a\x01x", 'extra {\n  type_url: "x"\n}'),
        (b"\x48\x00", "fragile: false"),
        (b"\x82\x01\x03abc", 'points: "abc"  # field 16 is something else in the schema'),
    ],
)
def test_what_the_schema_does_not_say(data: bytes, lines: str) -> None:
    schema = parse_descriptors(SHOP)
    assert message_text(data, schema, schema.messages["shop.v1.Item"]) == (lines, "")


def test_methods_are_found_by_path() -> None:
    schema = parse_descriptors(SHOP)
    for path in ("/shop.v1.Shop/Watch", "/api/v2/shop.v1.Shop/Watch?x=/", "shop.v1.Shop/Watch"):
        sent = schema.message_for(path, from_client=True)
        assert sent is not None
        assert sent.name == "shop.v1.GetItem"
    for path in ("/shop.v1.Shop/Put", "/", "", "Watch"):
        assert schema.message_for(path, from_client=True) is None


def test_a_descriptor_set_by_hand() -> None:
    # message_type { name: "M" field { name: "a" number: 1 label: REPEATED type: INT32 } }
    # extension { name: "more" number: 100 type: BOOL extendee: ".M" }
    data = (
        b"\x0a\x20"
        b"\x22\x0e\x0a\x01M\x12\x09\x0a\x01a\x18\x01\x20\x03\x28\x05"
        b"\x3a\x0e\x0a\x04more\x18\x64\x28\x08\x12\x02.M"
    )
    schema = parse_descriptors(data)
    kind = schema.messages["M"]
    assert message_text(b"\x08\x02\x0a\x02\x03\x04\xa0\x06\x01", schema, kind)[0].splitlines() == [
        "a: 2",
        "a: [3, 4]",
        "[more]: true",
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it has no descriptors of messages"),
        (b"\x0a\x00", "it has no descriptors of messages"),
        (b"GIF89a", "it is no descriptor set, or a damaged one"),
        (SHOP[:-1], "it is no descriptor set, or a damaged one"),
        (SHOP[:60] + b"\xff" * 20 + SHOP[80:], "it is no descriptor set, or a damaged one"),
        (b'syntax = "proto3";', "it is .proto source"),
        (b"// copyright\n", "it is .proto source"),
    ],
)
def test_a_bad_descriptor_set(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_descriptors(data)


def test_descriptors_nested_without_end_are_refused() -> None:
    data = b""
    for _ in range(80):
        data = b"\x1a" + _length(data) + data if data else b"\x0a\x01M"
    data = b"\x22" + _length(data) + data
    with pytest.raises(ValueError, match="nested too deep"):
        parse_descriptors(b"\x0a" + _length(data) + data)


def _length(data: bytes) -> bytes:
    size = len(data)
    return bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])


def test_a_message_cut_off_shows_what_is_whole() -> None:
    assert beginning_text(ITEM[:20], None, None).splitlines()[0] == '1: "Ada\'s book\\n2nd"'
    schema = parse_descriptors(SHOP)
    text = beginning_text(ITEM[:-1], schema, schema.messages["shop.v1.Item"])
    assert text.splitlines()[-1] == 'names[0]: ""'
    with pytest.raises(ValueError, match="cut off in its first field"):
        beginning_text(b"\x0a\x80", None, None)


def test_more_fields_than_are_shown() -> None:
    text, note = message_text(b"\x08\x01" * (MAX_FIELDS + 1))
    assert (text.count("\n"), note) == (MAX_FIELDS - 1, "only the first 20,000 fields")
    assert message_text(b"\x08\x01" * MAX_FIELDS)[1] == ""
    nested = b"\x0a\x02\x08\x01" * MAX_FIELDS
    text, note = message_text(nested)
    assert text.count("\n") < 3 * MAX_FIELDS
    assert note == "only the first 20,000 fields"


@pytest.mark.parametrize(
    "data",
    [
        b"\x08\x01" * (4 << 20),
        b"\x0a\x80\x80\x80\x04" + b"\x08\x01" * (4 << 20),
        (b"\x0a\x7f" + b"\x08\x01" * 63 + b"\x00") * 65_536,  # each nearly a message
        b"\x0a\x02\x0a\x00" * (2 << 20),
        b"\x0a\x80\x80\x80\x04" + b"line\n" * (8 << 20) + b"x" * (24 << 20),
    ],
    ids=["flat", "nested", "nearly", "many", "text"],
)
def test_large_messages_take_no_time(data: bytes) -> None:
    began = time.process_time()
    text, note = message_text(data[: 8 << 20] if data[:1] == b"\x08" else data)
    assert time.process_time() - began < 4
    assert note or len(text) > 1 << 20


def test_messages_in_each_other_end_at_some_depth() -> None:
    data = b"\x08\x01"
    for _ in range(100):
        data = b"\x0a" + _length(data) + data
    text, _ = message_text(data)
    assert f"\n{'  ' * MAX_DEPTH}1: <" in text
    assert text.count("{") == MAX_DEPTH


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1_700_000_000, "2023-11-14 22:13:20 UTC"),
        (1_700_000_000_123, "2023-11-14 22:13:20 UTC"),
        (1_700_000_000_123_456, "2023-11-14 22:13:20 UTC"),
        (1_700_000_000_123_456_789, "2023-11-14 22:13:20 UTC"),
        (999_999_999, ""),
        (4_102_444_800, ""),
        (0, ""),
        ((1 << 64) - 1, ""),
    ],
)
def test_moments(value: int, moment: str) -> None:
    assert guess_time(value) == moment


def test_numbers() -> None:
    assert [unzigzag(value) for value in (0, 1, 2, 3, (1 << 64) - 1)] == [0, -1, 1, -2, -(1 << 63)]
    assert short_float(0.1, 17) == "0.1"
    assert short_float(1 / 3, 17) == "0.3333333333333333"
    assert short_float(0.10000000149011612, 9) == "0.1"
    assert short_float(float("inf"), 9) == "inf"
    assert short_float(float("nan"), 17) == "nan"
    assert short_float(1.7976931348623157e308, 17) == "1.7976931348623157e+308"


def test_schemas_add_up() -> None:
    schema = Schema()
    schema.update(parse_descriptors(SHOP))
    assert "shop.v1.Item" in schema.messages
    assert schema.enums["shop.v1.Kind"][2] == "TOY"
    assert schema.methods["shop.v1.Shop/Get"].response == "shop.v1.Item"


ITEM = (
    b"\n\x0eAda's book\n2nd\x10\xfd\xff\xff\xff\xff"
    b"\xff\xff\xff\xff\x01\x18\r \xff\xff\xff\xff\xff\xff\xff\xff\xff\x01*\r\x01\xac"
    b"\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x012\x0e\n\x02EU\x12\x08\x08\xcf\x0f"
    b"\x12\x03EUR:\x06\x08\xa5\xeb\xdc\xca\x06B\x03\x00\xff\x10H\x01Q\x00"
    b"\x00\x00\x00\x00\x00\xf8?]\xcd\xcc\xcc=a\x00\x00\x00\x00\x00\x00\x00\x80m"
    b"\xfb\xff\xff\xffr1\n&type.googleapi"
    b"s.com/shop.v1.Item.Pri"
    b"ce\x12\x07\x08\x05\x12\x03USDz\x02\x01\x02\x82\x01\x10\x00\x00\x00\x00"
    b"\x00\x00\xe0?\x00\x00\x00\x00\x00\x00\x02@\x8a\x01\x08\x08\x05\x12\x04fiv"
    b"e\x8a\x01\x04\x08\x00\x12\x00\x90\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
)
