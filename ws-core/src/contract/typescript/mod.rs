//! Clients in TypeScript and JavaScript, generated from a contract.

mod client;
mod data;
mod interfaces;
mod method;
mod names;
mod schema;
#[cfg(test)]
mod tests;
mod types;

use std::collections::BTreeSet;

use super::Contract;
use client::ClientModule;
use method::Syntax;

/// The module with which generated TypeScript is compiled: that of the npm package `ws-core-client`.
const PACKAGE: &str = "ws-core-client/contract";
/// The same module as a file beside generated JavaScript.
const SCRIPT: &str = "./ws-core-contract.js";

/// A generated file: its name and its text.
///
/// [`Contract::typescript`] and [`Contract::javascript`] return such files.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("ws-core-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let contract: ws_core::contract::Contract = serde_json::from_str(r#"{"format": 1, "handlers": []}"#)?;
/// for file in contract.javascript() {
///     std::fs::write(folder.join(&file.name), &file.text)?;
/// }
/// # std::fs::remove_dir_all(&folder)
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GeneratedFile {
    /// The name, without a folder: ASCII letters, digits, `-` and `.`.
    pub name: String,
    /// The text. It ends with a line break.
    pub text: String,
}

impl Contract {
    /// Returns a client in TypeScript for each handler that is described: `board.ts` for the handler `Board`.
    ///
    /// A file has the types of the handler's messages, and a class with a method for each call and message of the client,
    /// over the npm package `ws-core-client`. The guide's chapter on TypeScript explains their use. The same contract gives
    /// the same bytes. The files compile with `tsc --strict` and its further checks
    /// (`exactOptionalPropertyTypes`, `noUncheckedIndexedAccess`, `verbatimModuleSyntax`), and run in Node 20 and in
    /// browsers.
    ///
    /// - Names are those of the contract to the letter, quoted if they are not identifiers. A name that the class has
    ///   already, or that is a reserved word, gets the suffix `_`. Two handlers of one name get `board.ts` and `board2.ts`.
    /// - Integers are `number`. An integer beyond 2^53 is refused with an error in both directions, because JavaScript
    ///   would change its digits. Larger ids should be strings.
    /// - An `Option` may be left out or be `null`. Enums are unions, which TypeScript narrows by their tag.
    /// - What the types of a contract do not say, for example a pattern of a string, is not checked.
    ///
    /// Any contract may be given, also one from an untrusted server: names and comments cannot become code.
    ///
    /// ```
    /// use ws_core::contract::Contract;
    ///
    /// let contract: Contract = serde_json::from_str(r##"{
    ///     "format": 1,
    ///     "handlers": [{
    ///         "name": "Board", "path": "/board/{symbol}", "is_described": true, "version": 1,
    ///         "path_parameters": [{ "name": "symbol", "schema": { "type": "string" } }],
    ///         "limits": { "max_deferred": 64 },
    ///         "server": { "messages": [
    ///             { "name": "price", "frame": "text", "content": { "kind": "json", "schema": { "$ref": "#/schemas/Price" } } }
    ///         ] },
    ///         "schemas": { "Price": { "type": "object", "properties": { "cents": { "type": "integer" } }, "required": ["cents"] } }
    ///     }]
    /// }"##).unwrap();
    /// let [file] = &contract.typescript()[..] else { panic!("one handler") };
    /// assert_eq!(file.name, "board.ts");
    /// assert!(file.text.contains("export interface Price {\n  cents: number;\n}\n"));
    /// assert!(file.text.contains("static async connect(url: string | URL, parameters: BoardParameters"));
    /// ```
    pub fn typescript(&self) -> Vec<GeneratedFile> {
        let file = |(name, module): (String, ClientModule<'_>)| GeneratedFile {
            text: module.render(Syntax::TypeScript, PACKAGE),
            name: format!("{name}.ts"),
        };
        self.modules().map(file).collect()
    }

    /// Like [`typescript`](Self::typescript), but for pages without a build: `board.js` with its types in `board.d.ts`, and
    /// the modules that these import, as `ws-core-contract.js` and `ws-core.js`, also with their types.
    ///
    /// All files belong into one folder, which any server of files serves. No name has a folder.
    ///
    /// ```
    /// # let contract: ws_core::contract::Contract = serde_json::from_str(r#"{"format": 1, "handlers": []}"#).unwrap();
    /// let names: Vec<_> = contract.javascript().into_iter().map(|file| file.name).collect();
    /// assert_eq!(names, ["ws-core.js", "ws-core.d.ts", "ws-core-contract.js", "ws-core-contract.d.ts"]);
    /// ```
    pub fn javascript(&self) -> Vec<GeneratedFile> {
        let modules = self.modules().flat_map(|(name, module)| {
            let script = module.render(Syntax::JavaScript, SCRIPT);
            let types = module.render(Syntax::Declarations, SCRIPT);
            [(format!("{name}.js"), script), (format!("{name}.d.ts"), types)]
        });
        let shared = [
            ("ws-core.js", include_str!("../../../client/ws-core.min.js")),
            ("ws-core.d.ts", include_str!("../../../client-src/ws-core.d.ts")),
            ("ws-core-contract.js", include_str!("../../../client/ws-core-contract.min.js")),
            ("ws-core-contract.d.ts", include_str!("../../../client-src/contract.d.ts")),
        ];
        let shared = shared.map(|(name, text)| (name.to_owned(), text.to_owned()));
        modules.chain(shared).map(|(name, text)| GeneratedFile { name, text }).collect()
    }

    /// Returns the clients with the names of their files.
    fn modules(&self) -> impl Iterator<Item = (String, ClientModule<'_>)> {
        let mut taken = BTreeSet::from(["ws-core".to_owned(), "ws-core-contract".to_owned()]);
        self.handlers.iter().filter(|handler| handler.is_described).map(move |handler| {
            let name = names::unique(&names::file(&handler.name), &mut taken, names::Suffix::Number);
            (name, ClientModule::new(handler))
        })
    }
}
