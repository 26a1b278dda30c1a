//! Small pieces that several pages use.

use maud::{Markup, html};

/// How a state is coloured; its name is always there in words too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Warn,
    Bad,
    Calm,
}

impl Tone {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Calm => "calm",
        }
    }
}

/// A state in a word, with a coloured dot.
pub(super) fn badge(tone: Tone, text: &str) -> Markup {
    html! { span.badge.(tone.class()) { (text) } }
}

/// Whether a cable is live.
pub(super) fn carrier(is_up: bool, speed_mbps: Option<u32>) -> Markup {
    match (is_up, speed_mbps) {
        (true, Some(speed)) => badge(Tone::Good, &format!("Connected, {}", rate(speed))),
        (true, None) => badge(Tone::Good, "Connected"),
        (false, _) => badge(Tone::Calm, "No cable"),
    }
}

fn rate(mbps: u32) -> String {
    if mbps >= 1000 && mbps.is_multiple_of(100) {
        format!("{} Gb/s", f64::from(mbps) / 1000.0)
    } else {
        format!("{mbps} Mb/s")
    }
}

/// One name with its value.
pub(super) fn fact(name: &str, value: impl maud::Render) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// Several values on lines of their own, or a dash.
pub(super) fn list(values: &[String]) -> Markup {
    html! {
        @if values.is_empty() { span.none { "none" } }
        @for value in values { span.value { (value) } " " }
    }
}

/// So many of a thing.
pub(super) fn count(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// In place of a page whose service has not answered; `comfort` says what goes on without it.
pub(super) fn silent_service(title: &str, service: &str, comfort: &str) -> Markup {
    html! {
        div.headline { h1 { (title) } }
        (message(Tone::Warn, &format!("The {service} service does not answer"), html! {
            p { "It is restarted by itself. " (comfort) "Load this page again in a few seconds." }
        }))
    }
}

/// A message box; errors are announced at once, others when there is time.
pub(super) fn message(tone: Tone, title: &str, body: Markup) -> Markup {
    let role = if tone == Tone::Bad { "alert" } else { "status" };
    html! { div.message.(tone.class()) role=(role) { p.title { (title) } (body) } }
}

/// Seconds as people say them: the two largest units.
pub(super) fn duration(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let first = units.iter().position(|(size, _)| seconds >= *size).unwrap_or(3);
    let mut rest = seconds;
    let mut words = Vec::new();
    for (size, name) in units.iter().skip(first).take(2) {
        let count = rest / size;
        rest %= size;
        if count > 0 || words.is_empty() {
            words.push(format!("{count} {name}"));
        }
    }
    words.join(" ")
}

/// Bytes as people say them.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut amount = count as f64;
    let mut unit = UNITS.iter();
    let mut name = unit.next();
    while amount >= 1024.0 {
        let Some(larger) = unit.next() else { break };
        (amount, name) = (amount / 1024.0, Some(larger));
    }
    let digits = usize::from(amount < 10.0 && count >= 1024);
    format!("{amount:.digits$} {}", name.unwrap_or(&"B"))
}

/// A point in time in the site's zone.
pub(super) fn moment(unix_s: i64, timezone: &str) -> String {
    let zone = jiff::tz::TimeZone::get(timezone).unwrap_or(jiff::tz::TimeZone::UTC);
    match jiff::Timestamp::from_second(unix_s) {
        Ok(timestamp) => timestamp.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
        Err(_) => "unknown".to_owned(),
    }
}

/// A labelled field with hint and error.
pub(super) fn field(name: &str, label: &str, hint: Option<&str>, error: Option<&String>, input: Markup) -> Markup {
    html! {
        div.field.wrong[error.is_some()] {
            label for=(name) { (label) }
            @if let Some(hint) = hint { p.hint id={ (name) "-hint" } { (hint) } }
            @if let Some(error) = error { p.error id={ (name) "-error" } { (error) } }
            (input)
        }
    }
}

/// Ids of the texts that describe a field, for `aria-describedby`.
pub(super) fn described_by(name: &str, has_hint: bool, has_error: bool) -> Option<String> {
    let ids = [has_error.then(|| format!("{name}-error")), has_hint.then(|| format!("{name}-hint"))];
    let ids: Vec<String> = ids.into_iter().flatten().collect();
    (!ids.is_empty()).then(|| ids.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_say_them() {
        assert_eq!(duration(0), "0 s");
        assert_eq!(duration(61), "1 min 1 s");
        assert_eq!(duration(90_000), "1 d 1 h");
        assert_eq!(duration(86_400), "1 d");
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(64 * 1024 * 1024), "64 MiB");
        assert_eq!(rate(2500), "2.5 Gb/s");
        assert_eq!(rate(100), "100 Mb/s");
        assert_eq!(moment(0, "Europe/Zurich"), "1970-01-01 01:00:00 CET");
    }
}
