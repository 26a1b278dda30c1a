//! The status block: what the machine is, where its page is, and while it belongs to nobody, how to claim it.
//!
//! *Does*: lay out text and a QR code; each line that tests read begins with `patronus: `.
//! *Never does*: I/O.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Console".

use std::fmt::Write;

use patronus_ipc::init::{ConsoleFacts, Slot};
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

use super::printable;
use crate::uki::slot_letter;

/// At most this many addresses are shown.
const URLS_MAX: usize = 8;
/// Longest text of a field; a fingerprint has 95 bytes.
const FIELD_BYTES_MAX: usize = 128;

/// What the machine says of itself.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Version of the image.
    pub version: String,
    /// The slot that runs.
    pub slot: Option<Slot>,
}

/// The facts, of which nothing is larger than what can be shown.
pub(super) fn capped(mut facts: ConsoleFacts) -> ConsoleFacts {
    facts.urls.truncate(URLS_MAX);
    let options = [&mut facts.site, &mut facts.claim_code].into_iter().flatten();
    for text in facts.urls.iter_mut().chain(options).chain([&mut facts.fingerprint]) {
        text.truncate(text.floor_char_boundary(FIELD_BYTES_MAX));
    }
    facts
}

/// The whole block.
pub(super) fn render(identity: &Identity, facts: &ConsoleFacts) -> String {
    let mut text = String::from("\n");
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "patronus: {label} {}", printable(value));
    };
    line("version", &identity.version);
    if let Some(slot) = identity.slot {
        line("slot", &slot_letter(slot).to_string());
    }
    if let Some(site) = &facts.site {
        line("site", site);
    }
    for url in &facts.urls {
        line("page", url);
    }
    line("fingerprint SHA256", &facts.fingerprint);
    if let Some(code) = &facts.claim_code {
        line("claim code", code);
        if let Some(picture) = facts.urls.first().and_then(|url| qr(url, code)) {
            text.push_str(&picture);
        }
    }
    text.push('\n');
    text
}

/// The address that fills in the code by itself; it stands behind `#`, which browsers do not send.
fn qr(url: &str, code: &str) -> Option<String> {
    let link = format!("{}/setup#code={code}", url.trim_end_matches('/'));
    let code = QrCode::with_error_correction_level(link, EcLevel::L).ok()?;
    // Light on dark is what a console is; scanners want the picture dark on light.
    let picture = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    Some(picture + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> ConsoleFacts {
        ConsoleFacts {
            site: None,
            urls: vec!["https://192.168.42.1/".into()],
            fingerprint: "AA:BB".into(),
            claim_code: Some("ABCDE-FGHJK".into()),
        }
    }

    fn shown(facts: &ConsoleFacts) -> String {
        render(&Identity { version: "0.1.0".into(), slot: Some(Slot::A) }, facts)
    }

    #[test]
    fn an_unclaimed_box_shows_where_and_how_to_claim_it() {
        let text = shown(&facts());
        for line in [
            "patronus: version 0.1.0\n",
            "patronus: slot a\n",
            "patronus: page https://192.168.42.1/\n",
            "patronus: fingerprint SHA256 AA:BB\n",
            "patronus: claim code ABCDE-FGHJK\n",
            "█",
        ] {
            assert!(text.contains(line), "{line}");
        }
    }

    #[test]
    fn a_claimed_box_shows_its_site_and_no_code() {
        let text = shown(&ConsoleFacts { site: Some("Lyon".into()), claim_code: None, ..facts() });
        assert!(text.contains("patronus: site Lyon\n"));
        assert!(!text.contains("claim code") && !text.contains('█'));
    }

    #[test]
    fn no_text_of_a_service_can_move_the_cursor() {
        let text = shown(&ConsoleFacts { site: Some("\x1b[2Jx\n".into()), ..facts() });
        assert!(text.contains("patronus: site ?[2Jx?\n"));
    }

    #[test]
    fn addresses_stop_at_the_limit() {
        for (given, wanted) in [(URLS_MAX, URLS_MAX), (URLS_MAX + 1, URLS_MAX)] {
            let facts = ConsoleFacts { urls: vec!["https://x/".into(); given], ..facts() };
            assert_eq!(shown(&capped(facts)).matches("patronus: page ").count(), wanted);
        }
    }

    #[test]
    fn a_field_at_the_limit_is_whole_and_one_byte_more_is_cut() {
        for given in [FIELD_BYTES_MAX, FIELD_BYTES_MAX + 1] {
            let text = "x".repeat(given);
            let facts = capped(ConsoleFacts {
                site: Some(text.clone()),
                urls: vec![text.clone()],
                fingerprint: text.clone(),
                claim_code: Some(text),
            });
            let (site, code) = (facts.site.unwrap(), facts.claim_code.unwrap());
            assert!([site, code, facts.fingerprint, facts.urls[0].clone()].iter().all(|x| x.len() == FIELD_BYTES_MAX));
        }
    }

    #[test]
    fn the_block_fits_a_screen_of_eighty_columns() {
        assert!(shown(&facts()).lines().all(|line| line.chars().count() < 80));
    }
}
