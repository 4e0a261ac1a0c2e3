"""Write the names and types of the daemon's settings into the chart's values.schema.json.

usage: chart_schema.py [--check] CHART

The names are those of docs/configuration.md, which is generated from the table of settings.
"""

import json
import pathlib
import re
import sys

SETTINGS = pathlib.Path(__file__).parent.parent / "docs/configuration.md"
# At the start of "value" in the table.
TYPES = {
    "true or false": {"enum": [True, False, "true", "false"]},
    "whole number": {"type": ["integer", "string"], "pattern": "^-?[0-9]+$"},
    "list": {"type": ["array", "string"], "items": {"type": ["string", "number", "boolean"]}},
}
# Texts, times and choices; YAML makes numbers and truth values of some.
OTHER = {"type": ["string", "number", "boolean"]}


def settings():
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| `BATON_[A-Z0-9_]+` \| ([^|]*) \|", SETTINGS.read_text(), re.MULTILINE)
    if len(rows) < 50:
        sys.exit(f"chart_schema: {SETTINGS} has {len(rows)} settings; its table has another form now")
    return {name: next((TYPES[kind] for kind in TYPES if value.startswith(kind)), OTHER) for name, value in rows}


def main(args):
    path = pathlib.Path([arg for arg in args if not arg.startswith("--")][0]) / "values.schema.json"
    schema = json.loads(path.read_text())
    schema["properties"]["config"] = {
        "type": "object",
        "description": "Flags by name without dashes in front. Written by scripts/chart_schema.py.",
        "additionalProperties": False,
        "properties": settings(),
    }
    text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    if "--check" not in args:
        path.write_text(text)
    elif path.read_text() != text:
        sys.exit(f"chart_schema: {path} lacks settings of {SETTINGS.name}, or has others; run scripts/chart_schema.py")


if __name__ == "__main__":
    main(sys.argv[1:])
