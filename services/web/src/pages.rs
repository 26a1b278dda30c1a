//! The pages, as HTML that works without script.
//!
//! *Does*: turn what handlers know into markup.
//! *Never does*: load anything from elsewhere; put style or script into the markup (the policy forbids both).
//! *Spec*: WCAG 2.2 AA; `docs/adr/0003-front-door.md`, section "Pages".

pub(crate) mod configuration;
pub(crate) mod events;
pub(crate) mod firewall;
pub(crate) mod flows;
pub(crate) mod forwards;
mod graph;
mod guard;
mod layout;
mod login;
pub(crate) mod logs;
pub(crate) mod network;
mod parts;
pub(crate) mod path;
pub(crate) mod paths;
pub(crate) mod routing;
pub(crate) mod set_up;
mod signers;
pub(crate) mod sites;
pub(crate) mod status;
pub(crate) mod system;
pub(crate) mod tokens;
pub(crate) mod topology;

pub(crate) use layout::{farewell, notice};
pub(crate) use login::login;

/// The one style sheet.
pub(crate) const STYLE: &str = include_str!("../assets/style.css");
/// The one script: it refreshes live parts and judges a password while it is typed.
pub(crate) const SCRIPT: &str = include_str!("../assets/patronus.js");
/// The mark.
pub(crate) const ICON: &str = include_str!("../assets/icon.svg");
