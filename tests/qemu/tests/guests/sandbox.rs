//! Each service's sandbox, tried from inside by a probe in the service's place.

use anyhow::{Context, Result};
use patronus_qemu::{Image, Place};

use crate::story::{BOOT, Router};

/// The services whose place the probe takes.
const SERVICES: [&str; 9] = ["config", "link", "clock", "web", "tunnel", "datapath", "mesh", "prober", "router"];

#[test]
fn no_service_can_do_what_the_manifest_does_not_grant() -> Result<()> {
    let scratch = Place::from_env().scratch("sandbox")?;
    let machine = Image::variant("probe")?.direct_machine("sandbox", &scratch)?;
    let router = Router::switch_on(scratch, machine)?;
    for service in SERVICES {
        let sum =
            router.guest.console().wait_until(0, &format!("the sum of the probe in {service}"), BOOT, |line| {
                line.text.contains(&format!("probe {service}:")) && line.text.contains(" refused, ")
            })?;
        let (refused, allowed) = numbers(&sum.text).with_context(|| sum.text.clone())?;
        let text = router.guest.console().text();
        let holes: Vec<&str> = text.lines().filter(|line| line.contains(": ALLOWED")).collect();
        assert_eq!(allowed, 0, "{service}: {holes:#?}");
        assert!(refused >= 90, "{service}: only {refused} attempts were made");
    }
    Ok(())
}

/// From `probe NAME: N refused, M allowed`.
fn numbers(line: &str) -> Option<(u32, u32)> {
    let sum = line.rsplit_once(": ")?.1;
    let (refused, allowed) = sum.split_once(" refused, ")?;
    Some((refused.trim().parse().ok()?, allowed.split_whitespace().next()?.parse().ok()?))
}
