//! Suggestions for misspelt names.

/// Returns the known name that an unknown one probably means: by a common alternative name, or by
/// edit distance.
pub(crate) fn suggest<'a>(
    name: &str,
    known: &[&'a str],
    others: &[(&'a str, &[&'a str])],
) -> Option<&'a str> {
    if let Some((meant, _)) = others.iter().find(|(_, names)| names.contains(&name)) {
        return Some(meant);
    }
    let (distance, best) = known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), *candidate))
        .min_by_key(|(distance, _)| *distance)?;
    // The common prefix `on_` does not make two names similar.
    let word = best.strip_prefix("on_").unwrap_or(best);
    (distance <= 1 + word.len() / 4).then_some(best)
}

#[cfg(test)]
mod tests {
    use crate::parse::{HELPERS, OTHER_NAMES};

    #[track_caller]
    fn check(name: &str, expect: Option<&str>) {
        assert_eq!(super::suggest(name, &HELPERS, &OTHER_NAMES), expect, "{name}");
    }

    #[test]
    fn suggests_similar_attributes() {
        check("on_txt", Some("on_text"));
        check("on_clsoe", Some("on_close"));
        check("on_closing", Some("on_close"));
        check("evrey", Some("every"));
        check("on_laged", Some("on_lagged"));
        for name in ["lagged", "on_lag", "on_overflow", "on_missed", "on_dropped"] {
            check(name, Some("on_lagged"));
        }
        for name in ["drain", "on_drained", "on_writable", "on_flushed"] {
            check(name, Some("on_drain"));
        }
        check("on_failed", Some("on_error"));
    }

    /// Three equal letters of six and the prefix are not similar enough.
    #[test]
    fn ignores_dissimilar_attributes() {
        for name in ["on_changed", "on_loaded", "on_named", "on_weather"] {
            check(name, None);
        }
    }
}
