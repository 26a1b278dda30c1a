//! The person in front of the router, as a program: first boot by form, later the API.
//!
//! *Does*: what the page's forms and a script with the API would send.
//! *Never does*: look at the page's design; tests with a [`crate::Browser`] do.

use anyhow::{Context, Result, ensure};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{Page, Response};

/// The password of every router here.
pub const PASSWORD: &str = "correct horse battery staple";

/// The way from the claim code to a claimed router.
#[derive(Clone, Copy, Debug)]
pub struct FirstBoot<'a> {
    /// The page of an unclaimed router.
    pub page: &'a Page,
    /// The code on its console.
    pub code: &'a str,
}

impl FirstBoot<'_> {
    /// Gives the code and opens the form; gives the session's cookie and the form's token.
    ///
    /// # Errors
    /// If the page does not answer, or answers something else.
    pub fn open(&self) -> Result<(String, String)> {
        let answer = post_form(self.page, "/setup/code", None, &[("code", self.code)])?;
        ensure!(answer.status == StatusCode::SEE_OTHER, "the claim code was refused: {}", answer.body);
        let cookie = cookie_of(&answer)?;
        let form = self.page.request(&Method::GET, "/setup", &[("Cookie", &cookie)], "")?;
        ensure!(form.status == StatusCode::OK, "no form: {}", form.body);
        Ok((cookie, csrf_of(&form)?))
    }

    /// Fills the form with link's own choice of ports and sends it.
    ///
    /// # Errors
    /// If the page does not answer, or answers something else.
    pub fn send(&self, cookie: &str, csrf: &str, site: &str) -> Result<Response> {
        self.send_wishes(cookie, csrf, &Wishes { site, ..Wishes::default() })
    }

    fn send_wishes(&self, cookie: &str, csrf: &str, wishes: &Wishes<'_>) -> Result<Response> {
        let ports = wishes.wan.iter().map(|port| (*port, "wan")).chain([(wishes.lan_port, "lan")]);
        let ports: Vec<(String, &str)> =
            ports.flat_map(|(port, role)| [(format!("role-{port}"), role), (format!("ipv4-{port}"), "dhcp")]).collect();
        let mut fields = vec![
            ("csrf", csrf),
            ("site", wishes.site),
            ("timezone", "Europe/Zurich"),
            ("password", PASSWORD),
            ("password-again", PASSWORD),
            ("lan-address", wishes.lan),
            ("network", if wishes.token.is_some() { "join" } else { "create" }),
        ];
        fields.extend(wishes.token.map(|token| ("token", token)));
        fields.extend(ports.iter().map(|(name, value)| (name.as_str(), *value)));
        post_form(self.page, "/setup", Some(cookie), &fields)
    }

    /// The whole of first boot; the router is claimed when this returns.
    ///
    /// # Errors
    /// If the page does not answer, or answers something else.
    pub fn claim(&self, site: &str) -> Result<()> {
        self.claim_as(&Wishes { site, ..Wishes::default() })
    }

    /// The same with more wishes. If the LAN gets another address, the page is there afterwards.
    ///
    /// # Errors
    /// If the page does not answer, or answers something else.
    pub fn claim_as(&self, wishes: &Wishes<'_>) -> Result<()> {
        let (cookie, csrf) = self.open()?;
        let answer = self.send_wishes(&cookie, &csrf, wishes)?;
        if answer.status == StatusCode::OK && answer.body.contains("/setup/finish") {
            // The page moves: the answer to this may get lost, and whether it worked is seen at the new address.
            let _ = post_form(self.page, "/setup/finish", Some(&cookie), &[("csrf", &csrf)]);
            return Ok(());
        }
        ensure!(answer.status == StatusCode::SEE_OTHER, "not claimed: {} {}", answer.status, answer.body);
        Ok(())
    }
}

/// What a person chooses at first boot.
#[derive(Clone, Copy, Debug)]
pub struct Wishes<'a> {
    /// The site's name.
    pub site: &'a str,
    /// The router's address on the LAN.
    pub lan: &'a str,
    /// The uplinks' ports, all with DHCP.
    pub wan: &'a [&'a str],
    /// The LAN's port.
    pub lan_port: &'a str,
    /// Join a network with this, instead of being the first of one.
    pub token: Option<&'a str>,
}

impl Default for Wishes<'_> {
    fn default() -> Self {
        Self { site: "site", lan: "192.168.42.1/24", wan: &["eth0"], lan_port: "eth1", token: None }
    }
}

/// The API with an administrator's token.
#[derive(Clone, Debug)]
pub struct Api {
    page: Page,
    authorization: String,
}

impl Api {
    /// Signs in.
    ///
    /// # Errors
    /// If the page does not answer, or answers something else.
    pub fn sign_in(page: &Page) -> Result<Self> {
        let answer = sign_in(page, PASSWORD)?;
        ensure!(answer.status == StatusCode::OK, "cannot sign in: {} {}", answer.status, answer.body);
        let body: Value = serde_json::from_str(&answer.body)?;
        let token = body.get("token").and_then(Value::as_str).context("no token")?;
        Ok(Self { page: page.clone(), authorization: format!("Bearer {token}") })
    }

    /// One request.
    ///
    /// # Errors
    /// If the page does not answer, or answers something else.
    pub fn ask(&self, method: &Method, path: &str, kind: &str, body: &str) -> Result<Response> {
        let headers = [("Authorization", self.authorization.as_str()), ("Content-Type", kind)];
        let headers = if body.is_empty() { &headers[..1] } else { &headers[..] };
        self.page.request(method, path, headers, body)
    }

    /// `/api/status`.
    ///
    /// # Errors
    /// If the page does not answer, or answers something else.
    pub fn status(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.get("/api/status")?)?)
    }

    /// The random id of this boot.
    ///
    /// # Errors
    /// If the page does not answer, or PID 1 did not.
    pub fn boot_id(&self) -> Result<String> {
        let id = self.status()?.pointer("/machine/boot_id").and_then(Value::as_str).map(str::to_owned);
        id.context("the status has no boot id")
    }

    /// Sends JSON; the answer's body, which must be a good one.
    ///
    /// # Errors
    /// If the page does not answer, or answers something else.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = self.ask(&Method::POST, path, "application/json", &body.to_string())?;
        ensure!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.body);
        Ok(if answer.body.is_empty() { Value::Null } else { serde_json::from_str(&answer.body)? })
    }

    /// A page of the API, which must be there.
    ///
    /// # Errors
    /// If the page does not answer, or answers something else.
    pub fn get(&self, path: &str) -> Result<String> {
        let answer = self.ask(&Method::GET, path, "", "")?;
        ensure!(answer.status == StatusCode::OK, "{path}: {} {}", answer.status, answer.body);
        Ok(answer.body)
    }

    /// The running configuration as TOML.
    ///
    /// # Errors
    /// If the page does not answer, or answers something else.
    pub fn configuration(&self) -> Result<String> {
        self.get("/api/config")
    }

    /// Makes a document the running one.
    ///
    /// # Errors
    /// If the page does not answer, or answers something else.
    pub fn apply(&self, toml: &str) -> Result<Response> {
        self.ask(&Method::PUT, "/api/config", "application/toml", toml)
    }
}

/// Tries to sign in with a password.
///
/// # Errors
/// If the page does not answer, or answers something else.
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
