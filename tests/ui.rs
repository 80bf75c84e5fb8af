//! Compile errors of wrongly written handlers. `tests/ui/README.md` explains how to bless an expectation.

use std::fs;

#[test]
fn compiles() {
    trybuild::TestCases::new().pass("ui/pass/*.rs");
}

/// Cases that must not compile. They are apart from those that must: trybuild then checks all of them with one cargo
/// command.
#[test]
fn does_not_compile() {
    trybuild::TestCases::new().compile_fail("ui/fail/*/*.rs");
}

/// Cases with more than one error: several mistakes in a build, or a mistake that shows in two places.
const SEVERAL: [(&str, usize); 5] = [
    ("many-mistakes-at-once", 6),
    // The `impl` repeats the lifetime of the type.
    ("lifetime", 2),
    ("elided-lifetime", 2),
    // The type and the reply of its method report it: what may be sent is known from the declaration.
    ("not-declared", 2),
    // The compiler's own error about the trait cannot be avoided. The name in the second one is the advice.
    ("two-impls", 2),
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
