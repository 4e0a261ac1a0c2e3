"""The YAML of a page as something that can be checked.

usage: examples.py PAGE FOLDER    write the chart's values of each example into FOLDER, one file each

A document without a kind is a file of values; an Argo CD Application and a Flux HelmRelease hold some. A document that makes
the Secret must make the five keys that the daemon reads, under the name that the chart reads by default.
"""

import pathlib
import re
import sys

import yaml

KEYS = {
    "BATON_CLIENT_ID",
    "BATON_CLIENT_SECRET",
    "BATON_PINGONE_CLIENT_ID",
    "BATON_PINGONE_CLIENT_SECRET",
    "BATON_PINGONE_ENVIRONMENT_ID",
}


def values(doc):
    kind = doc.get("kind")
    if kind is None:
        return doc
    if kind == "Application":
        return doc["spec"]["source"]["helm"]["valuesObject"]
    if kind == "HelmRelease":
        return doc["spec"]["values"]
    if kind == "ExternalSecret":
        keys = {entry["secretKey"] for entry in doc["spec"]["data"]}
        if keys != KEYS or doc["spec"]["target"]["name"] != "baton-ping-one-secrets":
            sys.exit(f"examples: the ExternalSecret makes {sorted(keys)}")
    elif kind != "OCIRepository":
        sys.exit(f"examples: nothing is known of kind {kind}")
    return None


def main(page, folder):
    blocks = re.findall(r"^```yaml\n(.*?)^```$", pathlib.Path(page).read_text(), re.MULTILINE | re.DOTALL)
    found = [found for block in blocks for doc in yaml.safe_load_all(block) if (found := values(doc)) is not None]
    if not found:
        sys.exit(f"examples: {page} has none")
    for number, example in enumerate(found):
        path = pathlib.Path(folder, f"{pathlib.Path(page).stem}-{number}.yaml")
        path.write_text(yaml.safe_dump(example))


if __name__ == "__main__":
    main(*sys.argv[1:])
