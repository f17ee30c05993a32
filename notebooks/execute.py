"""Executes every notebook of this folder from a clean kernel; see `run`."""

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent
# Outputs are read on the web and kept in the history: they stay small.
MOST_BYTES = 1_000_000


def execute(path):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(FOLDER)}},
    )
    started = time.monotonic()
    client.execute()
    print(f"{path.name}: {len(notebook.cells)} cells in {time.monotonic() - started:.0f} s", flush=True)
    # What depends on the machine is no part of the file.
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {}
    return notebook


def has_outputs(path):
    cells = nbformat.read(path, as_version=4).cells
    return any(cell.outputs for cell in cells if cell.cell_type == "code")


def main():
    write = sys.argv[1:] == ["--write"]
    if not write and sys.argv[1:]:
        raise SystemExit("there is only --write")
    for path in sorted(FOLDER.glob("*.ipynb")):
        notebook = execute(path)
        if write:
            nbformat.write(notebook, path)
        elif not has_outputs(path):
            raise SystemExit(f"{path.name} is stored without its outputs; run notebooks/run --write")
    size = sum(path.stat().st_size for path in FOLDER.glob("*.ipynb"))
    if size > MOST_BYTES:
        raise SystemExit(f"the notebooks have {size} bytes, more than {MOST_BYTES}; make the plots smaller")


main()
