//! The logs page.

use maud::{Markup, html};
use patronus_ipc::init::LogPage;

use super::layout;

/// Sources that are no services.
const MACHINE: [&str; 2] = ["kernel", "init"];

/// The newest lines of one source, or of all.
pub(crate) fn page(logs: &LogPage, services: &[String], chosen: &str, site: &str, csrf: &str) -> Markup {
    let sources = MACHINE.into_iter().chain(services.iter().map(String::as_str));
    layout::administrator(
        "Logs",
        "/logs",
        site,
        csrf,
        html! {
            div.headline { h1 { "Logs" } }
            section.card {
                form.inline method="get" action="/logs" {
                    label for="source" { "Source" }
                    select #source name="source" {
                        option value="" { "All" }
                        @for source in sources { option value=(source) selected[source == chosen] { (source) } }
                    }
                    button.quiet type="submit" { "Show" }
                }
                div #lines.log.scroll data-live data-refresh="3" tabindex="0" role="log" aria-label="Log lines, newest last" {
                    @if logs.lines.is_empty() { p.none { "Nothing was logged yet." } }
                    @for line in &logs.lines { div.line {
                        span.when { (uptime(line.uptime_ms)) } " " span.from { (line.source) } " " span.text { (line.text) }
                    } }
                }
                p.hint { "Times count from the start of the kernel, in seconds." }
            }
        },
    )
}

fn uptime(uptime_ms: u64) -> String {
    format!("{}.{:03}", uptime_ms / 1000, uptime_ms % 1000)
}
