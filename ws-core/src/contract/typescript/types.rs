//! Types of TypeScript, and their text.

use std::fmt::Write as _;

use super::names;

/// The longest type that is written on one line.
const MAX_INLINE: usize = 90;

/// A type.
#[derive(Clone, Debug)]
pub(super) enum TsType {
    /// A name, a literal or a keyword.
    Name(String),
    /// One of several types, with their documentation.
    Union(Vec<(Option<String>, TsType)>),
    /// All of several types.
    Intersection(Vec<TsType>),
    /// `T[]`.
    Array(Box<TsType>),
    /// `[A, B?, ...C[]]`: the items, the number of those that are required, and the type of further ones.
    Tuple(Vec<TsType>, usize, Option<Box<TsType>>),
    /// `{ a: A; b?: B; [key: string]: C }`.
    Object(Vec<TsMember>, Option<Box<TsType>>),
}

/// A member of an object.
#[derive(Clone, Debug)]
pub(super) struct TsMember {
    /// The name, as JSON has it.
    pub(super) name: String,
    pub(super) is_optional: bool,
    pub(super) description: Option<String>,
    pub(super) member: TsType,
}

impl TsType {
    pub(super) fn name(name: &str) -> Self {
        Self::Name(name.to_owned())
    }

    pub(super) fn unknown() -> Self {
        Self::name("unknown")
    }

    pub(super) fn is_unknown(&self) -> bool {
        matches!(self, Self::Name(name) if name == "unknown")
    }

    /// Returns one of several types: a type that occurs twice counts once, and `unknown` includes all.
    pub(super) fn union(types: Vec<(Option<String>, Self)>) -> Self {
        let mut options: Vec<(Option<String>, Self)> = Vec::new();
        let mut texts = Vec::new();
        for (description, option) in types {
            let nested = match option {
                Self::Union(nested) => nested,
                other => vec![(description, other)],
            };
            for (description, option) in nested {
                let text = option.render("");
                if !texts.contains(&text) {
                    texts.push(text);
                    options.push((description, option));
                }
            }
        }
        if options.iter().any(|(_, option)| option.is_unknown()) {
            return Self::unknown();
        }
        match options.len() {
            0 => Self::name("never"),
            1 => options.remove(0).1,
            _ => Self::Union(options),
        }
    }

    /// Returns all of several types. `unknown` adds nothing.
    pub(super) fn intersection(mut types: Vec<Self>) -> Self {
        types.retain(|part| !part.is_unknown());
        match types.len() {
            0 => Self::unknown(),
            1 => types.remove(0),
            _ => Self::Intersection(types),
        }
    }

    /// Returns the text of the type. Its further lines have the indentation.
    pub(super) fn render(&self, indent: &str) -> String {
        let inline = self.inline();
        match inline {
            Some(text) if text.len() <= MAX_INLINE => text,
            _ => self.lines(indent),
        }
    }

    /// Returns the text in one line, unless it has documentation.
    fn inline(&self) -> Option<String> {
        let group = |part: &Self| {
            let text = part.inline()?;
            Some(if matches!(part, Self::Union(_) | Self::Intersection(_)) {
                format!("({text})")
            } else {
                text
            })
        };
        Some(match self {
            Self::Name(name) => name.clone(),
            Self::Union(options) => {
                if options.iter().any(|(description, _)| description.is_some()) {
                    return None;
                }
                options.iter().map(|(_, option)| option.inline()).collect::<Option<Vec<_>>>()?.join(" | ")
            }
            Self::Intersection(parts) => parts.iter().map(group).collect::<Option<Vec<_>>>()?.join(" & "),
            Self::Array(item) => format!("{}[]", group(item)?),
            Self::Tuple(items, required, rest) => {
                let mut texts = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    texts.push(if index < *required { item.inline()? } else { format!("{}?", group(item)?) });
                }
                if let Some(rest) = rest {
                    texts.push(format!("...{}[]", group(rest)?));
                }
                format!("[{}]", texts.join(", "))
            }
            Self::Object(members, others) => {
                let mut texts = Vec::new();
                for member in members {
                    if member.description.is_some() {
                        return None;
                    }
                    texts.push(format!("{}: {}", member.left(), member.member.inline()?));
                }
                if let Some(others) = others {
                    texts.push(format!("[key: string]: {}", others.inline()?));
                }
                if texts.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", texts.join("; ")) }
            }
        })
    }

    /// Returns the text in several lines.
    fn lines(&self, indent: &str) -> String {
        let deeper = format!("{indent}  ");
        let group = |part: &Self| {
            let text = part.render(indent);
            if matches!(part, Self::Union(_) | Self::Intersection(_)) { format!("({text})") } else { text }
        };
        match self {
            Self::Name(name) => name.clone(),
            Self::Union(options) => {
                let mut text = String::new();
                for (description, option) in options {
                    let option = if matches!(option, Self::Intersection(_)) {
                        format!("({})", option.render(&deeper))
                    } else {
                        option.render(&deeper)
                    };
                    let _ = write!(text, "\n{}{deeper}| {option}", doc(description.as_deref(), &deeper));
                }
                text
            }
            Self::Intersection(parts) => parts.iter().map(group).collect::<Vec<_>>().join(" & "),
            Self::Array(item) => format!("{}[]", group(item)),
            Self::Tuple(items, required, rest) => {
                let mut text = String::from("[\n");
                for (index, item) in items.iter().enumerate() {
                    let item = if index < *required {
                        item.render(&deeper)
                    } else if matches!(item, Self::Union(_) | Self::Intersection(_)) {
                        format!("({})?", item.render(&deeper))
                    } else {
                        format!("{}?", item.render(&deeper))
                    };
                    let _ = writeln!(text, "{deeper}{item},");
                }
                if let Some(rest) = rest {
                    let _ = writeln!(text, "{deeper}...({})[],", rest.render(&deeper));
                }
                text + indent + "]"
            }
            Self::Object(..) => format!("{{\n{}{indent}}}", self.members(&deeper)),
        }
    }

    /// Returns the members of an object, each with its lines.
    pub(super) fn members(&self, indent: &str) -> String {
        let Self::Object(members, others) = self else { return String::new() };
        let mut text = String::new();
        for member in members {
            text += &doc(member.description.as_deref(), indent);
            let _ = writeln!(
                text,
                "{indent}{};",
                after(&format!("{}:", member.left()), &member.member.render(indent))
            );
        }
        if let Some(others) = others {
            let _ = writeln!(text, "{indent}{};", after("[key: string]:", &others.render(indent)));
        }
        text
    }
}

impl TsMember {
    /// Returns the part before the colon.
    fn left(&self) -> String {
        format!("{}{}", names::member(&self.name), if self.is_optional { "?" } else { "" })
    }
}

/// Returns a type after a mark. A type of several lines begins on a line of its own.
pub(super) fn after(mark: &str, text: &str) -> String {
    if text.starts_with('\n') { format!("{mark}{text}") } else { format!("{mark} {text}") }
}

/// Returns a documentation comment with a line break, or nothing.
pub(super) fn doc(text: Option<&str>, indent: &str) -> String {
    // A comment ends where its text says so.
    let text = text.unwrap_or_default().replace("*/", "*\\/");
    let lines: Vec<_> = text.trim().lines().map(str::trim_end).collect();
    match &lines[..] {
        [] => String::new(),
        [line] => format!("{indent}/** {line} */\n"),
        lines => {
            let mut comment = format!("{indent}/**\n");
            for line in lines {
                let _ = writeln!(comment, "{}", format!("{indent} * {line}").trim_end());
            }
            comment + indent + " */\n"
        }
    }
}
