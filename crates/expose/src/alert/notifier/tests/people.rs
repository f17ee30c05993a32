//! Sinks that people read: one message an incident, and quiet hours.

use super::*;

#[tokio::test]
async fn people_are_told_of_an_incident_once_and_as_it_is() {
    let receiver = Receiver::start([Answer::With(503, "retry-after", "1".into())]).await;
    let bench = Bench::start(&sink("chat", "slack", &receiver.url, ""));
    bench.notify(1, "chat", &opened());
    receiver.requests(1).await;
    bench.notify(2, "chat", &Arc::new(event(EventAction::Updated, at("10:30"))));
    bench.notify(3, "chat", &other("other", EventAction::Opened, AlertSeverity::Major, at("10:40")));
    bench.notify(4, "chat", &resolved());
    let told = bench.until_told(4).await;
    assert_eq!(told.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 4, 3]);
    assert_eq!(bench.sink("chat").delivered, 4);
    let bodies = receiver.bodies();
    assert_eq!(bodies.len(), 3, "{bodies:#?}");
    let text = bodies[1].to_string();
    assert!(text.contains("Resolved, was critical: churn"), "{text}");
    let note = "Since the last message: opened 2026-01-05 10:00 UTC, then updated 2026-01-05 10:30 UTC, then \
                resolved 2026-01-05 12:30 UTC.";
    assert!(text.contains(note), "{text}");
    assert!(bodies[2].to_string().contains("Major alert: churn"), "{:#}", bodies[2]);
}

const NIGHT: &str = "quiet_hours = { from = \"22:00\", to = \"07:00\" }";

#[tokio::test]
async fn minor_alerts_wait_for_the_end_of_quiet_hours_unless_they_are_over() {
    let receiver = Receiver::start([]).await;
    let bench = Bench::start(&sink("chat", "discord", &receiver.url, NIGHT));
    *bench.clock.lock().unwrap() = at("23:00");
    let minor = |id: &str, action| other(id, action, AlertSeverity::Minor, at("23:00"));
    bench.notify(1, "chat", &minor("stays", EventAction::Opened));
    bench.notify(2, "chat", &minor("passes", EventAction::Opened));
    bench.notify(3, "chat", &minor("of the day", EventAction::Resolved));
    bench.notify(4, "chat", &other("grave", EventAction::Opened, AlertSeverity::Critical, at("23:00")));
    assert_eq!(bench.until_told(1).await, [(4, Delivery::Delivered)]);
    // It opened and ended in the night: nobody hears of it.
    bench.notify(5, "chat", &minor("passes", EventAction::Resolved));
    assert_eq!(bench.until_told(3).await[1..], [(2, Delivery::Delivered), (5, Delivery::Delivered)]);
    assert_eq!(receiver.seen().len(), 1);
    let snapshot = bench.sink("chat");
    assert_eq!((snapshot.dropped, snapshot.delivered, snapshot.waiting), (2, 1, 2));
    // It grew: now everybody is to know.
    bench.notify(6, "chat", &minor("grows", EventAction::Opened));
    bench.notify(7, "chat", &other("grows", EventAction::Updated, AlertSeverity::Critical, at("23:30")));
    bench.until_told(5).await;
    assert_eq!(receiver.seen().len(), 2);
    *bench.clock.lock().unwrap() = at("07:00");
    // Whatever comes wakes the task; by itself it looks again when quiet hours should be over.
    bench.notify(8, "chat", &other("grave", EventAction::Resolved, AlertSeverity::Critical, at("23:00")));
    bench.until_told(8).await;
    assert_eq!(receiver.seen().len(), 5);
}

#[tokio::test]
async fn a_test_is_sent_in_quiet_hours_too() {
    let receiver = Receiver::start([]).await;
    let bench = Bench::start(&sink("chat", "teams", &receiver.url, NIGHT));
    *bench.clock.lock().unwrap() = at("23:00");
    bench.notify(1, "chat", &other("trial", EventAction::Test, AlertSeverity::Minor, at("23:00")));
    bench.until_told(1).await;
    assert_eq!(receiver.seen().len(), 1);
}
