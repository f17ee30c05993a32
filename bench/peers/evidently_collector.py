"""Evidently's collector: it buffers rows over HTTP, and is told to compute nothing."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time

os.environ["DO_NOT_TRACK"] = "1"

import peer

# Rows of a request, as Driftline is sent them.
ROWS = 1_000


def serve(folder, port):
    from evidently.legacy.collector.app import run
    from evidently.legacy.collector.config import CollectorConfig, CollectorServiceConfig, ReportConfig, RowsCountTrigger
    from evidently.legacy.options.base import Options

    report = ReportConfig(metrics=[], tests=[], options=Options(), metadata={}, tags=[])
    never = RowsCountTrigger(rows_count=1_000_000_000)
    collector = CollectorConfig(id="bench", trigger=never, report_config=report, project_id="bench")
    path = f"{folder}/collector.json"
    CollectorServiceConfig(collectors={"bench": collector}).save(path)
    run(port=port, config_path=path)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait(server, port):
    for _ in range(600):
        assert server.poll() is None, "the collector ended"
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the collector did not start within a minute")


def main():
    folder, options = peer.arguments()
    count = int(options["rows"])
    with tempfile.TemporaryDirectory() as space:
        # As its own client writes a table: a dictionary of columns, each a dictionary of rows.
        table = peer.read(folder, "current")[:count]
        with open(f"{space}/bodies", "w") as bodies:
            for first in range(0, count, ROWS):
                some = table[first : first + ROWS].reset_index(drop=True)
                bodies.write(json.dumps(some.to_dict()) + "\n")
        del table
        port = free_port()
        with open(f"{space}/log", "w") as log:
            command = [sys.executable, __file__, "serve", space, str(port)]
            server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait(server, port)
            send = [os.environ["DRIFTLINE_BENCH"], "send", space, f"address=127.0.0.1:{port}", "path=/bench/data"]
            subprocess.run([*send, f"batch={ROWS}", "name=evidently.collector"], check=True)
        except Exception:
            print(open(f"{space}/log").read()[-4_000:], file=sys.stderr)
            raise
        finally:
            server.kill()
            server.wait()


if sys.argv[1] == "serve":
    serve(sys.argv[2], int(sys.argv[3]))
else:
    main()
