"""Plain manifests from a rendering of the chart.

usage: manifests.py write RENDERED FOLDER    one file per object, and a kustomization of them
       manifests.py same BUILT RENDERED      the objects are equal but for what only helm adds
"""

import difflib
import pathlib
import sys

import yaml

NAMESPACE = "baton-ping-one"
HELM_LABELS = ["helm.sh/chart", "app.kubernetes.io/managed-by"]
HELM_ANNOTATIONS = ["checksum/config"]


class Dumper(yaml.SafeDumper):
    """Lists indented under their key, and texts of several lines as blocks."""

    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, False)


def text(dumper, value):
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


Dumper.add_representer(str, text)


def plain(doc):
    """The object without what only helm adds, and without a namespace: kustomize sets it."""
    metas = [doc["metadata"]]
    template = doc.get("spec", {}).get("template")
    if template:
        metas.append(template["metadata"])
    for meta in metas:
        meta.pop("namespace", None)
        for label in HELM_LABELS:
            meta.get("labels", {}).pop(label, None)
        for annotation in HELM_ANNOTATIONS:
            meta.get("annotations", {}).pop(annotation, None)
    for subject in doc.get("subjects", []):
        subject["namespace"] = NAMESPACE
    return doc


def documents(path):
    return [plain(doc) for doc in yaml.safe_load_all(pathlib.Path(path).read_text()) if doc]


def dump(doc):
    return yaml.dump(doc, Dumper=Dumper, sort_keys=False, width=1000)


def write(rendered, folder):
    names = []
    for doc in sorted(documents(rendered), key=lambda doc: (doc["kind"], doc["metadata"]["name"])):
        name = doc["kind"].lower() + ".yaml"
        if name in names:
            sys.exit(f"manifests: two objects of kind {doc['kind']}")
        names.append(name)
        pathlib.Path(folder, name).write_text(dump(doc))
    head = "# Written by scripts/manifests.sh from the chart. Change the chart, or patch this in an overlay.\n"
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": names,
    }
    pathlib.Path(folder, "kustomization.yaml").write_text(head + dump(kustomization))


def normal(path):
    found = {}
    for doc in documents(path):
        for key, value in (doc.get("data") or {}).items():
            if key.endswith(".yaml"):
                doc["data"][key] = yaml.safe_load(value)
        pod = doc.get("spec", {}).get("template", {}).get("spec", {})
        pod.get("volumes", []).sort(key=lambda volume: volume["name"])  # patches may change their order
        found[f"{doc['kind']} {doc['metadata']['name']}"] = yaml.safe_dump(doc, sort_keys=True)
    return "".join(f"# {name}\n{found[name]}" for name in sorted(found)).splitlines(keepends=True)


def same(built, rendered):
    diff = list(difflib.unified_diff(normal(rendered), normal(built), "chart", "manifests"))
    sys.stderr.writelines(diff)
    if diff:
        sys.exit(1)


if __name__ == "__main__":
    {"write": write, "same": same}[sys.argv[1]](*sys.argv[2:])
