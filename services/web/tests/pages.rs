//! The pages of the network as a person meets them: in a real browser, with a keyboard, on a phone, without scripts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use patronus_qemu::{Browser, Place, Screen};
use support::{ADDRESS, Stand, boxes::with_two_boxes, lan_of};

/// A browser in the box's LAN.
struct Person<'s> {
    browser: Browser,
    stand: &'s Stand,
    name: &'static str,
}

impl<'s> Person<'s> {
    fn start(stand: &'s Stand, name: &'static str) -> Self {
        Self { browser: Browser::start(Screen::NOTEBOOK).unwrap(), stand, name }
    }

    fn open(&mut self, path: &str) {
        self.browser.open(&format!("https://{ADDRESS}{path}")).unwrap();
    }

    fn sees(&mut self, text: &str) {
        self.browser.wait_for_text(text).unwrap();
    }

    fn click(&mut self, selector: &str) {
        self.browser.click(selector).unwrap();
    }

    fn submit(&mut self, action: &str) {
        self.click(&format!("form[action='{action}'] button[type=submit]"));
    }

    /// A picture for people, on both screens; nothing may stick out at the side of a phone.
    fn photograph(&mut self, name: &str) {
        for (screen, place) in [(Screen::PHONE, "phone"), (Screen::NOTEBOOK, "notebook")] {
            self.browser.set_screen(screen).unwrap();
            let wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
            let pixels = self.browser.read(wide).unwrap().as_i64().unwrap();
            assert!(pixels <= 0, "{name} is {pixels} pixels too wide for a {place}");
            let picture = Place::from_env().artefact(&format!("{}-{name}-{place}.png", self.name)).unwrap();
            self.browser.photograph(&picture).unwrap();
        }
    }

    /// First boot up to the form.
    fn give_code(&mut self) {
        self.open("/");
        self.browser.fill("#code", &self.stand.claim_code().unwrap()).unwrap();
        self.browser.press("Enter").unwrap();
        self.sees("set up this router");
    }

    fn fill_form(&mut self, site: &str) {
        self.browser.fill("#site", site).unwrap();
        for field in ["#password", "#password-again"] {
            self.browser.fill(field, support::PASSWORD).unwrap();
        }
    }
}

#[test]
fn a_person_creates_a_network_and_another_joins_it_without_scripts() {
    with_two_boxes(
        |stand, tokens| {
            let token = tokens.recv().unwrap();
            let mut person = Person::start(stand, "second");
            person.browser.set_scripts(false).unwrap();
            person.give_code();
            person.fill_form("branch-lyon");
            person.click("input[name=network][value=join]");
            person.photograph("1-form");
            person.browser.fill("#token", &token).unwrap();
            person.submit("/setup");
            person.sees("such as 192.168.43.1/24");
            person.photograph("2-other-lan");
            person.fill_form("branch-lyon");
            person.browser.fill("#lan-address", &lan_of(2)).unwrap();
            person.submit("/setup");
            person.browser.wait_for("the sites", "location.pathname === '/sites'").unwrap();
            person.photograph("3-joined");
            let done = tokens.recv();
            assert!(done.is_err(), "the first box is done");
        },
        |stand, token| {
            let mut person = Person::start(stand, "first");
            person.give_code();
            person.fill_form("hq-chicago");
            person.submit("/setup");
            person.sees("in no network yet");
            person.photograph("1-no-network");
            person.submit("/network/key");
            person.sees("Save the recovery key");
            person.click("details summary");
            person.photograph("2-recovery-key");
            person.click("#saved");
            person.submit("/network/create");
            person.sees("1 of 1 active");
            person.photograph("3-alone");
            person.open("/sites/tokens");
            person.submit("/sites/tokens");
            person.sees("As a QR code");
            person.click("details summary");
            person.photograph("4-token");
            let text = person.browser.read("document.querySelector('#made').value").unwrap();
            token.send(text.as_str().unwrap().to_owned()).unwrap();
            person.open("/sites");
            person.sees("2 of 2 active");
            person.photograph("5-sites");
            person.click("tbody tr:first-child a");
            person.sees("Member since");
            person.photograph("6-site");
            person.open("/paths");
            person.sees("1 of 1 up");
            person.photograph("7-paths");
            for (page, words) in [
                ("topology", "1 of 1 other sites"),
                ("policy", "voip"),
                ("forwards", "Add one"),
                ("events", "Path up"),
                ("firewall", "Sources that nobody has"),
            ] {
                person.open(&format!("/{page}"));
                person.sees(words);
                person.photograph(&format!("7-{page}"));
            }
            person.open("/paths");
            person.sees("0 to 0");
            let path =
                person.browser.read("document.querySelector('table.paths tbody a').getAttribute('href')").unwrap();
            person.open(path.as_str().unwrap());
            person.sees("Test now");
            person.submit("/paths/test");
            person.sees("Test again");
            person.photograph("7-path-test");
            person.open("/");
            person.sees("2 of 2 active");
            person.photograph("8-status");
            person.open("/sites/tokens");
            person.sees("used");
            person.photograph("9-tokens");
            person.open("/sites");
            person.click("tbody tr:first-child a");
            person.sees("Revoke this site");
            person.click("a[href^='/sites/revoke']");
            person.sees("for ever");
            person.photograph("10-revoke");
        },
    );
}
