use std::error::Error;

use super::*;

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

#[test]
fn spans_are_read() {
    let span = |text: &str| text.parse::<ScheduledScenario>().map(|span| (span.scenario, span.from, span.to));
    assert_eq!(
        span("covariate-shift@60s..120s"),
        Ok((Scenario::CovariateShift, seconds(60), Some(seconds(120))))
    );
    assert_eq!(span("unit-change@1m 30s..1h"), Ok((Scenario::UnitChange, seconds(90), Some(seconds(3600)))));
    assert_eq!(
        span("bad-segment@500ms..2s"),
        Ok((Scenario::BadSegment, Duration::from_millis(500), Some(seconds(2))))
    );
    assert_eq!(span("traffic-drop@10s.."), Ok((Scenario::TrafficDrop, seconds(10), None)));
    assert_eq!(span("traffic-drop@..10s"), Ok((Scenario::TrafficDrop, seconds(0), Some(seconds(10)))));
    assert_eq!(span("concept-drift"), Ok((Scenario::ConceptDrift, seconds(0), None)));
}

#[test]
fn what_cannot_be_read_says_what_and_how_to_write_it() {
    let message = |text: &str| text.parse::<ScheduledScenario>().unwrap_err().to_string();
    assert_eq!(
        message("covariate-shift@60s"),
        "\"covariate-shift@60s\" does not say from when to when: write covariate-shift@60s..120s"
    );
    assert!(message("covarate-shift@1s..2s").starts_with("there is no scenario \"covarate-shift\""));
    assert_eq!(message("unit-change@2s..1s"), "\"unit-change@2s..1s\" ends before it has begun");
    assert_eq!(message("unit-change@2s..2s"), "\"unit-change@2s..2s\" ends before it has begun");
    for offset in ["60", "s", "-1s", "1e300s", "99999999999999999999999h"] {
        let error = format!("unit-change@{offset}..").parse::<ScheduledScenario>().unwrap_err();
        assert_eq!(
            (error.to_string(), error.source().unwrap().to_string()),
            (
                format!("\"unit-change@{offset}..\" has no time since the start of the run"),
                format!("{offset:?} is not a length of time; write it like 15s, 5m, 1h 30m or 7d")
            )
        );
    }
}

#[test]
fn a_schedule_is_a_list_of_spans_and_half_open() {
    let schedule: Schedule = "covariate-shift@1s..3s, bad-segment@2s..".parse().unwrap();
    let active = |s| schedule.active(seconds(s));
    assert_eq!(active(0), []);
    assert_eq!(active(1), [Scenario::CovariateShift]);
    assert_eq!(active(2), [Scenario::CovariateShift, Scenario::BadSegment]);
    assert_eq!(active(3), [Scenario::BadSegment]);
    assert_eq!("".parse(), Ok(Schedule::default()));
}

#[test]
fn what_is_written_is_read_back() {
    let schedule: Schedule = "covariate-shift@1s 500ms..3s,bad-segment@120s..,unit-change".parse().unwrap();
    assert_eq!(schedule.to_string(), "covariate-shift@1s 500ms..3s,bad-segment@2m..,unit-change@0s..");
    assert_eq!(schedule.to_string().parse(), Ok(schedule.clone()));
    let json = serde_json::to_string(&schedule).unwrap();
    assert_eq!(json, r#"["covariate-shift@1s 500ms..3s","bad-segment@2m..","unit-change@0s.."]"#);
    assert_eq!(serde_json::from_str::<Schedule>(&json).unwrap(), schedule);
    let error = serde_json::from_str::<Schedule>(r#"["unit-change@x"]"#).unwrap_err().to_string();
    assert!(error.contains("does not say from when to when"), "{error}");
}
