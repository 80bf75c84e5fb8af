//! jsonrpsee, after its example `ws`.

use ::jsonrpsee::RpcModule;
use ::jsonrpsee::server::Server;

pub(super) async fn serve(addr: &str) -> std::io::Result<()> {
    let listener = super::listen(addr).await?.into_std()?;
    let server = Server::builder().build_from_tcp(listener)?;
    let mut module = RpcModule::new(());
    let add = module.register_method("add", |params, (), _| {
        let (a, b): (i64, i64) = params.parse()?;
        Ok::<_, ::jsonrpsee::types::ErrorObjectOwned>(a + b)
    });
    add.map_err(std::io::Error::other)?;
    server.start(module).stopped().await;
    Ok(())
}
