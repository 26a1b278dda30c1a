//! Rules that a person may write, compiled and searched.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patronus_datapath::policy::{book, compile};
use patronus_ebpf_abi::policy::{Opening, service};
use patronus_ebpf_core::{Query, policy::judge};

fuzz_target!(|bytes: &[u8]| {
    let Some((numbers, text)) = bytes.split_first_chunk::<12>() else { return };
    let Ok(document) = patronus_config::accept(&String::from_utf8_lossy(text)) else { return };
    let rules = book(&document.rules, &Vec::new()).rules();
    let Ok(compiled) = compile(&rules) else { return };
    let number = |at: usize| u32::from_be_bytes([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]]);
    let query = Query {
        opening: Opening::of(number(8) as u16),
        source: number(0),
        destination: number(4),
        service: service(u32::from(numbers[8]), u32::from(numbers[9])),
    };
    assert!((judge(&compiled, &query).rule as usize) < rules.len(), "the last rule is met by all");
});
