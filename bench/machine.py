"""What the measurements were made on."""

import os
import platform
import subprocess
import tempfile
from datetime import datetime, timezone

from places import PROJECT


def said_by(*command):
    try:
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def first(path, key):
    """The first value of a key in a file of /proc."""
    try:
        with open(path) as lines:
            found = [line.split(":", 1)[1].strip() for line in lines if line.split(":", 1)[0].strip() == key]
    except OSError:
        return "unknown"
    return found[0] if found else "unknown"


def facts():
    """Name and value of each fact."""
    memory = first("/proc/meminfo", "MemTotal").split()[0]
    space = tempfile.gettempdir()
    changed = " with changes" if said_by("git", "status", "--porcelain", "--untracked-files=no") else ""
    return {
        "Date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "Machine": f"{first('/proc/cpuinfo', 'model name')}, {len(os.sched_getaffinity(0))} cores, "
        f"{int(memory) / 2**20 if memory.isdigit() else 0:.0f} GiB",
        "Kernel": f"{platform.system()} {platform.release()}",
        "Disk": f"{said_by('stat', '--file-system', '--format=%T', space)} at {space}",
        "Load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "Driftline": f"{said_by('git', 'rev-parse', '--short=12', 'HEAD')}{changed}",
        "Compiler": said_by("rustc", "--version"),
    }
