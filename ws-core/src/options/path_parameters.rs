//! Checks of the parameters in a handler's path, at compile time.

use super::Declaration;

impl Declaration {
    /// Checks that the path has no parameters, for a handler without an extractor for them.
    ///
    /// `{_name}` marks a parameter that is not extracted. `{*rest}` need not be extracted.
    ///
    /// # Panics
    ///
    /// Panics if the path has parameters. The function is evaluated at compile time, so that the panic is a
    /// compile error.
    #[track_caller]
    pub const fn path_untaken(self) -> Self {
        assert!(
            parameters(self.path).0 == 0,
            "the path has a parameter that no extractor takes: \
             take it with `#[on_upgrade] fn …(Path(name): Path<String>) -> Self`, \
             or rename it to `{{_name}}` in the path",
        );
        self
    }

    /// Checks that the path has `count` parameters, the number that `#[on_upgrade]` extracts.
    ///
    /// # Panics
    ///
    /// Panics if the path has more or fewer. The function is evaluated at compile time, so that the panic is a
    /// compile error.
    #[track_caller]
    pub const fn path_takes(self, count: usize) -> Self {
        // Without a declared path, the path is known only when the handler is mounted.
        if !self.path.is_empty() {
            let (names, rests) = parameters(self.path);
            assert!(
                names + rests >= count,
                "`Path<…>` takes more parameters than the path has: \
                 write `{{name}}` into the path for each, or take fewer",
            );
            assert!(
                names + rests <= count,
                "the path has more parameters than `Path<…>` takes: \
                 take all of them, for example `Path<(String, u32)>`, or rename the others to `{{_name}}`",
            );
        }
        self
    }
}

/// Counts the parameters of a path that have to be extracted: `{name}`, and `{*rest}`.
const fn parameters(path: &str) -> (usize, usize) {
    let path = path.as_bytes();
    let (mut names, mut rests) = (0, 0);
    let mut at = 0;
    while at + 1 < path.len() {
        match (path[at], path[at + 1]) {
            (b'{', b'{') => at += 1,
            (b'{', b'*') => rests += (at + 2 >= path.len() || path[at + 2] != b'_') as usize,
            (b'{', next) => names += (next != b'_') as usize,
            _ => {}
        }
        at += 1;
    }
    (names, rests)
}
