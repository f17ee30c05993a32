use super::*;

fn windows(parameters: WindowsParameters) -> Result<WindowsQuery, String> {
    parameters
        .query("census")
        .map_err(|problem| serde_json::to_value(&problem).unwrap()["detail"].to_string())
}

fn compare(current: &str, reference: Option<&str>, segment: Option<&str>) -> Result<CompareQuery, String> {
    let parameters = CompareParameters {
        current: Some(current.into()),
        reference: reference.map(str::to_owned),
        segment: segment.map(str::to_owned),
        ..CompareParameters::default()
    };
    parameters
        .query("census")
        .map_err(|problem| serde_json::to_value(&problem).unwrap()["detail"].to_string())
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn nothing_asked_is_everything_of_the_whole() {
    let query = windows(WindowsParameters::default()).unwrap();
    assert_eq!(
        query,
        WindowsQuery {
            model: ModelId::try_new("census").unwrap(),
            window: None,
            from: None,
            to: None,
            segment: SegmentFilter::Whole,
            version: None,
            limit: 100,
            cursor: None,
            latest: false,
        }
    );
}

#[test]
fn times_are_text_or_milliseconds() {
    let start = EventTime::parse("2026-01-01T10:00:00Z").unwrap();
    for from in
        ["2026-01-01T10:00:00Z", "1767261600000", "2026-01-01T12:00:00+02:00", "2026-01-01T12:00:00 02:00"]
    {
        let query = windows(WindowsParameters { from: text(from), ..WindowsParameters::default() });
        assert_eq!(query.map(|query| query.from), Ok(Some(start)), "{from}");
    }
}

#[test]
fn faults_name_parameter_value_and_what_is_accepted() {
    let faults = [
        (
            WindowsParameters { from: text("yesterday"), ..Default::default() },
            ["`from`", "yesterday", "RFC 3339"],
        ),
        (
            WindowsParameters { to: text("2026-01-01"), ..Default::default() },
            ["`to`", "2026-01-01", "RFC 3339"],
        ),
        (
            WindowsParameters { from: text("7"), to: text("7"), ..Default::default() },
            ["`to`", "1970", "after from"],
        ),
        (WindowsParameters { limit: text("0"), ..Default::default() }, ["`limit`", "\\\"0", "1 to 1000"]),
        (WindowsParameters { limit: text("1001"), ..Default::default() }, ["`limit`", "1001", "1 to 1000"]),
        (
            WindowsParameters { latest: text("maybe"), ..Default::default() },
            ["`latest`", "maybe", "true or false"],
        ),
        (WindowsParameters { segment: text("BE"), ..Default::default() }, ["`segment`", "BE", "tag=value"]),
        (WindowsParameters { segment: text("=BE"), ..Default::default() }, ["`segment`", "=BE", "tag=value"]),
    ];
    for (parameters, words) in faults {
        let detail = windows(parameters).unwrap_err();
        assert!(words.iter().all(|word| detail.contains(word)), "{words:?} in {detail}");
    }
    assert!(WindowsParameters::default().query("a b").is_err());
}

#[test]
fn segments_are_none_one_or_all() {
    let one = |tag: &str, value: &str| SegmentFilter::One { tag: tag.into(), value: value.into() };
    for (sent, segment) in [
        ("", SegmentFilter::Whole),
        ("*", SegmentFilter::Any),
        ("country=BE", one("country", "BE")),
        ("url=/?a=b", one("url", "/?a=b")),
        ("country=", one("country", "")),
    ] {
        let query = windows(WindowsParameters { segment: text(sent), ..Default::default() });
        assert_eq!(query.map(|query| query.segment), Ok(segment), "{sent}");
    }
}

#[test]
fn flags_may_stand_alone() {
    for (sent, latest) in [("", true), ("true", true), ("1", true), ("false", false), ("0", false)] {
        let query = windows(WindowsParameters { latest: text(sent), ..Default::default() });
        assert_eq!(query.map(|query| query.latest), Ok(latest), "{sent}");
    }
}

#[test]
fn periods_are_ranges_windows_or_the_reference() {
    let range =
        |from, to| Period::Range { from: EventTime::from_millis(from), to: EventTime::from_millis(to) };
    let query = compare("1000..2000", None, None).unwrap();
    assert_eq!((query.current, query.reference), (range(1_000, 2_000), ReferencePeriod::Reference));
    let query = compare("1h", Some("1970-01-01T00:00:00Z..1970-01-01T00:00:01Z"), Some("a=b")).unwrap();
    assert_eq!(query.current, Period::Window("1h".into()));
    assert_eq!(query.reference, ReferencePeriod::Period(range(0, 1_000)));
    assert_eq!(query.segment, SegmentFilter::One { tag: "a".into(), value: "b".into() });
    assert_eq!(compare("1h", Some("reference"), None).unwrap().reference, ReferencePeriod::Reference);
}

#[test]
fn periods_that_are_none_are_refused() {
    for current in ["", "..", "1..", "2000..1000", "5..5", "a..b"] {
        let detail = compare(current, None, None).unwrap_err();
        assert!(detail.contains("`current`"), "{current}: {detail}");
    }
    assert!(compare("1h", Some("x..y"), None).unwrap_err().contains("`reference`"));
    assert!(compare("1h", None, Some("*")).unwrap_err().contains("`segment`"));
    assert!(CompareParameters::default().query("census").is_err());
}
