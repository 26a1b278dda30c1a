//! What the image promises, tried on the image itself. One module for each kind of promise.

#![allow(unreachable_pub, reason = "a test program exports nothing; `pub` marks what a module offers the others")]

mod boots;
mod budget;
mod data;
mod first_boot;
mod internet;
mod kernel;
mod mesh;
mod power;
mod sandbox;
mod slots;
mod stops;
mod story;
mod supervision;
mod wan;
