"""What the chart says about metrics, alerts and findings, compared with what is written elsewhere.

usage: chart_metrics.py rules FOLDER RENDERED        write alerts.yaml and dashboard.yaml for promtool
       chart_metrics.py metrics DOC RENDERED         every metric used is in DOC
       chart_metrics.py shown DOC RENDERED           every metric of DOC is in an alert or on the dashboard, whose panels lie apart
       chart_metrics.py runbook DOC RENDERED         every alert and Event reason has its heading in DOC
       chart_metrics.py findings LIST CHECKOV.json   checkov's findings are the listed ones, at most four
"""

import json
import pathlib
import re
import sys

import yaml

EVENTS = pathlib.Path(__file__).parent.parent / "src/k8s/events.rs"
# A panel of their own would show nothing that another does not.
NOT_SHOWN = {"process_virtual_memory_bytes", "process_max_fds", "process_start_time_seconds", "process_threads"}
SUFFIX = re.compile(r"_(bucket|sum|count)$")


def documents(path):
    return [doc for doc in yaml.safe_load_all(pathlib.Path(path).read_text()) if doc]


def event_reasons():
    """Every reason that the program gives its Events."""
    body = re.search(r"fn reason\(&self\).*?\n    }\n", EVENTS.read_text(), re.DOTALL)
    found = re.findall(r'=> "([A-Z][A-Za-z0-9]*)",', body[0] if body else "")
    if len(found) < 6:
        sys.exit(f"chart_metrics: {EVENTS} has {len(found)} reasons; its text has another form now")
    return found


def alert_spec(path):
    specs = [doc["spec"] for doc in documents(path) if doc["kind"] == "PrometheusRule"]
    if len(specs) != 1:
        sys.exit(f"chart_metrics: {path} has {len(specs)} PrometheusRules, want 1")
    return specs[0]


def alerts(path):
    return [rule for group in alert_spec(path)["groups"] for rule in group["rules"]]


def dashboard_panels(path):
    texts = [text for doc in documents(path) for name, text in (doc.get("data") or {}).items() if name.endswith(".json")]
    return [panel for text in texts for panel in json.loads(text)["panels"]]


def dashboard_queries(path):
    found = [target["expr"] for panel in dashboard_panels(path) for target in panel.get("targets", [])]
    if not found:
        sys.exit(f"chart_metrics: {path} has no dashboard")
    return found


def write_rules(folder, rendered):
    spec = alert_spec(rendered)
    for group in spec["groups"]:
        for rule in group["rules"]:
            # A label that this rendering adds to every alert would have to be repeated in each unit test.
            rule["labels"].pop("team", None)
    pathlib.Path(folder, "alerts.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    records = [
        {"record": f"query_{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, query in enumerate(dashboard_queries(rendered))
    ]
    text = yaml.safe_dump({"groups": [{"name": "dashboard", "rules": records}]})
    pathlib.Path(folder, "dashboard.yaml").write_text(text)


def used_metrics(rendered):
    text = " ".join([rule["expr"] for rule in alerts(rendered)] + dashboard_queries(rendered))
    return sorted(set(re.findall(r"\b(?:baton_ping_one|process)_[a-z0-9_]+\b", text)))


def check_metrics(doc, rendered):
    written = set(re.findall(r"\b[a-z][a-z0-9_]+\b", pathlib.Path(doc).read_text()))
    lacking = [name for name in used_metrics(rendered) if name not in written and SUFFIX.sub("", name) not in written]
    if lacking:
        sys.exit(f"chart_metrics: not in {doc}: {', '.join(lacking)}")


def check_shown(doc, rendered):
    listed = set(re.findall(r"^\| `(\w+)` \|", pathlib.Path(doc).read_text(), re.MULTILINE))
    used = {name for found in used_metrics(rendered) for name in (found, SUFFIX.sub("", found))}
    lacking = sorted(listed - used - NOT_SHOWN)
    if lacking or not listed:
        sys.exit(f"chart_metrics: in no alert and on no panel: {', '.join(lacking)}")
    taken = {}
    for panel in dashboard_panels(rendered):
        at = panel["gridPos"]
        cells = [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
        over = {taken[cell] for cell in cells if cell in taken}
        if over or at["x"] + at["w"] > 24:
            sys.exit(f"chart_metrics: the panel {panel['title']} lies over {', '.join(over) or 'the edge'}")
        taken.update(dict.fromkeys(cells, panel["title"]))


def check_runbook(doc, rendered):
    headings = re.findall(r"^#+ (\w+)$", pathlib.Path(doc).read_text(), re.MULTILINE)
    wrong = []
    for rule in alerts(rendered):
        anchor = rule["annotations"]["runbook_url"].rpartition("#")[2]
        if rule["alert"] not in headings or anchor != rule["alert"].lower():
            wrong.append(rule["alert"])
    wrong += [reason for reason in event_reasons() if reason not in headings]
    known = {rule["alert"] for rule in alerts(rendered)}
    wrong += [name for name in headings if name.startswith("BatonPingOne") and name not in known]
    if wrong:
        sys.exit(f"chart_metrics: no heading in {doc}, or one too many: {', '.join(wrong)}")


def check_findings(listed, scored):
    lines = pathlib.Path(listed).read_text().splitlines()
    reasons = {line.split()[0]: line.split(None, 2)[2] for line in lines if line and not line.startswith("#")}
    result = json.loads(pathlib.Path(scored).read_text())
    found = {}
    for finding in result["results"]["failed_checks"]:
        found.setdefault(finding["check_id"], finding["check_name"])
    summary = result["summary"]
    print(f"checkov: {summary['passed']} passed, {summary['failed']} failed, {summary['skipped']} skipped")
    for check, name in sorted(found.items()):
        print(f"{check} {name}: {reasons.get(check, 'NO REASON GIVEN')}")
    if summary["failed"] > 4 or summary["passed"] < 50 or set(found) != set(reasons):
        sys.exit("chart_metrics: the findings are not the listed ones, or more than four")


if __name__ == "__main__":
    ACTIONS = {"rules": write_rules, "metrics": check_metrics, "shown": check_shown, "runbook": check_runbook, "findings": check_findings}
    ACTIONS[sys.argv[1]](*sys.argv[2:])
