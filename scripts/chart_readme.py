"""Write the chart's README.md from README.md.in and the comments of values.yaml.

usage: chart_readme.py [--check] CHART

A comment that starts with "# --" documents the value below it; following comment lines continue it, and a line
"# @default -- TEXT" replaces the printed default. A value without one is an error, and so is a value that the schema
does not list, or the other way round.
"""

import json
import pathlib
import re
import sys

import yaml


def comments(lines):
    """Map each documented path to (description, default override)."""
    found, stack, text, override = {}, [], None, None
    for line in lines:
        if match := re.match(r"\s*# -- (.*)", line):
            text, override = match[1], None
        elif match := re.match(r"\s*# @default -- (.*)", line):
            override = match[1]
        elif (match := re.match(r"\s*# (.*)", line)) and text is not None:
            text += " " + match[1]
        elif match := re.match(r"( *)([A-Za-z][A-Za-z0-9]*):", line):
            depth = len(match[1]) // 2
            stack = stack[:depth] + [match[2]]
            if text is not None:
                found[".".join(stack)] = (text, override)
            text, override = None, None
        else:
            text, override = None, None
    return found


def leaves(values, documented, prefix=""):
    """Yield (path, value) for every documented value, or else for every leaf."""
    for key, value in values.items():
        path = prefix + key
        if path not in documented and isinstance(value, dict) and value:
            yield from leaves(value, documented, path + ".")
        else:
            yield path, value


def schema_paths(schema, prefix=""):
    """Yield every path that the schema closes over, without pass-through objects."""
    for key, child in schema.get("properties", {}).items():
        path = prefix + key
        if child.get("additionalProperties") is False and "properties" in child and path != "config":
            yield from schema_paths(child, path + ".")
        else:
            yield path


def value_paths(values, known, prefix=""):
    """Yield every path of the values down to what the schema knows as one value."""
    for key, value in values.items():
        path = prefix + key
        if path not in known and isinstance(value, dict) and value:
            yield from value_paths(value, known, path + ".")
        else:
            yield path


def table(values, documented):
    rows = ["| value | default | meaning |", "| --- | --- | --- |"]
    for path, value in leaves(values, documented):
        if path not in documented:
            sys.exit(f"chart_readme: {path} has no line that starts with '# --' in values.yaml")
        text, override = documented[path]
        default = override or f"`{json.dumps(value)}`"
        rows.append(f"| `{path}` | {default} | {text} |".replace("\\|", "|"))
    return "\n".join(rows)


def findings(path):
    rows = ["| finding | object | reason |", "| --- | --- | --- |"]
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            check, thing, reason = line.split(None, 2)
            rows.append(f"| {check} | {thing} | {reason} |")
    return "\n".join(rows)


def compare(values, schema):
    known = set(schema_paths(schema)) - {"global"}
    optional = {path for path in known if path.startswith("probes.")}
    there = set(value_paths(values, known))
    wrong = [f"{path}: in values.yaml, not in values.schema.json" for path in sorted(there - known)]
    wrong += [f"{path}: in values.schema.json, not in values.yaml" for path in sorted(known - there - optional)]
    if wrong:
        sys.exit("chart_readme: " + "\n".join(wrong))


def main(args):
    check = "--check" in args
    chart = pathlib.Path([arg for arg in args if not arg.startswith("--")][0])
    source = (chart / "values.yaml").read_text()
    values = yaml.safe_load(source)
    compare(values, json.loads((chart / "values.schema.json").read_text()))
    example = (chart / "ci/external-secrets-values.yaml").read_text().strip()
    text = (chart / "README.md.in").read_text()
    text = text.replace("@VALUES@", table(values, comments(source.splitlines())))
    text = text.replace("@EXTERNAL_SECRETS@", example)
    text = text.replace("@CHECKOV@", findings(chart / "checkov-findings.txt"))
    target = chart / "README.md"
    if not check:
        target.write_text(text)
    elif not target.exists() or target.read_text() != text:
        sys.exit(f"chart_readme: {target} is not what values.yaml says; run scripts/chart-test.sh --update")


if __name__ == "__main__":
    main(sys.argv[1:])
