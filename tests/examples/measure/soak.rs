//! Ten minutes at 80 % of the capacity: memory has to stay flat.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use driftline_tests::process::ServiceProcess;

use crate::load::{MODEL, send};

/// Share of the capacity.
const LOAD: f64 = 0.8;
/// Until predictions leave as they come.
const WARM_UP: Duration = Duration::from_secs(120);
/// Long enough for many checkpoints and for what the store merges beside them: in half a minute more is taken than can be
/// kept up.
const CAPACITY: Duration = Duration::from_secs(120);
const SAMPLE_EVERY: Duration = Duration::from_secs(10);
/// The least of so many samples is what is kept: the rest is freed again.
const SAMPLES_A_MINUTE: usize = 6;
/// What memory may grow by in an hour, fitted over the second half: less than a leak of 20 bytes an event would show at a
/// thousand events a second.
const MAX_SLOPE_MIB_PER_HOUR: f64 = 64.0;

/// Runs it, and fails if memory grows.
pub(crate) async fn soak(seconds: u64) {
    // Caches that are full soon, and predictions that are known for two minutes, to tell repetitions: what grows once as
    // many leave as come is a leak.
    let mut service = ServiceProcess::new(&format!(
        "[state]\ncache_bytes = 4194304\n{MODEL}label_horizon = \"1m\"\nretention = \
         \"2m\"\nwindows = [{{ name = \"2m\", length = \"2m\", every = \"1m\" }}]\n"
    ));
    service.start().await;
    let next = Arc::new(AtomicU64::new(0));
    send(&service, &next, WARM_UP, u64::MAX, None).await;
    let capacity = send(&service, &next, CAPACITY, u64::MAX, None).await.rate();
    let rate = capacity * LOAD;
    println!("capacity {capacity:.0} events/s; {rate:.0} events/s for {seconds} s");
    let sending = tokio::spawn({
        let (api, next) = ((*service).clone(), Arc::clone(&next));
        async move { send(&api, &next, Duration::from_secs(seconds), u64::MAX, Some(rate)).await }
    });
    let started = Instant::now();
    let mut samples: Vec<(f64, f64)> = Vec::new();
    while !sending.is_finished() {
        let memory = service.memory("VmRSS") as f64 / f64::from(1 << 20);
        let at = started.elapsed().as_secs_f64();
        println!("{at:6.0} s  {memory:7.1} MiB");
        samples.push((at, memory));
        tokio::time::sleep(SAMPLE_EVERY).await;
    }
    let sent = sending.await.expect("sending does not panic");
    let second_half: Vec<(f64, f64)> =
        samples.into_iter().filter(|(at, _)| *at >= seconds as f64 / 2.0).collect();
    let kept: Vec<(f64, f64)> = second_half.chunks(SAMPLES_A_MINUTE).filter_map(least).collect();
    let slope = slope(&kept) * 3_600.0;
    println!(
        "{} events, {:.0} a second; a request took {:.1} ms (median), {:.1} ms (99 %); {} times 503; memory at most {} MiB, \
         what each minute kept {slope:+.1} MiB an hour over the second half, of {MAX_SLOPE_MIB_PER_HOUR} that it may grow",
        sent.events,
        sent.rate(),
        sent.quantile(0.5).as_secs_f64() * 1e3,
        sent.quantile(0.99).as_secs_f64() * 1e3,
        sent.busy,
        service.memory("VmHWM") >> 20,
    );
    service.stop();
    assert!(sent.rate() > 0.95 * rate, "the load was not kept up");
    assert!(slope <= MAX_SLOPE_MIB_PER_HOUR, "memory grows");
}

/// The sample of least memory.
fn least(samples: &[(f64, f64)]) -> Option<(f64, f64)> {
    samples.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1))
}

/// Least squares: how much `y` grows with `x`.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (sum_x, sum_y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let above: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let below: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if below > 0.0 { above / below } else { 0.0 }
}
