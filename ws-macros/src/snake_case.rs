//! The names that derives give.

/// Returns the name of a type or variant in snake case: `ConfirmOrder` is `confirm_order`, and `HTTPGet` is `http_get`.
pub(crate) fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (at, &char) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| chars.get(before));
        let after = chars.get(at + 1);
        let begins_word = before.is_some_and(|before| {
            !before.is_uppercase() && *before != '_' || after.is_some_and(|after| after.is_lowercase())
        });
        if char.is_uppercase() && begins_word && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.extend(char.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn names_in_snake_case() {
        for (name, expected) in [
            ("Confirm", "confirm"),
            ("ConfirmOrder", "confirm_order"),
            ("HTTPGet", "http_get"),
            ("Level2Quote", "level2_quote"),
            ("GetURL", "get_url"),
            ("V2Get", "v2_get"),
            ("Already_Split", "already_split"),
            ("a", "a"),
            ("Ä", "ä"),
        ] {
            assert_eq!(snake_case(name), expected);
        }
    }
}
