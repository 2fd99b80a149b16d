"""What the demo's servers serve: pages, pictures, data. The same bytes every time.

Made here and not read from files; knows no HTTP.
"""

from __future__ import annotations

import json
import random
import struct
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice

SEED = 20_26
PRODUCTS = 24

_ADJECTIVES = ("Quiet", "Amber", "Folded", "Northern", "Brisk", "Hollow", "Silver", "Late")
_NOUNS = ("Lamp", "Kettle", "Satchel", "Notebook", "Compass", "Blanket", "Radio", "Mug")
_WORDS = (  # of an article
    "proxy header quiet river lantern socket window paper signal morning trailer meadow cipher "
    "harbour packet copper stream orchard gateway velvet anchor bridge candle between under over "
    "carries answers listens waits returns opens the a one every"
)
_UNICODE = ("Café crème", "Übergröße", "日本語の本", "Смешной кот", "שולחן עץ", "naïve 🦙")

CSS = """\
:root { --ink: #1d2433; --paper: #fbfaf7; --accent: #c2410c; --gap: 1rem }
* { box-sizing: border-box }
body { margin: 0; font: 16px/1.5 system-ui; color: var(--ink); background: var(--paper) }
header { display: flex; gap: var(--gap); align-items: center; padding: var(--gap) }
main { display: grid; grid-template-columns: repeat(3, minmax(14rem, 1fr)); gap: var(--gap) }
article { border: 1px solid #e5e1d8; border-radius: .5rem; padding: var(--gap) }
article > .price { color: var(--accent); font-variant-numeric: tabular-nums }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e6e1; --paper: #14171f } }
"""

JS = """\
"use strict";
const cart = new Map(JSON.parse(localStorage.getItem("cart") ?? "[]"));
async function add(id) {
  cart.set(id, (cart.get(id) ?? 0) + 1);
  localStorage.setItem("cart", JSON.stringify([...cart]));
  const answer = await fetch("/api/cart", { method: "POST", body: JSON.stringify({ id }) });
  if (!answer.ok) throw new Error(`cart: ${answer.status}`);
  return answer.json();
}
for (const button of document.querySelectorAll("[data-product]"))
  button.addEventListener("click", () => add(Number(button.dataset.product)));
"""

LOGO = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" role="img" aria-label="Demo Shop">
  <path d="M12 52V20l8-12h6l-4 12h14l4-12h6l6 12v32h-8V36H20v16z" fill="#c2410c"/>
  <circle cx="24" cy="26" r="2.5" fill="#fbfaf7"/>
</svg>
"""

FEED = """\
<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <title>Demo News</title><updated>2026-09-21T14:13:20Z</updated>
  <entry><title>A proxy sees what a server meant</title><id>urn:demo:1</id>
    <summary>Trailers, interim responses and slow bodies, all on one screen.</summary></entry>
  <entry><title>Größe zählt: 日本語, кириллица, עברית</title><id>urn:demo:2</id></entry>
</feed>
"""


@cache
def products() -> list[dict[str, object]]:
    """The catalogue of the shop."""
    chance = random.Random(SEED)  # noqa: S311  the same every time, no secret
    names = [f"{adjective} {noun}" for adjective in _ADJECTIVES for noun in _NOUNS]
    chosen = chance.sample(names, PRODUCTS - len(_UNICODE)) + list(_UNICODE)
    return [
        {
            "id": number,
            "name": name,
            "price": {"amount": chance.randrange(490, 24_900), "currency": "EUR"},
            "stock": chance.randrange(0, 80),
            "rating": round(chance.uniform(2.5, 5.0), 2),
            "tags": chance.sample(("new", "sale", "eco", "gift", "limited"), 2),
            "image": f"https://cdn.demo.test/img/{number}.png",
        }
        for number, name in enumerate(chosen, 1)
    ]


def shop_page() -> str:
    """The front page of the shop, with its assets."""
    cards = "\n".join(
        f'  <article><img src="/img/{item["id"]}.png" alt="" width="64" height="64">'
        f"<h2>{item['name']}</h2>"
        f'<button data-product="{item["id"]}">Add</button></article>'
        for item in products()
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n  <meta charset="utf-8">\n'
        "  <title>Demo Shop</title>\n"
        '  <link rel="stylesheet" href="/static/app.css">\n'
        '  <link rel="icon" href="/favicon.ico">\n'
        '  <script src="/static/app.js" defer></script>\n</head>\n<body>\n'
        '<header><img src="/static/logo.svg" alt="" width="48"><h1>Demo Shop</h1></header>\n'
        f"<main>\n{cards}\n</main>\n</body>\n</html>\n"
    )


@cache
def article(title: str) -> str:
    """A page of text about nothing in particular."""
    chance = random.Random(title)  # noqa: S311  as above
    words = _WORDS.split()
    sentences = (
        " ".join(chance.choices(words, k=chance.randrange(6, 18))).capitalize() + "."
        for _ in range(80)
    )
    text = "\n".join(f"  <p>{' '.join(group)}</p>" for group in batched(sentences, 4))
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title>\n'
        f'<link rel="stylesheet" href="/static/app.css"></head>\n<body><h1>{title}</h1>\n'
        f"{text}\n</body>\n</html>\n"
    )


@cache
def library() -> str:
    """A script as a build tool leaves it: long, and about nothing."""
    chance = random.Random(SEED)  # noqa: S311  as above
    names = ["".join(chance.choices("abcdefghkmnpqrstuvwxyz", k=5)) for _ in range(600)]
    lines = (
        f"function {name}({chance.choice('efgt')}){{return {chance.choice(names)}("
        f"{chance.randrange(1, 9999)},{chance.choice(names)})^{chance.randrange(1 << 20)}}}"
        for name in names
    )
    return '"use strict";' + "".join(lines) + "\n//# sourceMappingURL=app.js.map\n"


def batched(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """`items` in lists of `size`."""
    rest = iter(items)
    while group := list(islice(rest, size)):
        yield group


@cache
def picture(number: int, size: int = 96) -> bytes:
    """A PNG of `size` pixels square: a gradient of a colour that `number` chooses."""
    chance = random.Random(SEED + number)  # noqa: S311  as above
    red, green, blue = (chance.randrange(64, 256) for _ in range(3))
    rows = bytearray()
    for y in range(size):
        rows.append(0)
        for x in range(size):
            shade = (x ^ y) % size * 255 // size
            rows += bytes((red * shade // 255, green * (255 - shade) // 255, blue * y // size))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(rows))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@cache
def noise(size: int) -> bytes:
    """`size` bytes that do not compress."""
    return random.Random(SEED).randbytes(size)  # noqa: S311  as above


def tag(body: bytes) -> str:
    """The entity tag of `body`."""
    return f'"{zlib.crc32(body):08x}"'


def dump(value: object, *, pretty: bool = False) -> bytes:
    """`value` as JSON, its letters as they are."""
    return json.dumps(value, ensure_ascii=False, indent=2 if pretty else None).encode()
