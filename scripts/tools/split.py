"""Print the documents of some YAML files, each kind once per text.

usage: split.py [--known] FILE...

With --known only kinds of Kubernetes itself are printed; the others are named on standard error.
"""

import sys

import yaml


def main(args):
    known_only = "--known" in args
    seen, left = set(), set()
    for path in args:
        if path.startswith("--"):
            continue
        with open(path, encoding="utf-8") as file:
            for doc in yaml.safe_load_all(file):
                if not doc:
                    continue
                group = doc["apiVersion"].rpartition("/")[0]
                if known_only and "." in group and not group.endswith(".k8s.io"):
                    left.add(doc["kind"])
                    continue
                text = yaml.safe_dump(doc, sort_keys=True)
                if text not in seen:
                    seen.add(text)
                    print("---\n" + text, end="")
    if left:
        print("not checked against a schema:", ", ".join(sorted(left)), file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
