//! First boot as a person does it: with a browser, the code from the screen, a keyboard.

use anyhow::{Context, Result, ensure};
use patronus_qemu::{Browser, Bus, Place, Screen};

use crate::story::{Api, PASSWORD, Router};

#[test]
fn a_person_finishes_first_boot_in_a_browser_and_a_reboot_keeps_it() -> Result<()> {
    let mut router = Router::from_firmware("browser", Bus::Virtio)?;
    let page = router.page()?;
    let code = router.claim_code()?;
    let mut browser = Browser::start(Screen::NOTEBOOK)?;
    let url = page.url();

    browser.open(&url)?;
    browser.wait_for_text("claim code")?;
    photograph(&mut browser, "1-claim-code")?;
    browser.fill("#code", "AAAAA-AAAAA")?;
    browser.press("Enter")?;
    browser.wait_for_text("not right")?;
    photograph(&mut browser, "2-wrong-code")?;
    // One attempt per second is taken.
    std::thread::sleep(std::time::Duration::from_secs(2));
    browser.fill("#code", &code)?;
    browser.press("Enter")?;
    browser.wait_for_text("set up this router")?;
    photograph(&mut browser, "3-form")?;

    browser.fill("#site", "office-zurich")?;
    browser.fill("#timezone", "Europe/Zurich")?;
    browser.fill("#password", "12345678")?;
    browser.fill("#password-again", "12345678")?;
    browser.click("form[action='/setup'] button[type=submit]")?;
    browser.wait_for_text("needs your attention")?;
    photograph(&mut browser, "4-weak-password")?;
    browser.set_screen(Screen::PHONE)?;
    photograph(&mut browser, "5-form-on-a-phone")?;
    ensure_no_sideways_scrolling(&mut browser)?;
    browser.set_screen(Screen::NOTEBOOK)?;

    browser.fill("#password", PASSWORD)?;
    browser.fill("#password-again", PASSWORD)?;
    browser.click("form[action='/setup'] button[type=submit]")?;
    browser
        .wait_for("the way into a network", "location.pathname === '/sites' && document.readyState === 'complete'")?;
    browser.open(&url)?;
    browser.wait_for_text("office-zurich")?;
    photograph(&mut browser, "6-status")?;
    browser.set_screen(Screen::PHONE)?;
    photograph(&mut browser, "7-status-on-a-phone")?;
    ensure_no_sideways_scrolling(&mut browser)?;
    let foreign: Vec<&String> = browser.requests().iter().filter(|asked| !asked.starts_with(&url)).collect();
    ensure!(foreign.iter().all(|asked| asked.starts_with("data:") || asked.starts_with("about:")), "{foreign:?}");
    router.guest.photograph(&Place::from_env().artefact("first-boot-screen.png")?)?;

    let configuration = Api::sign_in(&page)?.configuration()?;
    let mark = router.guest.console().mark();
    router.guest.press_ctrl_alt_del()?;
    let page = router.page_after(mark)?;
    ensure!(page.get("/setup/code")?.status == 404, "set-up is open again");
    assert_eq!(Api::sign_in(&page)?.configuration()?, configuration);
    Ok(())
}

#[test]
fn first_boot_works_with_the_keyboard_alone_and_without_scripts() -> Result<()> {
    let router = Router::direct("keyboard")?;
    let page = router.page()?;
    let code = router.claim_code()?;
    let mut browser = Browser::start(Screen::NOTEBOOK)?;
    browser.set_scripts(false)?;
    browser.open(&page.url())?;
    // The field has the focus from the start.
    browser.type_text(&code)?;
    browser.press("Enter")?;
    browser.wait_for_text("set up this router")?;
    for (field, text) in [("site", "keyboard"), ("password", PASSWORD), ("password-again", PASSWORD)] {
        tab_to(&mut browser, field)?;
        browser.type_text(text)?;
    }
    browser.press("Enter")?;
    browser.wait_for("the way into a network", "location.pathname === '/sites'")?;
    browser.wait_for_text("keyboard")?;
    photograph(&mut browser, "8-without-scripts")?;
    Ok(())
}

/// Presses Tab until the field has the focus; every stop on the way must be visible.
fn tab_to(browser: &mut Browser, field: &str) -> Result<()> {
    const STOPS_MAX: usize = 60;
    for _ in 0..STOPS_MAX {
        browser.press("Tab")?;
        let focus = browser.read("document.activeElement.id")?;
        if focus.as_str().context("no focus")? == field {
            return Ok(());
        }
    }
    anyhow::bail!("Tab does not lead to {field}")
}

fn ensure_no_sideways_scrolling(browser: &mut Browser) -> Result<()> {
    let overflow = browser.read("document.documentElement.scrollWidth - document.documentElement.clientWidth")?;
    ensure!(overflow.as_i64().is_some_and(|pixels| pixels <= 0), "the page is {overflow} pixels too wide for a phone");
    Ok(())
}

fn photograph(browser: &mut Browser, name: &str) -> Result<()> {
    browser.photograph(&Place::from_env().artefact(&format!("first-boot-{name}.png"))?)
}
