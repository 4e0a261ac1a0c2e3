"""Measures syncs of one directory: ours and the connector on the Go SDK. Called by bench-go.sh.

The SDK runs a connector in two processes. Their processor time is added up, and so are the peaks of their memory.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request

PRESET, OURS, STACK, WORK = sys.argv[1:5]
ORIGIN = os.environ["BATON_PINGONE_BASE_URL"].removesuffix("/v1")
TICKS = os.sysconf("SC_CLK_TCK")
PAUSE = 0.01


def sandbox(path, data=None):
    request = urllib.request.Request(f"{ORIGIN}/sandbox/{path}", data=data)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def requests():
    """How many requests the sandbox was asked since the last reset."""
    return json.loads(sandbox("requests"))["total"]


def look(session, seen):
    """Notes processor time and peak memory of every process of a session."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
            if int(fields[3]) != session:
                continue
            with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
                peak = next((int(line.split()[1]) for line in file if line.startswith("VmHWM")), 0)
        except (OSError, IndexError):
            continue
        if peak:
            seen[pid] = ((int(fields[11]) + int(fields[12])) / TICKS, peak)


def measure(command):
    sandbox("requests/reset", b"")
    seen, log = {}, os.path.join(WORK, "log")
    with open(log, "wb") as file:
        begun = time.monotonic()
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
        while process.poll() is None:
            look(process.pid, seen)
            time.sleep(PAUSE)
        wall = time.monotonic() - begun
    if process.returncode != 0:
        with open(log, encoding="utf-8", errors="replace") as file:
            sys.exit(f"{command[0]} failed: {file.read()[-2000:]}")
    cpu = sum(cpu for cpu, _ in seen.values())
    return wall, cpu, sum(peak for _, peak in seen.values()) / 1e3, requests()


def runs():
    for engine in ("pebble", "sqlite"):
        yield f"ours, {engine}", engine, [
            OURS, "--pingone-rate-limit", "100000", "--log-level", "warn", "-o", "json", "--max-shrink-percent", "0",
        ]
    for workers in ("8", "0"):
        for engine in ("pebble", "sqlite"):
            yield f"Go, {workers} workers, {engine}", engine, [STACK, "--workers", workers, "--log-level", "error"]


def main():
    print(f"{PRESET:<24} {'wall s':>8} {'cpu s':>8} {'peak MB':>8} {'file MB':>8} {'requests':>9}   ratios to ours, pebble")
    first = None
    for name, engine, command in runs():
        file = os.path.join(WORK, "bench.c1z")
        if os.path.exists(file):
            os.remove(file)
        wall, cpu, peak, count = measure([*command, "--file", file, "--storage-engine", engine])
        row = (wall, cpu, peak, os.path.getsize(file) / 1e6, count)
        first = first or row
        ratios = " ".join(f"{mine / best:8.2f}" for mine, best in zip(row, first))
        print(f"{name:<24} {row[0]:8.2f} {row[1]:8.2f} {row[2]:8.1f} {row[3]:8.1f} {row[4]:9} {ratios}", flush=True)


main()
