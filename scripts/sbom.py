"""A list of what a program is built from, as CycloneDX or SPDX, out of `cargo metadata` on standard input.

usage: cargo metadata --locked --format-version 1 --filter-platform TARGET | sbom.py PACKAGE [spdx]

Crates that only tests use are left out; crates that only the build runs are marked as excluded from the program.
"""

import datetime
import json
import os
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


def spdx(root, parts):
    """The same in SPDX 2.3. The time is the commit's (SOURCE_DATE_EPOCH), so that the same commit gives the same bytes."""
    created = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), datetime.timezone.utc)

    def package(part):
        license_text = part.get("licenses", [{"expression": "NOASSERTION"}])[0]["expression"]
        return {
            "SPDXID": spdx_id(part),
            "name": part["name"],
            "versionInfo": part["version"],
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": license_text,
            "copyrightText": "NOASSERTION",
            "externalRefs": [
                {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": part["purl"]}
            ],
        }

    def relation(part):
        if part["scope"] == "required":
            return {"spdxElementId": spdx_id(root), "relationshipType": "DEPENDS_ON", "relatedSpdxElement": spdx_id(part)}
        return {"spdxElementId": spdx_id(part), "relationshipType": "BUILD_TOOL_OF", "relatedSpdxElement": spdx_id(root)}

    described = {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": spdx_id(root)}
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{root['name']}-{root['version']}",
        "documentNamespace": f"https://github.com/conductorone/{root['name']}/spdx/{root['version']}",
        "creationInfo": {"created": created.strftime("%Y-%m-%dT%H:%M:%SZ"), "creators": ["Tool: sbom.py"]},
        "packages": [package(part) for part in [root, *parts]],
        "relationships": [described, *map(relation, parts)],
    }


def spdx_id(part):
    return "SPDXRef-" + f"{part['name']}-{part['version']}".replace("_", "-").replace("+", "-")


def main(name, form="cyclonedx"):
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
    parts.sort(key=lambda part: part["bom-ref"])
    if form == "spdx":
        json.dump(spdx(component(root, "required"), parts), sys.stdout, indent=1)
        print()
        return
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {**component(root, "required"), "type": "application"},
        },
        "components": parts,
    }
    del bom["metadata"]["component"]["scope"]
    json.dump(bom, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(*sys.argv[1:])
