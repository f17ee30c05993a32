//! Families of samples through prometheus-client's encoder.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;

use super::catalogue::{METRICS, MetricDoc, MetricKind};
use crate::Histogram;

/// Writes metrics of the catalogue.
#[derive(Debug)]
pub(crate) struct Writer<'a, 'e> {
    encoder: &'a mut DescriptorEncoder<'e>,
}

/// A metric's label names with a sample's values.
struct Labels<'a, const N: usize> {
    names: &'static [&'static str],
    values: [&'a str; N],
}

impl<const N: usize> EncodeLabelSet for Labels<'_, N> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.names
            .iter()
            .zip(self.values)
            .try_for_each(|(&name, value)| (name, value).encode(encoder.encode_label()))
    }
}

/// The metric of that name.
///
/// # Panics
/// If it is not in the catalogue, which is then wrong.
fn metric(name: &str) -> &'static MetricDoc {
    METRICS
        .iter()
        .find(|metric| metric.name == name)
        .unwrap_or_else(|| panic!("{name} is not in the catalogue"))
}

impl<'a, 'e> Writer<'a, 'e> {
    pub(crate) const fn new(encoder: &'a mut DescriptorEncoder<'e>) -> Self {
        Self { encoder }
    }

    /// A gauge that may be absent.
    pub(crate) fn gauge(&mut self, name: &str, value: impl Into<Option<f64>>) -> fmt::Result {
        self.gauges(metric(name), value.into().into_iter().map(|value| ([], value)))
    }

    /// Gauges with labels.
    pub(crate) fn labelled<'v, const N: usize>(
        &mut self,
        name: &str,
        samples: impl Iterator<Item = ([&'v str; N], f64)>,
    ) -> fmt::Result {
        self.gauges(metric(name), samples)
    }

    pub(crate) fn gauges<'v, const N: usize>(
        &mut self,
        metric: &MetricDoc,
        samples: impl Iterator<Item = ([&'v str; N], f64)>,
    ) -> fmt::Result {
        debug_assert_eq!(metric.kind, MetricKind::Gauge, "{}", metric.name);
        let mut samples = samples.peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let mut family = self.encoder.encode_descriptor(metric.name, metric.help, None, MetricType::Gauge)?;
        for (values, value) in samples {
            if metric.labels.is_empty() {
                family.encode_gauge(&value)?;
            } else {
                family.encode_family(&Labels { names: metric.labels, values })?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    /// Counters with labels. The encoder adds `_total` to their name.
    pub(crate) fn counters<'v, const N: usize>(
        &mut self,
        name: &str,
        samples: impl Iterator<Item = ([&'v str; N], f64)>,
    ) -> fmt::Result {
        let metric = metric(name);
        debug_assert_eq!(metric.kind, MetricKind::Counter, "{name}");
        let mut samples = samples.peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let name = metric.name.strip_suffix("_total").unwrap_or(metric.name);
        let mut family = self.encoder.encode_descriptor(name, metric.help, None, MetricType::Counter)?;
        for (values, value) in samples {
            if metric.labels.is_empty() {
                family.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
            } else {
                let labels = Labels { names: metric.labels, values };
                family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
            }
        }
        Ok(())
    }

    /// A counter without labels.
    pub(crate) fn counter(&mut self, name: &str, value: impl Into<Option<f64>>) -> fmt::Result {
        self.counters(name, value.into().into_iter().map(|value| ([], value)))
    }

    /// Histograms.
    pub(crate) fn histograms<'v, const N: usize>(
        &mut self,
        name: &str,
        samples: impl Iterator<Item = ([&'v str; N], &'v Histogram)>,
    ) -> fmt::Result {
        let metric = metric(name);
        debug_assert_eq!(metric.kind, MetricKind::Histogram, "{name}");
        let mut samples = samples.peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let mut family =
            self.encoder.encode_descriptor(metric.name, metric.help, None, MetricType::Histogram)?;
        for (values, histogram) in samples {
            let buckets: Vec<_> = histogram.buckets().collect();
            let (sum, count) = (histogram.sum(), histogram.count());
            if metric.labels.is_empty() {
                family.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
            } else {
                let labels = Labels { names: metric.labels, values };
                family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
            }
        }
        Ok(())
    }

    /// Facts as labels. The encoder adds `_info` to their name.
    pub(crate) fn info<const N: usize>(&mut self, name: &str, values: [&str; N]) -> fmt::Result {
        let metric = metric(name);
        debug_assert_eq!(metric.kind, MetricKind::Info, "{name}");
        let name = metric.name.strip_suffix("_info").unwrap_or(metric.name);
        let mut family = self.encoder.encode_descriptor(name, metric.help, None, MetricType::Info)?;
        family.encode_info(&Labels { names: metric.labels, values })
    }
}
