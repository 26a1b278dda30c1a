//! The real service with the real programs in real network namespaces, beside the real packet filter of `link`.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod carries;
#[path = "../support/collector.rs"]
mod collector;
mod compared;
mod exports;
mod forwards;
mod guard;
mod lab;
mod lasts;
mod ping;
mod refuses;
mod rules;
mod six;
