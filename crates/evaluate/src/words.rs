//! Numbers as a person reads them.

/// Three significant digits, or all of a whole part, thousands apart: `84,137`, `52.1`, `0.0312`, `1.25e-9`.
pub(crate) fn number(value: f64) -> String {
    // The next number above zero is a cut point: it says "from zero on, without it".
    if value.abs() < f64::MIN_POSITIVE {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    let magnitude = value.abs().log10().floor();
    if !(-4.0..15.0).contains(&magnitude) {
        return format!("{value:.2e}");
    }
    let decimals = (2.0 - magnitude).max(0.0) as usize;
    let text = format!("{value:.decimals$}");
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text.as_str() };
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::from(sign);
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match fraction {
        Some(fraction) => format!("{grouped}.{fraction}"),
        None => grouped,
    }
}

/// A share in percent: `12 %`, `0.4 %`, `<0.1 %`.
pub(crate) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent != 0.0 && percent.abs() < 0.1 {
        return "<0.1 %".to_owned();
    }
    let tenths = (10.0 * percent).round() / 10.0;
    if tenths.abs() < 10.0 && tenths.fract() != 0.0 {
        format!("{tenths:.1} %")
    } else {
        format!("{tenths:.0} %")
    }
}

/// A length of time by its two greatest units: `2 d 3 h`, `1 h`, `5 min`, `30 s`.
pub(crate) fn length(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    let units = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let first = units.iter().position(|(_, each)| seconds >= *each).unwrap_or(3);
    let (name, each) = units[first];
    let mut text = format!("{} {name}", seconds / each);
    if let Some((name, smaller)) = units.get(first + 1)
        && seconds % each >= *smaller
    {
        text.push_str(&format!(" {} {name}", seconds % each / smaller));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_exact_where_they_are_whole() {
        let texts =
            [84_137.0, 84_137.4, -1_234_567.0, 52.14, 5.0, 0.031_24, 1.25e-9, 0.0, 999.96].map(number);
        assert_eq!(texts, ["84,137", "84,137", "-1,234,567", "52.1", "5", "0.0312", "1.25e-9", "0", "1,000"]);
    }

    #[test]
    fn shares_are_percents() {
        assert_eq!(
            [0.123, 0.004, 0.0001, 0.0, 1.0, 0.05, -0.2].map(percent),
            ["12 %", "0.4 %", "<0.1 %", "0 %", "100 %", "5 %", "-20 %"]
        );
    }

    #[test]
    fn lengths_have_two_units() {
        assert_eq!(
            [93_784.0, 3_600.0, 300.0, 30.0, 0.0].map(length),
            ["1 d 2 h", "1 h", "5 min", "30 s", "0 s"]
        );
    }
}
