//! Bounds of requests of a page: queries, windows, texts.

/// The most rows that a page gets at once.
const MAX_ROWS: usize = 200;

/// The longest query in bytes.
const MAX_QUERY: usize = 128;

/// Words that a row has to contain, without regard to case.
pub(super) struct SearchQuery(Vec<String>);

impl SearchQuery {
    pub(super) fn new(text: &str) -> Self {
        let text = &text[..text.floor_char_boundary(MAX_QUERY)];
        Self(text.split_whitespace().map(str::to_lowercase).collect())
    }

    /// Returns whether a text in lower case contains all words.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.0.iter().all(|word| text.contains(&**word))
    }
}

/// Returns the positions of the rows that a page shows: a window of `len` rows, moved to where rows are.
pub(super) fn window(len: usize, offset: usize, limit: usize) -> std::ops::Range<usize> {
    let limit = limit.min(MAX_ROWS);
    let start = offset.min(len.saturating_sub(limit));
    start..len.min(start + limit)
}

/// Returns the beginning of a text, of up to `max` bytes.
pub(super) fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_words_have_to_match() {
        let query = SearchQuery::new("  Chat 10.0. ");
        assert!(query.matches("7 chat 10.0.0.1:5") && !query.matches("7 chat 10.1.0.1:5"));
        assert!(SearchQuery::new(" ").matches("any"));
        // Cut within the last letter.
        assert!(SearchQuery::new(&"é".repeat(100)).matches(&"é".repeat(64)));
    }

    #[test]
    fn windows_are_within_the_rows() {
        assert_eq!(window(1000, 990, 50), 950..1000);
        assert_eq!(window(10, usize::MAX, usize::MAX), 0..10);
        assert_eq!(window(1000, 100, 1000), 100..300);
        assert_eq!((window(0, 5, 5), window(10, 3, 0)), (0..0, 3..3));
    }
}
