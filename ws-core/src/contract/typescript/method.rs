//! A method of a generated class, in each language.

use super::types::doc;

/// The language of a generated module.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// A module with types: `.ts`.
    TypeScript,
    /// A module without types: `.js`.
    JavaScript,
    /// The types of a module: `.d.ts`.
    Declarations,
}

/// A method.
pub(super) struct TsMethod {
    /// The documentation, or nothing.
    pub(super) description: String,
    /// `static ` and `async `, or nothing.
    pub(super) modifiers: &'static str,
    /// The name, quoted if necessary, with its type parameters.
    pub(super) name: String,
    /// The parameters: their names, and their declarations.
    pub(super) parameters: Vec<(String, String)>,
    pub(super) returns: String,
    pub(super) body: String,
}

impl TsMethod {
    pub(super) fn render(&self, syntax: Syntax) -> String {
        let Self { modifiers, name, returns, body, .. } = self;
        let list = |part: fn(&(String, String)) -> &str| {
            self.parameters.iter().map(part).collect::<Vec<_>>().join(", ")
        };
        let doc = doc(Some(&self.description), "  ");
        let typed = list(|(_, declaration)| declaration);
        match syntax {
            Syntax::TypeScript => {
                format!("{doc}  {modifiers}{name}({typed}): {returns} {{\n    {body}\n  }}\n")
            }
            Syntax::Declarations => {
                format!("{doc}  {}{name}({typed}): {returns};\n", modifiers.replace("async ", ""))
            }
            Syntax::JavaScript => {
                let untyped = list(|(name, _)| name);
                let name = if name.starts_with('"') { name } else { name.split('<').next().unwrap_or(name) };
                format!("{doc}  {modifiers}{name}({untyped}) {{\n    {body}\n  }}\n")
            }
        }
    }
}
