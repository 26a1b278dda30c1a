//! The head of a request to the front door: refused by name, or accepted with one of our own names and a bounded body.
//! It covers our rules behind httparse, and not hyper, which reads real connections with a loop of its own.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patronus_web::head::{Names, check_bytes};

fuzz_target!(|bytes: &[u8]| {
    let names = Names::new(["192.168.42.1".parse().expect("an address")], Some("hq"));
    if let Ok(Some(head)) = check_bytes(bytes, &names) {
        assert!(names.answer_to(&head.host));
    }
});
