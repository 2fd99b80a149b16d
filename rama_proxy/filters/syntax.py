"""The grammar of filters. What binds least comes first: juxtaposition, `|`, `&`, `!`.

As in mitmproxy, a word ends at white space, quotes, `~` and parentheses, so `&`, `|` and `!` inside
one belong to its regex; only at its end do we take `&` and `|` for operators. Where operators have
names, `name > value` is one as well, and `and`, `or` and `not` are signs where a term follows.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rama_proxy.errors import FilterError
from rama_proxy.filters.comparison import Token, plain_argument, sign_at
from rama_proxy.filters.fields import OPERATORS
from rama_proxy.filters.operator import Condition, Operator, Predicate, Where
from rama_proxy.filters.ranges import SIGNS, Argument

MAX_LENGTH = 10_000
MAX_TERMS = 200  # SQLite takes an expression 1000 levels deep, and AND is one level a term
MAX_DEPTH = 12  # its parser's stack has 100 places before 3.46; one level of ours takes up to six

_ARGUMENTS = frozenset({"word", "quoted"})

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<code>~[^\s()~'"&|!]*)
    | (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<sign>[()!&|])
    | (?P<word>[^\s()~'"]+?(?=[&|]*(?:[\s()~'"]|$)))
    )""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(slots=True, frozen=True)
class Filter:
    """A parsed expression."""

    text: str
    matches: Predicate
    condition: Where

    def where(self) -> Where:
        """The filter as a condition for the store's readers."""
        return self.condition


def parse_filter(
    text: str,
    operators: Mapping[str, Operator] = OPERATORS,
    word: Operator = OPERATORS["u"],
    now: float | None = None,
) -> Filter:
    """The filter that `text` says; empty text selects everything.

    `operators` are those that there are, by their codes, and `word` is what a word alone stands
    for. `now` is the wall clock, which a time like `10m` ago is counted from; without it there are
    no such times. Raises FilterError with the position of the mistake and, where one is near, what
    was meant.
    """
    if not text.strip():
        return Filter(text, lambda flow: True, Where("1"))
    if len(text) > MAX_LENGTH:
        raise FilterError(f"a filter of {len(text)} letters; {MAX_LENGTH} are read", MAX_LENGTH)
    condition = _Parser(text, operators, word, now).parse()
    return Filter(text, condition.matches, condition.where)


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        found = _TOKEN.match(text, position)
        if found is None:
            start = position + len(text[position:]) - len(text[position:].lstrip())
            raise FilterError(f"the quote {text[start]} is never closed", start)
        kind = str(found.lastgroup)
        piece = found.group(kind)
        start = found.start(kind)
        if kind == "quoted":
            # Only quotes and backslashes need a backslash; \d stays \d.
            piece = re.sub(r"\\([\\\"'])", r"\1", piece[1:-1])
            start += 1
        tokens.append(Token(piece if kind == "sign" else kind, piece, start))
        position = found.end()
    tokens.append(Token("end", "", len(text)))
    return tokens


class _Parser:
    def __init__(
        self, text: str, operators: Mapping[str, Operator], word: Operator, now: float | None
    ) -> None:
        self._tokens = _tokens(text)
        self._operators = operators
        self._names = {found.word: found for found in operators.values() if found.word}
        self._now = now
        self._word = word
        self._index = 0
        self._terms = 0

    def parse(self) -> Condition:
        condition = self._sequence(0)
        rest = self._next()
        if rest.kind != "end":
            raise FilterError("this ) closes nothing", rest.position)
        return condition

    def _next(self) -> Token:
        token = self._tokens[self._index]
        self._index += 1
        return token

    def _comes(self, sign: str, name: str) -> bool:
        """Whether `sign` is next, or its name before a term; if so it is passed over."""
        token = self._tokens[self._index]
        comes = token.kind == sign or self._is_name(token, name)
        self._index += comes
        return comes

    def _is_name(self, token: Token, name: str) -> bool:
        """Whether `token`, which is the next, is a sign by its name and not a word to look for."""
        return (
            bool(self._names)
            and token.kind == "word"
            and token.text == name
            and self._tokens[self._index + 1].kind not in {")", "&", "|", "end"}
        )

    def _sequence(self, depth: int) -> Condition:
        parts = [self._alternatives(depth)]
        while self._tokens[self._index].kind not in {")", "end"}:
            parts.append(self._alternatives(depth))
        return _all_of(parts)

    def _alternatives(self, depth: int) -> Condition:
        parts = [self._conjunction(depth)]
        while self._comes("|", "or"):
            parts.append(self._conjunction(depth))
        return _any_of(parts)

    def _conjunction(self, depth: int) -> Condition:
        parts = [self._term(depth)]
        while self._comes("&", "and"):
            parts.append(self._term(depth))
        return _all_of(parts)

    def _term(self, depth: int) -> Condition:
        token = self._tokens[self._index]
        if depth > MAX_DEPTH:
            raise FilterError("the filter is nested too deeply", token.position)
        if self._comes("!", "not"):
            return _not(self._term(depth + 1))
        self._index += 1
        if token.kind == "(":
            condition = self._sequence(depth + 1)
            if self._next().kind != ")":
                raise FilterError("this ( is never closed", token.position)
            return condition
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise FilterError(f"more than {MAX_TERMS} terms in one filter", token.position)
        if token.kind == "code":
            return self._operator(token)
        if token.kind in _ARGUMENTS:
            return self._comparison(token) or self._word.make(self._argument(token))
        raise FilterError(_missing(token, self._tokens[: self._index - 1]), token.position)

    def _operator(self, token: Token) -> Condition:
        operator = self._operators.get(token.text[1:])
        if operator is None:
            hint = _nearest(token.text[1:], self._operators)
            raise FilterError(f"there is no operator {token.text}", token.position, hint)
        if not operator.takes:
            return operator.make(self._argument(token))
        argument = self._tokens[self._index]
        if argument.kind not in _ARGUMENTS:
            raise FilterError(_no_argument(operator, argument), argument.position)
        self._index += 1
        value = self._tokens[self._index]
        if argument.text in SIGNS and operator.is_ordered and value.kind in _ARGUMENTS:
            self._index += 1  # `>= 500` in two
            argument = argument._replace(text=argument.text + value.text)
        return operator.make(self._argument(argument))

    def _argument(self, token: Token) -> Argument:
        return Argument(token.text, token.position, self._now)

    def _comparison(self, token: Token) -> Condition | None:
        """The condition of `name > value`, None where `token` is a word of its own."""
        operator = self._names.get(token.text) if token.kind == "word" else None
        sign = None if operator is None else sign_at(self._tokens, self._index)
        if operator is None or sign is None:
            return None
        self._index = sign.end
        if not sign.rest:
            value = self._next()
        else:
            value = Token("word", sign.rest, sign.position + len(sign.text))
        if value.kind not in _ARGUMENTS:
            raise FilterError(_no_argument(operator, value), value.position)
        argument = plain_argument(operator, sign, self._argument(value))
        condition = operator.make(argument)
        return _not(condition) if sign.text.startswith("!") else condition


def _no_argument(operator: Operator, found: Token) -> str:
    wants = f"~{operator.code} ({operator.help}) takes a {operator.takes}"
    if found.kind in {"(", ")", "code"}:
        return f"{wants}; quote one that has ( ) or ~ in it"
    return wants


def _missing(token: Token, before: Sequence[Token]) -> str:
    after = f" after {before[-1].text}" if before else ""
    if token.kind == "end":
        return f"something is missing{after}"
    return f"something is missing{after} before {token.text}"


def _nearest(code: str, operators: Mapping[str, Operator]) -> str:
    """What an unknown operator may have meant."""
    near = difflib.get_close_matches(code, operators, n=1) or sorted(
        (known for known in operators if code.startswith(known)), key=len, reverse=True
    )
    if near:
        return f"did you mean ~{near[0]} ({operators[near[0]].help})?"
    return "operators: " + " ".join(f"~{known}" for known in sorted(operators))


def _all_of(parts: list[Condition]) -> Condition:
    if len(parts) == 1:
        return parts[0]
    tests = [part.matches for part in parts]
    return Condition(lambda flow: all(test(flow) for test in tests), _join(" AND ", parts))


def _any_of(parts: list[Condition]) -> Condition:
    if len(parts) == 1:
        return parts[0]
    tests = [part.matches for part in parts]
    return Condition(lambda flow: any(test(flow) for test in tests), _join(" OR ", parts))


def _join(word: str, parts: list[Condition]) -> Where:
    params = tuple(value for part in parts for value in part.where.params)
    return Where("(" + word.join([part.where.sql for part in parts]) + ")", params)


def _not(condition: Condition) -> Condition:
    return Condition(
        lambda flow: not condition.matches(flow),
        Where("NOT (" + condition.where.sql + ")", condition.where.params),
    )
