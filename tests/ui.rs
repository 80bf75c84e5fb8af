//! What the compiler says when a handler is written wrongly. `tests/ui/README.md` says how to
//! change an expectation.

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/fail/*/*.rs");
}
