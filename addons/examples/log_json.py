"""Append every JSON response to a file, one object a line: URL, status and the value itself."""

import json
from pathlib import Path

from rama_proxy import Flow, when

FILE = Path("responses.jsonl")


@when("~ts json")  # other bodies stream through, this one is here whole
def response(flow: Flow) -> None:
    answer = flow.response
    if answer is None:
        return
    try:
        value = json.loads(answer.text)
    except ValueError as error:  # no JSON, or its compression is broken
        value = {"unreadable": str(error)}
    line = {"url": flow.request.pretty_url, "status": answer.status, "value": value}
    with FILE.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
