//! How Kafka is read.

use std::fmt;

use super::catalogue::{MetricDoc, MetricKind};
use super::writer::Writer;
use crate::snapshot::{KafkaFigures, PartitionFigures};

use MetricKind::{Counter, Gauge};

const fn doc(
    name: &'static str,
    kind: MetricKind,
    labels: &'static [&'static str],
    help: &'static str,
) -> MetricDoc {
    MetricDoc { name, kind, labels, help }
}

const PARTITION: &[&str] = &["topic", "partition"];

/// The metrics that [`write`] writes, where there is a `[kafka]` table.
pub(crate) const DOCS: &[MetricDoc] = &[
    doc("driftline_kafka_connected", Gauge, &[], "1 while a Kafka broker answers, else 0"),
    doc("driftline_kafka_paused", Gauge, &[], "1 while reading waits for the pipeline, else 0"),
    doc("driftline_kafka_assigned_partitions", Gauge, &[], "Partitions that are read here"),
    doc("driftline_kafka_position", Gauge, PARTITION, "Offset of the partition that is read next"),
    doc("driftline_kafka_lag", Gauge, PARTITION, "Messages of the partition that wait to be read"),
    doc(
        "driftline_kafka_behind_seconds",
        Gauge,
        PARTITION,
        "How long ago the last message that was read had been written; 0 when none waits",
    ),
    doc("driftline_kafka_messages_total", Counter, &["outcome"], "Messages by what became of them"),
    doc(
        "driftline_kafka_dead_letter_failures_total",
        Counter,
        &[],
        "Rejected messages that could not be written to the dead-letter topic",
    ),
    doc("driftline_kafka_rebalances_total", Counter, &[], "Changes of the partitions that are read here"),
    doc(
        "driftline_kafka_lost_partitions_total",
        Counter,
        &[],
        "Partitions that were taken away before they could be handed over",
    ),
    doc(
        "driftline_kafka_unconfirmed_handovers_total",
        Counter,
        &[],
        "Partitions handed over before a checkpoint had their rows, which may be counted twice",
    ),
    doc(
        "driftline_kafka_gap_messages_total",
        Counter,
        &[],
        "Messages that were deleted before they were read",
    ),
    doc("driftline_kafka_resets_total", Counter, &[], "Partitions whose log was not the one read before"),
    doc("driftline_kafka_commits_total", Counter, &[], "Commits of group offsets"),
    doc("driftline_kafka_commit_failures_total", Counter, &[], "Commits of group offsets that failed"),
];

type OfPartition = (&'static str, fn(&PartitionFigures) -> Option<f64>);

const PARTITION_GAUGES: &[OfPartition] = &[
    ("driftline_kafka_position", |of| Some(of.position? as f64)),
    ("driftline_kafka_lag", |of| Some(of.lag? as f64)),
    ("driftline_kafka_behind_seconds", |of| of.behind_seconds),
];

pub(crate) fn write(writer: &mut Writer<'_, '_>, figures: &KafkaFigures) -> fmt::Result {
    writer.gauge("driftline_kafka_connected", f64::from(u8::from(figures.connected)))?;
    writer.gauge("driftline_kafka_paused", f64::from(u8::from(figures.paused)))?;
    writer.gauge("driftline_kafka_assigned_partitions", figures.partitions.len() as f64)?;
    for (name, get) in PARTITION_GAUGES {
        let samples = figures
            .partitions
            .iter()
            .filter_map(|of| Some(([of.topic.as_str(), of.partition.as_str()], get(of)?)));
        writer.labelled(name, samples)?;
    }
    let messages = figures.messages.iter().map(|&(outcome, count)| ([outcome], count as f64));
    writer.counters("driftline_kafka_messages_total", messages)?;
    for &(name, count) in &figures.counts {
        writer.counter(name, count as f64)?;
    }
    Ok(())
}
