#![no_main]

#[path = "../../tests/checks/mod.rs"]
mod checks;

// Messages of one user, one line each: some rules look at several.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let texts: Vec<&str> = text.split('\n').take(8).collect();
    checks::messages(&texts);
});
