"""Name the values of the chart that none of its tests sets.

usage: chart_values.py CHART

A value counts as set where a suite of CHART/tests sets it or a part of it, or names a file of CHART/ci that does.
"""

import pathlib
import sys

import yaml

from chart_readme import comments, leaves


def paths(values, prefix=""):
    """Yield every path that the values set; a key may itself be a path."""
    for key, value in values.items():
        path = f"{prefix}{key}"
        yield path
        if isinstance(value, dict):
            yield from paths(value, path + ".")


def given(suite, folder):
    """Yield every path that a suite or one of its tests sets."""
    for part in [suite, *suite["tests"]]:
        yield from paths(part.get("set", {}))
        for name in part.get("values", []):
            yield from paths(yaml.safe_load((folder / name).read_text()) or {})


def main(chart):
    source = (chart / "values.yaml").read_text()
    tests = chart / "tests"
    seen = set()
    for suite in tests.glob("*_test.yaml"):
        seen.update(given(yaml.safe_load(suite.read_text()), tests))
    documented = comments(source.splitlines())
    wanted = [path for path, _ in leaves(yaml.safe_load(source), documented)]
    missing = [path for path in wanted if path not in seen]
    if missing:
        sys.exit("chart_values: no test sets " + ", ".join(missing))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
