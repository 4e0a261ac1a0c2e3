"""The provenance of files as an in-toto statement (SLSA 1.0), out of `sha256sum` on standard input.

usage: sha256sum FILE... | provenance.py COMMIT BUILDER
"""

import datetime
import json
import os
import sys

REPOSITORY = "git+https://github.com/conductorone/baton-ping-one"


def main(commit, builder):
    subjects = []
    for line in sys.stdin:
        digest, name = line.split(maxsplit=1)
        subjects.append({"name": name.strip(), "digest": {"sha256": digest}})
    if not subjects:
        sys.exit("provenance: no files")
    time = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://github.com/conductorone/baton-ping-one/release-artifacts@v1",
                "externalParameters": {"repository": REPOSITORY, "target": "release-artifacts"},
                "resolvedDependencies": [{"uri": REPOSITORY, "digest": {"gitCommit": commit}}],
            },
            "runDetails": {
                "builder": {"id": builder},
                "metadata": {"invocationId": commit, "startedOn": time.strftime("%Y-%m-%dT%H:%M:%SZ")},
            },
        },
    }
    json.dump(statement, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(*sys.argv[1:])
