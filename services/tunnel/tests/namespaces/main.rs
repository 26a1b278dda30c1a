//! Real services in real network namespaces.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod carries;
mod interop;
mod lab;
mod lasts;
mod refused;
