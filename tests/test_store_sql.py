"""What goes into SQL: values only as bound parameters, and every condition fits the schema."""

from __future__ import annotations

import ast
import sqlite3
from pathlib import Path

import rama_proxy
from rama_proxy.filters import FUNCTIONS, OPERATORS, Argument
from rama_proxy.store import schema
from rama_proxy.store.connection_rows import CONNECTION_COLUMNS
from rama_proxy.store.rows import FLOW_COLUMNS

SOURCES = Path(rama_proxy.__file__).parent


def test_no_statement_is_formatted_where_it_is_executed() -> None:
    checked = 0
    for file in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr in {"execute", "executemany", "executescript"} and node.args:
                checked += 1
                statement = node.args[0]
                assert not isinstance(statement, ast.JoinedStr), (file, node.lineno)
                assert not isinstance(statement, ast.Call), (file, node.lineno)
                if isinstance(statement, ast.BinOp):
                    assert isinstance(statement.op, ast.Add), (file, node.lineno)
    assert checked > 20


def empty_store() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.create(connection, schema.STEPS)
    return connection


def test_columns_of_rows_are_those_of_the_tables() -> None:
    connection = empty_store()
    for table, columns in (("flows", FLOW_COLUMNS), ("connections", CONNECTION_COLUMNS)):
        found = [row[1] for row in connection.execute("PRAGMA table_info(" + table + ")")]
        assert sorted(found) == sorted(columns)
    connection.close()


def test_a_condition_has_a_place_for_each_of_its_parameters() -> None:
    connection = empty_store()
    connection.create_function("rama_unpack", 2, lambda codec, data: data)
    for name, (count, function) in FUNCTIONS.items():
        connection.create_function(name, count, function)
    for operator in OPERATORS.values():
        argument = "10.0.0.0/8" if operator.takes == "network" else "2026-11-24"
        if operator.takes not in {"time", "since", "network"}:
            argument = "200"
        where = operator.make(Argument(argument)).where
        assert where.sql.count("?") == len(where.params)
        query = "SELECT count(*) FROM flows f WHERE " + where.sql
        assert connection.execute(query, where.params).fetchone() == (0,)
    connection.close()
