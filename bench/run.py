"""Measures Driftline beside its peers and the machine's bare limits: see bench/README.md."""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time

import machine
import results
from cases import CASES, FULL, SMOKE, SMOKE_DIGEST
from figures import Figures
from places import PROJECT, NotInstalled, Places, peers

RESULTS = PROJECT / "bench" / "RESULTS.md"
# Seconds that one run of one contender may take.
LONGEST = 3_600


def parse():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    names = [case.name for case in CASES]
    shown = f"all, and then {RESULTS.name} is written, without any: {', '.join(names)}"
    parser.add_argument("cases", nargs="*", metavar="CASE", help=shown)
    parser.add_argument("--runs", type=int, default=5, help="how often each is measured (5)")
    smoke = "everything once, small and unoptimised, to see that it works; of peers, those that are installed"
    parser.add_argument("--smoke", action="store_true", help=smoke)
    parser.add_argument("--no-peers", action="store_true", help="Driftline and the bare limits alone")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(names):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    return arguments


class Failed(Exception):
    """Something that was run did not end well."""


def run(contender, places, size, runs, figures):
    """Runs a command and reads its figures."""
    command = contender.command(places, size, runs)
    environment = {**os.environ, **contender.environment}
    if command[0] == places.driftline:
        # There they would be settings.
        environment = {key: value for key, value in environment.items() if not key.startswith("DRIFTLINE_")}
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT, env=environment)
    late = threading.Timer(LONGEST, process.kill)
    late.start()
    said = [line for line in process.stdout if not figures.read(line)]
    # In place of Popen.wait: this tells the memory too.
    _, status, usage = os.wait4(process.pid, 0)
    late.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    if process.returncode != 0:
        sys.stderr.write("".join(said))
        raise Failed(f"`{contender.name}` ended with {process.returncode} after {seconds:.0f} s")
    if contender.wall:
        figures.add(contender.wall, seconds, "s")
    if contender.memory:
        figures.add(contender.memory, usage.ru_maxrss * 1_024 / 1e6, "MB")


def measure(case, places, size, runs, failures):
    """All contenders by turns, so that what disturbs the machine for a while disturbs all of them. One that fails is told
    of, and left out from there on."""
    figures = Figures()
    left_out = set()
    for number in range(runs):
        for place, contender in enumerate(case.contenders):
            if contender.peer in places.missing or place in left_out or (contender.repeats and number > 0):
                continue
            started = time.monotonic()
            try:
                run(contender, places, size, runs, figures)
            except Failed as failure:
                left_out.add(place)
                failures[f"{case.name}: {contender.name}"] = str(failure)
                print(f"error: {failure}", file=sys.stderr)
            took = time.monotonic() - started
            print(f"{case.name} {number + 1}/{runs}: {contender.name}: {took:.0f} s", file=sys.stderr)
    return figures


def digest_of(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def main():
    arguments = parse()
    cases = [case for case in CASES if not arguments.cases or case.name in arguments.cases]
    size, runs = (SMOKE, 1) if arguments.smoke else (FULL, arguments.runs)
    places = Places(size["rows"], release=not arguments.smoke)
    facts = machine.facts()
    started = time.monotonic()
    places.build()
    wanted = {contender.peer for case in cases for contender in case.contenders} & set(peers())
    for peer in sorted(wanted):
        try:
            if arguments.no_peers or (arguments.smoke and not places.is_installed(peer)):
                raise NotInstalled("it was not asked for")
            places.install(peer)
        except NotInstalled as why:
            places.missing[peer] = str(why)
            print(f"without {peer}: {why}", file=sys.stderr)
    if arguments.smoke:
        shutil.rmtree(places.data, ignore_errors=True)
    prepare = [places.bench, "prepare", places.data, str(size["rows"])]
    subprocess.run(prepare, cwd=PROJECT, check=True, stdout=sys.stderr)
    failures, figures = {}, {}
    if arguments.smoke and (found := digest_of(f"{places.data}/current.ndjson")) != SMOKE_DIGEST:
        failures["data"] = f"the rows are not what they were (SMOKE_DIGEST): {found}"
        print(f"error: {failures['data']}", file=sys.stderr)
    for case in cases:
        figures[case.name] = measure(case, places, size, runs, failures)
    seconds = time.monotonic() - started
    if arguments.smoke:
        print(f"{len(cases)} cases ran in {seconds:.0f} s, {len(failures)} failures")
    elif arguments.cases:
        print(results.targets(cases, figures))
        print("\n".join(results.case(case, figures[case.name]) for case in cases))
    else:
        versions = {peer: places.versions(peer) for peer in sorted(wanted) if peer not in places.missing}
        page = results.page(cases, figures, facts, versions, {**places.missing, **failures}, seconds)
        RESULTS.write_text(page)
        print(page)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
