//! The words in which the tests tell their stories: a router that is switched on, claimed, signed in to.

use std::{fs::OpenOptions, time::Duration};

use anyhow::{Context, Result, ensure};
use hyper::{Method, StatusCode};
use patronus_qemu::{Bus, Facts, Guest, Image, Machine, Page, Place, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

/// From power to page, on an emulated machine that shares a busy computer.
pub const BOOT: Duration = Duration::from_secs(150);
/// From the power button to off.
pub const STOP: Duration = Duration::from_secs(60);
/// The password of every router here.
pub const PASSWORD: &str = "correct horse battery staple";

/// A router under test. Its disk and console are gone with it.
pub struct Router {
    pub guest: Guest,
    pub scratch: TempDir,
}

impl Router {
    /// The image that ships, started as real hardware starts it.
    pub fn from_firmware(name: &str, bus: Bus) -> Result<Self> {
        let scratch = Place::from_env().scratch(name)?;
        let machine = Image::shipped()?.machine(name, &scratch, bus)?;
        Self::switch_on(scratch, machine)
    }

    /// The image that ships, without firmware and loader.
    pub fn direct(name: &str) -> Result<Self> {
        let scratch = Place::from_env().scratch(name)?;
        let machine = Image::shipped()?.direct_machine(name, &scratch)?;
        Self::switch_on(scratch, machine)
    }

    /// The image with the agent.
    pub fn with_agent(name: &str) -> Result<Self> {
        let scratch = Place::from_env().scratch(name)?;
        let machine = Image::variant("agent")?.direct_machine(name, &scratch)?.agent();
        Self::switch_on(scratch, machine)
    }

    /// Switches on a machine, whose console goes into its scratch directory.
    pub fn switch_on(scratch: TempDir, machine: Machine) -> Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(scratch.path().join("console.log"))?;
        Ok(Self { guest: machine.start(log)?, scratch })
    }

    /// Cuts the power and switches on again.
    pub fn cut_and_switch_on(self) -> Result<Self> {
        let Self { guest, scratch } = self;
        Self::switch_on(scratch, guest.cut_power()?)
    }

    /// The page, once it answers, trusted by the fingerprint on the console.
    pub fn page(&self) -> Result<Page> {
        self.page_after(0)
    }

    /// The same after a restart: only what the console shows from `mark` on counts.
    pub fn page_after(&self, mark: usize) -> Result<Page> {
        self.guest.console().wait_after(mark, "fingerprint SHA256", BOOT)?;
        // The claim code, if there is one, follows in the same block.
        self.guest.console().wait_until(mark, "the end of the status block", BOOT, |line| line.text.is_empty()).ok();
        let fingerprint = Facts::on(self.guest.console(), mark).fingerprint.context("the fingerprint is not whole")?;
        let page = self.guest.page()?.pinned(&fingerprint);
        page.wait_until_it_answers(BOOT)?;
        Ok(page)
    }

    /// The claim code on the console.
    pub fn claim_code(&self) -> Result<String> {
        self.claim_code_after(0)
    }

    /// The same among the lines from `mark` on.
    pub fn claim_code_after(&self, mark: usize) -> Result<String> {
        self.guest.console().wait_after(mark, "claim code", BOOT)?;
        Facts::on(self.guest.console(), mark).claim_code.context("the claim code is not whole")
    }

    /// The random id of this boot, as `/api/status` tells it.
    pub fn boot_id(api: &Api) -> Result<String> {
        let id = api.status()?.pointer("/machine/boot_id").and_then(Value::as_str).map(str::to_owned);
        id.context("the status has no boot id")
    }
}

/// What an unclaimed router is asked to become.
pub struct FirstBoot<'a> {
    pub page: &'a Page,
    pub code: &'a str,
}

impl FirstBoot<'_> {
    /// Gives the code and opens the form; gives the session's cookie and the form's token.
    pub fn open(&self) -> Result<(String, String)> {
        let answer = post_form(self.page, "/setup/code", None, &[("code", self.code)])?;
        ensure!(answer.status == StatusCode::SEE_OTHER, "the claim code was refused: {}", answer.body);
        let cookie = cookie_of(&answer)?;
        let form = self.page.request(&Method::GET, "/setup", &[("Cookie", &cookie)], "")?;
        ensure!(form.status == StatusCode::OK, "no form: {}", form.body);
        Ok((cookie, csrf_of(&form)?))
    }

    /// Fills the form with link's own choice of ports and sends it.
    pub fn send(&self, cookie: &str, csrf: &str, site: &str) -> Result<Response> {
        let fields = [
            ("csrf", csrf),
            ("site", site),
            ("timezone", "Europe/Zurich"),
            ("password", PASSWORD),
            ("password-again", PASSWORD),
            ("lan-address", "192.168.42.1/24"),
            ("network", "create"),
            ("role-eth0", "wan"),
            ("ipv4-eth0", "dhcp"),
            ("role-eth1", "lan"),
            ("ipv4-eth1", "dhcp"),
        ];
        post_form(self.page, "/setup", Some(cookie), &fields)
    }

    /// The whole of first boot; the router is claimed when this returns.
    pub fn claim(&self, site: &str) -> Result<()> {
        let (cookie, csrf) = self.open()?;
        let answer = self.send(&cookie, &csrf, site)?;
        ensure!(answer.status == StatusCode::SEE_OTHER, "not claimed: {} {}", answer.status, answer.body);
        Ok(())
    }
}

/// The API with an administrator's token.
pub struct Api {
    page: Page,
    authorization: String,
}

impl Api {
    /// Signs in.
    pub fn sign_in(page: &Page) -> Result<Self> {
        let answer = sign_in(page, PASSWORD)?;
        ensure!(answer.status == StatusCode::OK, "cannot sign in: {} {}", answer.status, answer.body);
        let body: Value = serde_json::from_str(&answer.body)?;
        let token = body.get("token").and_then(Value::as_str).context("no token")?;
        Ok(Self { page: page.clone(), authorization: format!("Bearer {token}") })
    }

    /// One request.
    pub fn ask(&self, method: &Method, path: &str, kind: &str, body: &str) -> Result<Response> {
        let headers = [("Authorization", self.authorization.as_str()), ("Content-Type", kind)];
        let headers = if body.is_empty() { &headers[..1] } else { &headers[..] };
        self.page.request(method, path, headers, body)
    }

    /// `/api/status`.
    pub fn status(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.get("/api/status")?)?)
    }

    /// A page of the API, which must be there.
    pub fn get(&self, path: &str) -> Result<String> {
        let answer = self.ask(&Method::GET, path, "", "")?;
        ensure!(answer.status == StatusCode::OK, "{path}: {} {}", answer.status, answer.body);
        Ok(answer.body)
    }

    /// The running configuration as TOML.
    pub fn configuration(&self) -> Result<String> {
        self.get("/api/config")
    }

    /// Makes a document the running one.
    pub fn apply(&self, toml: &str) -> Result<Response> {
        self.ask(&Method::PUT, "/api/config", "application/toml", toml)
    }
}

/// Tries to sign in with a password.
pub fn sign_in(page: &Page, password: &str) -> Result<Response> {
    let body = json!({ "password": password }).to_string();
    page.request(&Method::POST, "/api/session", &[("Content-Type", "application/json")], &body)
}

fn post_form(page: &Page, path: &str, cookie: Option<&str>, fields: &[(&str, &str)]) -> Result<Response> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let origin = format!("https://{}", page.authority());
    let mut headers = vec![("Content-Type", "application/x-www-form-urlencoded"), ("Origin", &origin)];
    headers.extend(cookie.map(|cookie| ("Cookie", cookie)));
    page.request(&Method::POST, path, &headers, &body)
}

fn cookie_of(answer: &Response) -> Result<String> {
    let cookie = answer.headers.get("set-cookie").context("no cookie")?.to_str()?;
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}

fn csrf_of(form: &Response) -> Result<String> {
    let (_, rest) = form.body.split_once("name=\"csrf\" value=\"").context("the form has no token")?;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}
