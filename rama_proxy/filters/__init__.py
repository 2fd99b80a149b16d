"""The filter language: one expression, a predicate on flows and a condition for the store.

`~d example.com & !~c 200` reads as in mitmproxy: `&` binds before `|`, and both before mere
juxtaposition, which means and. Operators are rows of `fields.OPERATORS`.
"""

from __future__ import annotations

from rama_proxy.errors import FilterError
from rama_proxy.filters.completion import completions
from rama_proxy.filters.fields import OPERATORS
from rama_proxy.filters.messages import MESSAGE_OPERATORS, parse_message_filter
from rama_proxy.filters.operator import Operator, Where
from rama_proxy.filters.ranges import Argument
from rama_proxy.filters.search import FUNCTIONS
from rama_proxy.filters.syntax import Filter, parse_filter

__all__ = [
    "FUNCTIONS",
    "MESSAGE_OPERATORS",
    "OPERATORS",
    "Argument",
    "Filter",
    "FilterError",
    "Operator",
    "Where",
    "completions",
    "parse_filter",
    "parse_message_filter",
]
