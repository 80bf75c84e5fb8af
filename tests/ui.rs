//! Compile errors of wrongly written handlers. `tests/ui/README.md` explains how to bless an expectation.

use std::fs;

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/fail/*/*.rs");
}

/// Cases with more than one error: several mistakes in a build, or a mistake that shows in two places.
const SEVERAL: [(&str, usize); 12] = [
    ("many-mistakes-at-once", 6),
    // The `impl` repeats the lifetime of the type.
    ("lifetime", 2),
    ("elided-lifetime", 2),
    // The enum that stores the payload and the method that takes it report it.
    ("not-send-in-an-async-method", 2),
    // The attribute and the generated match report it.
    ("call-without-an-envelope", 2),
    ("message-without-an-envelope", 2),
    // The argument and its place in the list of arguments report it.
    ("argument-without-deserialize", 2),
    ("argument-of-an-async-method-without-deserialize", 2),
    ("optional-argument-without-deserialize", 3),
    // Like `not-send-in-an-async-method`.
    ("argument-that-is-not-send", 2),
    // The type and the reply of its method report it: what may be sent is known from the declaration.
    ("not-declared", 2),
    // The compiler's own error about the trait cannot be avoided. The name in the second one is the advice. The
    // methods report that the trait is ambiguous.
    ("two-impls", 4),
];

/// Checks that a mistake causes a single error, although every case goes on to use the broken type.
#[test]
fn reports_each_mistake_once() {
    let mut cases = 0;
    for folder in fs::read_dir("ui/fail").unwrap() {
        for file in fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "stderr") {
                continue;
            }
            cases += 1;
            let name = path.file_stem().unwrap().to_str().unwrap();
            let expect =
                SEVERAL.iter().find(|(several, _)| *several == name).map_or(1, |(_, errors)| *errors);
            let text = fs::read_to_string(&path).unwrap();
            let errors = text.lines().filter(|line| line.starts_with("error")).count();
            assert_eq!(errors, expect, "{}", path.display());
        }
    }
    assert!(cases >= 60, "{cases} cases");
}
