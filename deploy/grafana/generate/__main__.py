"""Writes dashboards/*.json: `python3 deploy/grafana/generate`. With --check nothing is written, and what is stale is
told. Python's standard library is all it needs."""

import json
import pathlib
import sys

import driftline
import fleet
import host
import model

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "dashboards"
DASHBOARDS = {"fleet": fleet, "model": model, "driftline": driftline, "host": host}


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    stale = []
    for name, module in DASHBOARDS.items():
        text = json.dumps(module.dashboard(), indent=2, ensure_ascii=False) + "\n"
        path = FOLDER / f"{name}.json"
        if check:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(path.name)
        else:
            path.write_text(text, encoding="utf-8")
    if stale:
        print(f"stale: {', '.join(stale)}; run `python3 deploy/grafana/generate` and commit what changed")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
