"""Where things are: the project, the cache, what is built, and the peers' virtual environments."""

import glob
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
REQUIREMENTS = PROJECT / "bench" / "requirements"


class NotInstalled(Exception):
    """A peer cannot be had; says why."""


def cache():
    """DRIFTLINE_BENCH_CACHE, or a folder of the user's cache."""
    if named := os.environ.get("DRIFTLINE_BENCH_CACHE"):
        return Path(named).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "driftline-bench"


def peers():
    return sorted(path.stem for path in REQUIREMENTS.glob("*.txt"))


class Places:
    """What commands are made of."""

    def __init__(self, rows, release):
        self.cache = cache()
        self.data = str(self.cache / f"data-{rows}")
        self.release = release
        target = Path(os.environ.get("CARGO_TARGET_DIR") or "target")
        built = PROJECT / target / ("release" if release else "debug")
        self.driftline = str(built / "driftline")
        self.bench = str(built / "examples" / "bench")
        self.missing = {}

    def build(self):
        """Builds the binary and the measures. A smoke takes what the tests have built: the same packages together, or
        their dependencies would be built anew with other features."""
        chosen = ["--workspace", "--bins", "--examples"]
        if self.release:
            packages = ["--package", "driftline", "--package", "driftline-tests"]
            chosen = ["--release", *packages, "--bin", "driftline", "--example", "bench"]
        subprocess.run(["cargo", "build", "--quiet", *chosen], cwd=PROJECT, check=True)
        os.environ["DRIFTLINE_TEST_BINARY"] = self.driftline
        os.environ["DRIFTLINE_BENCH"] = self.bench

    def script(self, name):
        return str(PROJECT / "bench" / "peers" / name)

    def environment(self, peer):
        return self.cache / "venvs" / peer

    def python(self, peer):
        return str(self.environment(peer) / "bin" / "python")

    def is_installed(self, peer):
        made_of = self.environment(peer) / "made-of"
        return made_of.exists() and made_of.read_text() == digest(peer)

    def install(self, peer):
        """Makes a peer's environment, unless it is there; raises NotInstalled."""
        if self.is_installed(peer):
            return
        environment = self.environment(peer)
        shutil.rmtree(environment, ignore_errors=True)
        print(f"installing {peer} ...", file=sys.stderr)
        wanted = (REQUIREMENTS / f"{peer}.txt").read_text().split("\n", 1)[0].split()[2:]
        python = next(filter(None, map(find_python, wanted)), None)
        if python is None:
            raise NotInstalled(f"it needs Python {', '.join(wanted)}, and none of them was found")
        made = [python, "-m", "venv", str(environment)]
        requirements = str(REQUIREMENTS / f"{peer}.txt")
        pip = [self.python(peer), "-m", "pip", "--quiet", "--disable-pip-version-check"]
        install = [*pip, "install", "--requirement", requirements]
        for command in (made, install):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                said = (done.stderr or done.stdout).strip().splitlines()
                raise NotInstalled(said[-1] if said else f"{command[0]} failed")
        (environment / "made-of").write_text(digest(peer))

    def versions(self, peer):
        """What is in a peer's environment, as far as it matters."""
        freeze = [self.python(peer), "-m", "pip", "freeze", "--disable-pip-version-check"]
        found = subprocess.run(freeze, capture_output=True, text=True).stdout.splitlines()
        named = ("evidently", "nannyml", "whylogs", "scouter", "river", "numpy", "pandas", "polars", "pyarrow", "scipy")
        python = subprocess.run([self.python(peer), "--version"], capture_output=True, text=True).stdout.strip()
        return ", ".join([python, *(line.replace("==", " ") for line in found if line.startswith(named))])


def digest(peer):
    return hashlib.sha256((REQUIREMENTS / f"{peer}.txt").read_bytes()).hexdigest()


def find_python(version):
    """A Python of a version, such as 3.11: on the path, or of pyenv; None if there is none that runs."""
    root = os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv")
    found = sorted(glob.glob(f"{root}/versions/{version}.*/bin/python{version}"))
    for candidate in [shutil.which(f"python{version}"), *found]:
        runs = candidate and subprocess.run([candidate, "-c", "import venv, ensurepip"], capture_output=True)
        if runs and runs.returncode == 0:
            return candidate
    return None
