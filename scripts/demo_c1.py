"""Talks to the sandbox's C1 for the demo: queues a task, waits for its FinishTask and tells how it ended.

    demo_c1.py ADMIN task 'JSON'     one line on how it ended; the answer's members below; exit code 1 on an error answer
    demo_c1.py ADMIN upload ID       the file that the task ID uploaded
    demo_c1.py ADMIN violations      exit code 1 if the connector broke a rule of the protocol
"""

import json
import sys
import time
import urllib.request

WAIT_S = 120


# Straight to the sandbox, whatever proxy the environment names.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(url, data=None, headers=None):
    with OPENER.open(urllib.request.Request(url, data=data, headers=headers or {}), timeout=10) as answer:
        return answer.read().decode()


def call(admin, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    return json.loads(fetch(f"http://{admin}{path}", data, {"content-type": "application/json"}))


def received(admin, method, task_id):
    """The requests of a method for the task."""
    entries = call(admin, "/log")["entries"]
    return [e["request"] for e in entries if e["method"] == method and e["request"].get("taskId") == task_id]


def members(value, prefix=""):
    """Texts and numbers of an answer, one by one. What is encrypted is named, not printed."""
    for name, inner in value.items():
        if name == "@type" or name in HIDDEN:
            continue
        path = f"{prefix}{name}"
        if isinstance(inner, dict):
            yield from members(inner, f"{path}.")
        elif isinstance(inner, list):
            for at, one in enumerate(inner):
                if isinstance(one, dict):
                    yield from members(one, f"{path}[{at}].")
        elif name == "encryptedBytes":
            yield path, f"({len(inner)} characters of base64)"
        else:
            yield path, inner


SHOWN = ("id", "resource", "displayName", "provider", "encryptedBytes", "isCreateAccountResult")
HIDDEN = ("annotations", "profile", "entitlement", "principal")


def task(admin, body):
    (task_id,) = call(admin, "/tasks", body)["ids"]
    kind = next(iter(body))
    until = time.monotonic() + WAIT_S
    while not (finishes := received(admin, "FinishTask", task_id)):
        if time.monotonic() > until:
            sys.exit(f"C1: {kind} {task_id} was not finished in {WAIT_S} s")
        time.sleep(0.1)
    finish = finishes[0]
    print(f"task {task_id}", file=sys.stderr)
    if "error" in finish or "success" not in finish:
        status = finish.get("status", {})
        final = finish.get("error", {}).get("nonRetryable", False)
        again = "do not try again" if final else "may be tried again"
        print(f"C1 was answered: error {status.get('code')}, {status.get('message')} ({again})")
        return 1
    print(f"C1 was answered: {kind} succeeded")
    answer = finish["success"].get("response", {})
    for path, value in members(answer):
        if path.rsplit(".", 1)[-1] in SHOWN:
            print(f"  {path}  {value}")
    for note in finish["success"].get("annotations", []):
        print(f"  note  {note['@type'].rsplit('.', 1)[-1]}")
    return 0


def upload(admin, task_id):
    uploads = received(admin, "UploadAsset", task_id)
    if len(uploads) != 1:
        sys.exit(f"C1: {len(uploads)} uploads of task {task_id}, not one")
    print(uploads[0]["file"])
    return 0


def violations(admin):
    broken = call(admin, "/violations")
    for one in broken:
        print(f"  {one}")
    if broken:
        sys.exit(f"C1: {len(broken)} rules of the protocol were broken")
    print("C1 saw every rule of the protocol kept")
    return 0


def main():
    _, admin, command, *rest = sys.argv
    if command == "task":
        return task(admin, json.loads(rest[0]))
    if command == "upload":
        return upload(admin, rest[0])
    return violations(admin)


if __name__ == "__main__":
    sys.exit(main())
