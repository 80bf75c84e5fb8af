//! What the compiler says when a handler is written wrongly. `tests/ui/README.md` says how to
//! change an expectation.

use std::fs;

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/fail/*/*.rs");
}

/// Those that hold more than one mistake, to show that all are reported at once, or one in two places.
const SEVERAL: [(&str, usize); 4] = [
    ("many-mistakes-at-once", 6),
    // A lifetime of the type is one of its `impl` too.
    ("lifetime", 2),
    ("elided-lifetime", 2),
    // Once for what holds it, once for the method that is given it.
    ("not-send-in-an-async-method", 2),
];

/// Every case goes on to use what is broken, and hears of its mistake only once, at a place of its
/// own: an error that stands at the attribute does not know where.
#[test]
fn one_mistake_is_one_error() {
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
