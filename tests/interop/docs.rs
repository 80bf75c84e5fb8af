//! A server of documentation with hostile texts: `interop-docs 127.0.0.1:PORT`. `docs.py` beside this file opens its page.

#![expect(rustdoc::invalid_html_tags, reason = "the texts are hostile on purpose")]

use schemars::JsonSchema;
use ws_core::prelude::*;
use ws_core::{Messages, Router};

/// </script><script>pwned = 1</script><!-- <img src=x onerror=pwned=1>
#[derive(serde::Serialize, serde::Deserialize, JsonSchema)]
struct Hostile {
    /// `<img src=x onerror=pwned=2>` [<img src=x onerror=pwned=3>](javascript:pwned=4)
    #[serde(rename = "<img src=x onerror=pwned=5>")]
    member: String,
    kind: Kind,
}

#[derive(serde::Serialize, serde::Deserialize, JsonSchema)]
enum Kind {
    /// - <img src=x onerror=pwned=6>
    #[serde(rename = "</pre><img src=x onerror=pwned=7>")]
    One,
    Two(Box<Kind>),
}

#[derive(serde::Serialize, Messages, JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
enum Event {
    /// ```
    /// </code><img src=x onerror=pwned=8>
    /// ```
    #[serde(rename = "<img src=x onerror=pwned=9>")]
    Price(Hostile),
}

#[websocket(path = "/hostile/{room}", envelope = JsonRpc, sends = Event)]
enum Page {
    First(First),
    Second(Second),
}

#[derive(Default)]
struct First;
struct Second;

/// <img src=x onerror=pwned=10>
///
/// # <img src=x onerror=pwned=11>
#[websocket(contract(closes = [(4000, "<img src=x onerror=pwned=12>")]))]
impl Page {
    #[on_upgrade]
    fn make(Path(_): Path<String>) -> First {
        First
    }

    #[on_call("<img src=x onerror=pwned=13>")]
    fn call(_: &mut First, value: Hostile) -> (Hostile, Goto<Second>) {
        (value, Goto(Second))
    }

    #[on_call("__proto__")]
    fn proto(_: &mut Second, constructor: Hostile) -> Hostile {
        constructor
    }

    #[on_message("</script>")]
    fn message(_: &mut Second, Params(_): Params<Hostile>) -> Close {
        Close::new(4000, "hostile")
    }
}

#[tokio::main]
async fn main() -> ws_core::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let router = Router::new().mount::<Page>();
    let title = "<img src=x onerror=pwned=14>";
    router.docs_with("/docs", |document| document.title(title).description(title)).serve(addr).await
}
