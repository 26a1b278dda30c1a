//! The only place with `unsafe`: system calls that no safe crate offers.
//!
//! *Does*: one function per call, with plain types.
//! *Never does*: decide.
#![allow(unsafe_code)]

pub mod boot;
pub mod process;
