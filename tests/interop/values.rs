//! Arbitrary values for the generated client in TypeScript: `interop-values contract` prints the contract of their handler,
//! `interop-values lines COUNT SEED` values as lines of JSON, and `interop-values ADDR` serves the handler.

use std::env;
use std::error::Error;

use proptest::prelude::{Strategy, any};
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tests::values::{Mirror, Values};
use ws_core::Router;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let router = Router::new().mount::<Mirror>();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["contract"] => print!("{}", router.contract().to_json()),
        ["lines", count, seed] => {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&seed.parse::<u64>()?.to_le_bytes());
            let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
            let mut runner = TestRunner::new_with_rng(Config::default(), rng);
            for _ in 0..count.parse()? {
                let value = any::<Values>()
                    .new_tree(&mut runner)
                    .map_err(|reason| reason.message().to_owned())?
                    .current();
                println!("{}", serde_json::to_string(&value.for_javascript())?);
            }
        }
        [addr] => router.serve(addr).await?,
        _ => return Err("usage: interop-values contract | lines COUNT SEED | ADDR".into()),
    }
    Ok(())
}
