"""How long tasks take besides their work: C1's sandbox hands them out one after the other (task-concurrency 1).

    task_figures.py ADMIN METRICS_URL     PingOne's sandbox is in the environment, as for the daemon
"""

import base64
import json
import os
import sys
import time

from demo_c1 import WAIT_S, call, fetch

COUNT = 100


class PingOne:
    """Reads the ids that the tasks name."""

    def __init__(self):
        env = os.environ
        pair = f"{env['BATON_PINGONE_CLIENT_ID']}:{env['BATON_PINGONE_CLIENT_SECRET']}"
        basic = base64.b64encode(pair.encode()).decode()
        environment = env["BATON_PINGONE_ENVIRONMENT_ID"]
        answer = fetch(
            f"{env['BATON_PINGONE_AUTH_URL']}/{environment}/as/token",
            b"grant_type=client_credentials",
            {"authorization": f"Basic {basic}", "content-type": "application/x-www-form-urlencoded"},
        )
        self.token = json.loads(answer)["access_token"]
        self.base = f"{env['BATON_PINGONE_BASE_URL']}/v1/environments/{environment}"

    def list(self, kind):
        answer = fetch(f"{self.base}/{kind}?limit={COUNT}", headers={"authorization": f"Bearer {self.token}"})
        return json.loads(answer)["_embedded"][kind]


def grant(group, user):
    return {
        "grant": {
            "entitlement": {
                "id": f"group:{group}:member",
                "slug": "member",
                "resource": {"id": {"resourceType": "group", "resource": group}},
            },
            "principal": {"id": {"resourceType": "user", "resource": user}},
        }
    }


def pingone_seconds(metrics_url):
    """What the daemon waited for PingOne, all requests together."""
    lines = fetch(metrics_url).splitlines()
    name = "baton_ping_one_pingone_request_duration_seconds_sum"
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def run(admin, bodies):
    """Milliseconds from the poll that took a task to its FinishTask, task by task, and how many succeeded."""
    ids = {task_id for body in bodies for task_id in call(admin, "/tasks", body)["ids"]}
    until = time.monotonic() + WAIT_S
    while True:
        took, good = [], 0
        for entry in call(admin, "/log")["entries"]:
            request = entry["request"]
            if entry["method"] == "GetTask":
                poll = entry["at_us"]
            elif entry["method"] == "FinishTask" and request["taskId"] in ids:
                took.append((entry["at_us"] - poll) / 1000)
                good += "success" in request
        if len(took) == len(ids):
            break
        if time.monotonic() > until:
            sys.exit(f"{len(took)} of {len(ids)} tasks were finished in {WAIT_S} s")
        time.sleep(0.5)
    return sorted(took), good


def line(what, took, rest=""):
    mean, worst = sum(took) / len(took), took[-1]
    print(f"{what}: mean {mean:.2f} ms, 95th of 100 {took[len(took) * 95 // 100]:.2f} ms, longest {worst:.2f} ms{rest}")
    return mean


def main():
    _, admin, metrics_url = sys.argv
    pingone = PingOne()
    special = {"userFilter", "sourceType", "population"}
    group = next(group["id"] for group in pingone.list("groups") if not special & group.keys())
    users = [user["id"] for user in pingone.list("users")][:COUNT]
    status = {"actionStatus": {"name": "enable_user", "id": "none"}}
    took, _ = run(admin, [status] * COUNT)
    line("poll to FinishTask of a task without work", took)
    before = pingone_seconds(metrics_url)
    took, good = run(admin, [grant(group, user) for user in users])
    waited = (pingone_seconds(metrics_url) - before) * 1000 / len(took)
    mean = line(f"poll to FinishTask of a grant ({good} of {len(took)} succeeded)", took)
    print(f"  of which PingOne's answers {waited:.2f} ms; over them {mean - waited:.2f} ms")


main()
