#!/usr/bin/env python3
"""Breaks the rules of tests/mutants.toml in a copy of the sources, one after the other: the test of each must fail for its reason.

--check looks only whether each mutant still fits the sources and whether each script of c1-protocol.md section 20 has one. Words
choose mutants by their test's name.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
SCRIPTS = ROOT / "tests/it/service/script.rs"


def check(mutants):
    """What does not fit."""
    wrong = []
    for mutant in mutants:
        count = (ROOT / mutant["file"]).read_text().count(mutant["from"])
        if count != 1:
            wrong.append(f"{mutant['test']}: its text stands {count} times in {mutant['file']}")
    tests = {mutant["test"].rsplit("::")[-1] for mutant in mutants}
    scripts = set(re.findall(r"pub async fn (s\d\d_\w+)", SCRIPTS.read_text()))
    wrong += [f"{name}: no mutant" for name in sorted(scripts - tests)]
    return wrong


def copy(to):
    """The sources as they are, without what git ignores."""
    shutil.rmtree(to, ignore_errors=True)
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


def run(sources, test):
    """Whether the test passed, and what was printed."""
    command = ["cargo", "test", "--locked", "--workspace", "--test", "it", "--", "--exact", test]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET), "CARGO_PROFILE_DEV_DEBUG": "0", "RUST_BACKTRACE": "0"}
    done = subprocess.run(
        command, cwd=sources, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode == 0, done.stdout


def verdict(sources, mutant):
    """None if the mutant was caught, else what went wrong."""
    path = sources / mutant["file"]
    text = path.read_text()
    path.write_text(text.replace(mutant["from"], mutant["to"]))
    try:
        passed, output = run(sources, mutant["test"])
    finally:
        path.write_text(text)
    if passed:
        return "the test passed"
    if "test result: FAILED. 0 passed; 1 failed" not in output:
        return "it did not run:\n" + output[-2000:]
    told = output[output.find("stdout ----") :]
    if not re.search(mutant["reason"], told):
        return "it failed for another reason:\n" + told[:2000]
    return None


def main():
    mutants = tomllib.loads((ROOT / "tests/mutants.toml").read_text())["mutant"]
    wrong = check(mutants)
    if wrong or "--check" in sys.argv:
        sys.exit("\n".join(wrong) or None)
    words = sys.argv[1:]
    chosen = [mutant for mutant in mutants if not words or any(word in mutant["test"] for word in words)]
    sources = TARGET / "mutants"
    copy(sources)
    missed = 0
    for mutant in chosen:
        wrong = verdict(sources, mutant)
        print(f"{mutant['test']}: {wrong or 'caught'}", flush=True)
        missed += wrong is not None
    print(f"{len(chosen) - missed} of {len(chosen)} mutants were caught")
    sys.exit(1 if missed or not chosen else 0)


if __name__ == "__main__":
    main()
