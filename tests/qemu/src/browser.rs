//! A real browser without a screen, driven as a person would: open, type, press keys, read, look.
//!
//! *Does*: one Chromium with a profile of its own, one tab, over the DevTools protocol.
//! *Never does*: reach into the page's code to make something happen that a person could not; scripts are used to read.
//! *Spec*: Chrome DevTools Protocol 1.3, domains Target, Page, Runtime, Input, Emulation, Network.

mod protocol;

use std::{
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use serde_json::{Value, json};

use protocol::Connection;

/// Between two looks at the page.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// An emulated guest hashes passwords slowly.
const PAGE_LIMIT: Duration = Duration::from_secs(60);

/// What the page is looked at with.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Width in CSS pixels.
    pub width: u32,
    /// Height in CSS pixels.
    pub height: u32,
    /// Whether it is a phone: touch, mobile viewport.
    pub mobile: bool,
}

impl Screen {
    /// A notebook.
    pub const NOTEBOOK: Self = Self { width: 1280, height: 800, mobile: false };
    /// A small phone.
    pub const PHONE: Self = Self { width: 360, height: 740, mobile: true };
}

/// A browser with one tab. Ends with its value.
#[derive(Debug)]
pub struct Browser {
    connection: Connection,
}

impl Browser {
    /// Starts a browser that accepts the self-signed certificate of the page.
    ///
    /// # Errors
    /// If Chromium is not installed or does not start.
    pub fn start(screen: Screen) -> Result<Self> {
        let connection = Connection::open()?;
        let mut browser = Self { connection };
        for domain in ["Page", "Runtime", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}))?;
        }
        browser.set_screen(screen)?;
        Ok(browser)
    }

    /// Changes the screen.
    ///
    /// # Errors
    /// If the browser is gone, as for every method here.
    pub fn set_screen(&mut self, screen: Screen) -> Result<()> {
        let Screen { width, height, mobile } = screen;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.call("Emulation.setDeviceMetricsOverride", &metrics)?;
        self.call("Emulation.setTouchEmulationEnabled", &json!({ "enabled": mobile })).map(drop)
    }

    /// Switches scripts of the page on or off, from the next page on.
    ///
    /// # Errors
    /// If the browser is gone.
    pub fn set_scripts(&mut self, on: bool) -> Result<()> {
        self.call("Emulation.setScriptExecutionDisabled", &json!({ "value": !on })).map(drop)
    }

    /// Opens an address and waits until the page is loaded. When the network has changed meanwhile, it is asked for again, as a browser with
    /// a window does by itself.
    ///
    /// # Errors
    /// If the page cannot be loaded.
    pub fn open(&mut self, url: &str) -> Result<()> {
        let deadline = Instant::now() + PAGE_LIMIT;
        loop {
            let answer = self.call("Page.navigate", &json!({ "url": url }))?;
            match answer.get("errorText").and_then(Value::as_str) {
                None => break,
                Some("net::ERR_NETWORK_CHANGED") if Instant::now() < deadline => {}
                Some(error) => bail!("{url} cannot be opened: {error}"),
            }
        }
        self.wait_for("the page to load", "document.readyState === 'complete'")
    }

    /// Waits until an expression is true.
    ///
    /// # Errors
    /// If it does not become true in time; the message has the page's text.
    pub fn wait_for(&mut self, what: &str, expression: &str) -> Result<()> {
        let deadline = Instant::now() + PAGE_LIMIT;
        loop {
            // While a page is being replaced there is nothing to ask.
            if self.read(expression).is_ok_and(|value| value == json!(true)) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let text = self.text().unwrap_or_default();
                bail!("waited for {what} in vain; the page {} says:\n{text}", self.address().unwrap_or_default());
            }
            sleep(LOOK_EVERY);
        }
    }

    /// Waits until the page shows a text, in whatever case.
    ///
    /// # Errors
    /// As [`Self::wait_for`].
    pub fn wait_for_text(&mut self, text: &str) -> Result<()> {
        let wanted = json!(text.to_lowercase());
        self.wait_for(&format!("{text:?}"), &format!("document.body.innerText.toLowerCase().includes({wanted})"))
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// If it throws.
    pub fn read(&mut self, expression: &str) -> Result<Value> {
        let arguments = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", &arguments)?;
        if let Some(details) = answer.get("exceptionDetails") {
            bail!("{expression}: {details}");
        }
        Ok(answer.pointer_mut("/result/value").map(Value::take).unwrap_or_default())
    }

    /// The page's visible text.
    ///
    /// # Errors
    /// If there is no page.
    pub fn text(&mut self) -> Result<String> {
        Ok(self.read("document.body.innerText")?.as_str().unwrap_or_default().to_owned())
    }

    /// The page's address.
    ///
    /// # Errors
    /// If there is no page.
    pub fn address(&mut self) -> Result<String> {
        Ok(self.read("location.href")?.as_str().unwrap_or_default().to_owned())
    }

    /// Puts the cursor into a field, replaces what is there, and types.
    ///
    /// # Errors
    /// If there is no such field.
    pub fn fill(&mut self, selector: &str, text: &str) -> Result<()> {
        self.focus(selector)?;
        self.read(&format!("document.querySelector({}).select?.()", json!(selector)))?;
        self.type_text(text)
    }

    /// Types into whatever has the focus.
    ///
    /// # Errors
    /// If the browser is gone.
    pub fn type_text(&mut self, text: &str) -> Result<()> {
        self.call("Input.insertText", &json!({ "text": text })).map(drop)
    }

    /// Moves the keyboard focus.
    ///
    /// # Errors
    /// If there is no such element, or it cannot have the focus.
    pub fn focus(&mut self, selector: &str) -> Result<()> {
        let quoted = json!(selector);
        let has = self.read(&format!(
            "(() => {{ const e = document.querySelector({quoted}); e?.focus(); return e !== null && document.activeElement === e; }})()"
        ))?;
        anyhow::ensure!(has == json!(true), "{selector} is not there or cannot have the focus");
        Ok(())
    }

    /// Clicks into the middle of an element.
    ///
    /// # Errors
    /// If there is no such element, or it is not visible.
    pub fn click(&mut self, selector: &str) -> Result<()> {
        let middle = self.read(&format!(
            "(() => {{ const e = document.querySelector({}); e?.scrollIntoView({{block: 'center', behavior: 'instant'}}); \
             const r = e?.getBoundingClientRect(); return r && r.width ? {{x: r.x + r.width / 2, y: r.y + r.height / 2}} : null; }})()",
            json!(selector)
        ))?;
        let (x, y) = (middle.get("x").with_context(|| format!("{selector} is not visible"))?, middle.get("y"));
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", &event)?;
        }
        Ok(())
    }

    /// Presses and releases a key: `Tab`, `Enter`, `Space`, or an arrow.
    ///
    /// # Errors
    /// If the key is none of these.
    pub fn press(&mut self, key: &str) -> Result<()> {
        let (key, code, number, text) = match key {
            "Tab" => ("Tab", "Tab", 9, ""),
            "Enter" => ("Enter", "Enter", 13, "\r"),
            "Space" => (" ", "Space", 32, " "),
            "ArrowDown" => ("ArrowDown", "ArrowDown", 40, ""),
            "ArrowUp" => ("ArrowUp", "ArrowUp", 38, ""),
            _ => bail!("unknown key {key}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let event =
                json!({ "type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number, "text": text });
            self.call("Input.dispatchKeyEvent", &event)?;
        }
        Ok(())
    }

    /// Takes a picture of the whole page (PNG).
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn photograph(&mut self, path: &Path) -> Result<()> {
        let answer = self.call("Page.captureScreenshot", &json!({ "format": "png", "captureBeyondViewport": true }))?;
        let data = answer.get("data").and_then(Value::as_str).context("no picture")?;
        Ok(std::fs::write(path, STANDARD.decode(data)?)?)
    }

    /// Every address that the browser has asked for since the start.
    #[must_use]
    pub fn requests(&self) -> &[String] {
        self.connection.requests()
    }

    /// One call of the protocol.
    ///
    /// # Errors
    /// If the browser refuses it or is gone.
    pub fn call(&mut self, method: &str, parameters: &Value) -> Result<Value> {
        self.connection.call(method, parameters)
    }
}
