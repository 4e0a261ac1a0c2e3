"""Plain manifests from a rendering of the chart.

usage: manifests.py write RENDERED FOLDER    one file per object, and a kustomization of them
       manifests.py same BUILT RENDERED      the objects are equal but for what only helm adds
"""

import difflib
import pathlib
import re
import sys

import yaml

HELM_LABELS = ["helm.sh/chart", "app.kubernetes.io/managed-by"]
HELM_ANNOTATIONS = ["checksum/config"]


class Dumper(yaml.SafeDumper):
    """Lists indented under their key, and texts of several lines as blocks."""

    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, False)


def text(dumper, value):
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


Dumper.add_representer(str, text)


def without_helm(doc):
    """The object without what only helm adds."""
    metas = [doc["metadata"]]
    template = doc.get("spec", {}).get("template")
    if template:
        metas.append(template["metadata"])
    for meta in metas:
        for label in HELM_LABELS:
            meta.get("labels", {}).pop(label, None)
        for annotation in HELM_ANNOTATIONS:
            meta.get("annotations", {}).pop(annotation, None)
    return doc


def documents(path):
    return [without_helm(doc) for doc in yaml.safe_load_all(pathlib.Path(path).read_text()) if doc]


def dump(doc):
    return yaml.dump(doc, Dumper=Dumper, sort_keys=False, width=1000)


def write(rendered, folder):
    names, generated = [], []
    for doc in sorted(documents(rendered), key=lambda doc: (doc["kind"], doc["metadata"]["name"])):
        # An overlay sets the namespace, of the objects and of who gets the permissions alike.
        for meta in [doc["metadata"], *doc.get("subjects", [])]:
            meta.pop("namespace", None)
        if doc["kind"] == "ConfigMap":
            # The generator puts a hash of the content into the name, so that a change restarts the pods.
            for name, content in doc["data"].items():
                pathlib.Path(folder, name).write_text(content)
            meta = doc["metadata"]
            generated.append({"name": meta["name"], "options": {"labels": meta["labels"]}, "files": sorted(doc["data"])})
            continue
        name = doc["kind"].lower() + ".yaml"
        if name in names:
            sys.exit(f"manifests: two objects of kind {doc['kind']}")
        names.append(name)
        pathlib.Path(folder, name).write_text(dump(doc))
    head = "# Written by scripts/manifests.sh from the chart. Change the chart, or patch this in an overlay.\n"
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": names,
        "configMapGenerator": generated,
    }
    pathlib.Path(folder, "kustomization.yaml").write_text(head + dump(kustomization))


def without_hash(docs):
    """The objects with the hash taken off the names of generated ConfigMaps."""
    names = {}
    for doc in docs:
        if doc["kind"] == "ConfigMap":
            name = doc["metadata"]["name"]
            names[name] = doc["metadata"]["name"] = re.sub(r"-[a-z0-9]{10}$", "", name)
    for doc in docs:
        for volume in doc.get("spec", {}).get("template", {}).get("spec", {}).get("volumes", []):
            source = volume.get("configMap")
            if source:
                source["name"] = names.get(source["name"], source["name"])
    return docs


def normal(docs):
    found = {}
    for doc in docs:
        for key, value in (doc.get("data") or {}).items():
            if key.endswith(".yaml"):
                doc["data"][key] = yaml.safe_load(value)
        pod = doc.get("spec", {}).get("template", {}).get("spec", {})
        # Patches may change their order, which means nothing here.
        pod.get("volumes", []).sort(key=lambda volume: volume["name"])
        for container in pod.get("containers", []):
            container.get("env", []).sort(key=lambda variable: variable["name"])
        found[f"{doc['kind']} {doc['metadata']['name']}"] = yaml.safe_dump(doc, sort_keys=True)
    return "".join(f"# {name}\n{found[name]}" for name in sorted(found)).splitlines(keepends=True)


def same(built, rendered):
    there, wanted = documents(built), documents(rendered)
    if not any(doc["kind"] == "ConfigMap" and re.search(r"-[a-z0-9]{10}$", doc["metadata"]["name"]) for doc in there):
        sys.exit("manifests: the ConfigMap's name has no hash: a change of it would restart no pod")
    diff = list(difflib.unified_diff(normal(wanted), normal(without_hash(there)), "chart", "manifests"))
    sys.stderr.writelines(diff)
    if diff:
        sys.exit(1)


if __name__ == "__main__":
    {"write": write, "same": same}[sys.argv[1]](*sys.argv[2:])
