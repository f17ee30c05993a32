"""Host: the machines, by node-exporter. Each panel is one resource, as use first and as trouble after."""

from dashboard import Layout, annotation, as_json, job_and_instance, link
from figures import OURS
from panels import CRITICAL, MAJOR, MINOR, UNKNOWN, fixed, override, stat, targets, thresholds, timeseries

DISKS = f'{OURS}, fstype!~"tmpfs|ramfs|squashfs|overlay|iso9660"'
CARDS = f'{OURS}, device!~"lo|veth.*|docker.*|br-.*|cali.*"'
DRIVES = f'{OURS}, device!~"loop.*|ram.*|zram.*|dm-.*"'
FULL = thresholds((0.8, MINOR), (0.9, CRITICAL))

CPU = f'1 - avg by (instance) (rate(node_cpu_seconds_total{{{OURS}, mode="idle"}}[$__rate_interval]))'
MEMORY = f"1 - node_memory_MemAvailable_bytes{{{OURS}}} / node_memory_MemTotal_bytes{{{OURS}}}"
DISK = f"1 - max by (instance, mountpoint) (node_filesystem_avail_bytes{{{DISKS}}}) / max by (instance, mountpoint) (node_filesystem_size_bytes{{{DISKS}}})"
LOAD = f'node_load5{{{OURS}}} / on (job, instance) count by (job, instance) (node_cpu_seconds_total{{{OURS}, mode="idle"}})'


def now(layout):
    for title, description, expr in (
        ("CPU", "Share of the time that the busiest machine's cores are not idle.", f"max({CPU})"),
        ("Memory", "Share of the memory that is not available, of the fullest machine.", f"max({MEMORY})"),
        ("Disk", "Share of the fullest file system that is used.", f"max({DISK})"),
    ):
        layout.add(stat(title, description, "percentunit", expr, decimals=0, steps=FULL), 5, 4)
    layout.add(
        stat(
            "Load",
            "Processes that run or wait to, over five minutes, for each core.",
            "short",
            f"max({LOAD})",
            decimals=2,
            steps=thresholds((1, MINOR), (2, CRITICAL)),
        ),
        5,
        4,
    )
    layout.add(
        stat("Booted", "When the youngest machine started.", "dateTimeFromNow", f"1000 * max(node_boot_time_seconds{{{OURS}}})", graph=False),
        4,
        4,
    )


def processor(layout):
    modes = f'sum by (mode) (rate(node_cpu_seconds_total{{{OURS}, mode!="idle"}}[$__rate_interval]))'
    layout.add(
        timeseries("CPU", "Share of the time that each machine's cores are not idle.", "percentunit", targets((CPU, "{{instance}}")), low=0, high=1),
        8,
        8,
    )
    layout.add(
        timeseries("CPU by mode", "Cores that are busy, by what with. Steal is time that the host gave to others.", "short", targets((modes, "{{mode}}")), low=0, decimals=2, stacked=True),
        8,
        8,
    )
    cores = f'count by (instance) (node_cpu_seconds_total{{{OURS}, mode="idle"}})'
    layout.add(
        timeseries(
            "Load",
            "Processes that run or wait to, over one and five minutes, and the cores there are.",
            "short",
            targets((f"node_load1{{{OURS}}}", "{{instance}}: 1 min"), (f"node_load5{{{OURS}}}", "{{instance}}: 5 min"), (cores, "{{instance}}: cores")),
            low=0,
            fill=0,
            overrides=[override("/cores/", fixed(UNKNOWN), regexp=True)],
        ),
        8,
        8,
    )


def memory(layout):
    layout.add(
        timeseries("Memory", "Share of the memory that is not available.", "percentunit", targets((MEMORY, "{{instance}}")), low=0, high=1),
        8,
        8,
    )
    parts = [
        (f"sum(node_memory_MemTotal_bytes{{{OURS}}}) - sum(node_memory_MemAvailable_bytes{{{OURS}}})", "used"),
        (f"sum(node_memory_Cached_bytes{{{OURS}}}) + sum(node_memory_Buffers_bytes{{{OURS}}})", "cache"),
        (f"sum(node_memory_MemFree_bytes{{{OURS}}})", "free"),
    ]
    layout.add(
        timeseries("Memory in bytes", "Memory in use, as cache of files, and free. Cache is given up when memory is short.", "bytes", targets(*parts), low=0, fill=0),
        8,
        8,
    )
    layout.add(
        timeseries(
            "Paging",
            "Pages read from and written to swap a second. More than a few for long: memory is short.",
            "ops",
            targets(
                (f"rate(node_vmstat_pswpin{{{OURS}}}[$__rate_interval])", "{{instance}}: in"),
                (f"rate(node_vmstat_pswpout{{{OURS}}}[$__rate_interval])", "{{instance}}: out"),
            ),
            low=0,
        ),
        8,
        8,
    )


def disk(layout):
    layout.add(
        timeseries(
            "Disk space",
            "Share of each file system that is used. Driftline answers 507 and pauses Kafka when its own is full.",
            "percentunit",
            targets((DISK, "{{instance}} {{mountpoint}}")),
            low=0,
            high=1,
            steps=thresholds((0.8, MAJOR), (0.9, CRITICAL), base="transparent"),
        ),
        6,
        8,
    )
    layout.add(
        timeseries(
            "Free inodes",
            "Share of each file system's inodes that are free.",
            "percentunit",
            targets((f"node_filesystem_files_free{{{DISKS}}} / (node_filesystem_files{{{DISKS}}} > 0)", "{{instance}} {{mountpoint}}")),
            low=0,
            high=1,
        ),
        6,
        8,
    )
    layout.add(
        timeseries(
            "Disk traffic",
            "Bytes read from and written to each drive.",
            "Bps",
            targets(
                (f"rate(node_disk_read_bytes_total{{{DRIVES}}}[$__rate_interval])", "{{instance}} {{device}}: read"),
                (f"rate(node_disk_written_bytes_total{{{DRIVES}}}[$__rate_interval])", "{{instance}} {{device}}: written"),
            ),
            low=0,
        ),
        6,
        8,
    )
    layout.add(
        timeseries(
            "Disk busy",
            "Share of the time that each drive was at work.",
            "percentunit",
            targets((f"rate(node_disk_io_time_seconds_total{{{DRIVES}}}[$__rate_interval])", "{{instance}} {{device}}")),
            low=0,
        ),
        6,
        8,
    )


def network(layout):
    layout.add(
        timeseries(
            "Network traffic",
            "Bytes received and sent by each interface.",
            "Bps",
            targets(
                (f"rate(node_network_receive_bytes_total{{{CARDS}}}[$__rate_interval])", "{{instance}} {{device}}: received"),
                (f"rate(node_network_transmit_bytes_total{{{CARDS}}}[$__rate_interval])", "{{instance}} {{device}}: sent"),
            ),
            low=0,
        ),
        12,
        8,
    )
    layout.add(
        timeseries(
            "Network errors",
            "Packets with errors or dropped, received and sent. Any for long is worth a look.",
            "pps",
            targets(
                (
                    f"sum by (instance) (rate(node_network_receive_errs_total{{{CARDS}}}[$__rate_interval]) + "
                    f"rate(node_network_receive_drop_total{{{CARDS}}}[$__rate_interval]))",
                    "{{instance}}: received",
                ),
                (
                    f"sum by (instance) (rate(node_network_transmit_errs_total{{{CARDS}}}[$__rate_interval]) + "
                    f"rate(node_network_transmit_drop_total{{{CARDS}}}[$__rate_interval]))",
                    "{{instance}}: sent",
                ),
            ),
            low=0,
        ),
        12,
        8,
    )


def dashboard():
    layout = Layout()
    for title, add in (("Now", now), ("Processor", processor), ("Memory", memory), ("Disk", disk), ("Network", network)):
        layout.row(title)
        add(layout)
    alerts = annotation(
        "Prometheus alerts",
        'ALERTS{alertstate="firing", tier="host"}',
        "red",
        title="{{alertname}}",
        text="{{severity}} {{instance}}",
        tags="severity",
    )
    return as_json(
        "driftline-host",
        "Driftline / Host",
        "The machines that Driftline and its neighbours run on, by node-exporter.",
        layout,
        variables=job_and_instance("node_uname_info"),
        annotations=[alerts],
        links=[link("Fleet", "driftline-fleet"), link("Driftline's own health", "driftline-service")],
        time="now-1h",
    )
