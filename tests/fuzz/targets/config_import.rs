//! A document that somebody imports: refused with reasons, or written and read back as the same document.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|toml: &str| {
    let document = match patronus_config::parse(toml) {
        Ok(document) => document,
        Err(problem) => {
            assert!(!problem.code.is_empty() && !problem.message.is_empty());
            return;
        }
    };
    let problems = patronus_config::validate(&document);
    assert!(problems.iter().all(|problem| !problem.code.is_empty() && !problem.at.is_empty()));
    assert_eq!(patronus_config::accept(toml).is_ok(), problems.is_empty());
    let written = patronus_config::emit(&document).expect("what was read can be written");
    assert_eq!(patronus_config::parse(&written).expect("what was written can be read"), document);
    assert_eq!(patronus_config::emit(&document).as_ref(), Ok(&written));
});
