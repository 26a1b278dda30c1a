//! What anybody on the WAN cable can send to port 68.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patronus_link::dhcp::parse_reply;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(reply) = parse_reply(bytes) {
        assert_eq!(parse_reply(bytes), Ok(reply));
    }
});
