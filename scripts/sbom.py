"""A CycloneDX list of what a program is built from, out of `cargo metadata` on standard input.

usage: cargo metadata --locked --format-version 1 --filter-platform TARGET | sbom.py PACKAGE

Crates that only tests use are left out; crates that only the build runs are marked as excluded from the program.
"""

import json
import sys


def reach(nodes, start, kinds):
    """Every package that is reached from start over dependencies of these kinds."""
    seen, todo = set(), [start]
    while todo:
        current = todo.pop()
        if current in seen:
            continue
        seen.add(current)
        for dep in nodes[current]["deps"]:
            if any(kind["kind"] in kinds for kind in dep["dep_kinds"]):
                todo.append(dep["pkg"])
    return seen


def component(package, scope):
    found = {
        "type": "library",
        "bom-ref": f"pkg:cargo/{package['name']}@{package['version']}",
        "name": package["name"],
        "version": package["version"],
        "scope": scope,
        "purl": f"pkg:cargo/{package['name']}@{package['version']}",
    }
    if package.get("license"):
        found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    return found


def main(name):
    metadata = json.load(sys.stdin)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    roots = [package for package in packages.values() if package["name"] == name and package["source"] is None]
    if len(roots) != 1:
        sys.exit(f"sbom: {len(roots)} packages are called {name}")
    root = roots[0]
    linked = reach(nodes, root["id"], {None})
    everything = reach(nodes, root["id"], {None, "build"})
    parts = [component(packages[found], "required" if found in linked else "excluded") for found in everything - {root["id"]}]
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {**component(root, "required"), "type": "application"},
        },
        "components": sorted(parts, key=lambda part: part["bom-ref"]),
    }
    del bom["metadata"]["component"]["scope"]
    json.dump(bom, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(sys.argv[1])
