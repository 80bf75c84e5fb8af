//! Servers that require credentials or TLS.

use std::path::{Path, PathBuf};

use ws_core::async_nats::ConnectOptions;

use super::*;

/// The seed of a user key that was generated for these tests, and its public key.
const SEED: &str = "SUAMHHB5PFWJV5FFCUEWGG5Q4MEJINKLE7JCSYFIG3XSZXQQPSWG76DEOE";
const USER: &str = "UA6UYY4QOPKZOASVCKHD2GMP4R4MKLZRPNTS3EBQBNW5WH65SKUL73BD";
/// The chain of trust: the operator signs the account, the account signs the user.
const OPERATOR: &str = "\
     eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiJvcGVyYXRvciIsImlhdCI6MTcwMDAwMDAwM\
     CwiaXNzIjoiT0NVWkk1SldUNVk0TkZXRVk3VFU0UlVTVUJLSVhaTFNYTERJTEJZM1FaR1pGSFQyUFFKNEdIQ04iLCJuY\
     W1lIjoib3BlcmF0b3IiLCJzdWIiOiJPQ1VaSTVKV1Q1WTRORldFWTdUVTRSVVNVQktJWFpMU1hMRElMQlkzUVpHWkZIV\
     DJQUUo0R0hDTiIsIm5hdHMiOnsidHlwZSI6Im9wZXJhdG9yIiwidmVyc2lvbiI6Mn19.U15yIXZJrMFhQlMXMXEemiEz\
     TeAgGAWzIfPG7TDAuoS7FszEsqs3KlvyGXaKZXvgXSlEDuBWTc0BT6SSPzktAg";
const ACCOUNT: &str = "AABYTPWZYKS55VZVRBLY35IVS3WW4Z4A4SOXLXZO4EHHOLTHS2GZZWXW";
const ACCOUNT_TOKEN: &str = "\
     eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiJhY2NvdW50IiwiaWF0IjoxNzAwMDAwMDAwL\
     CJpc3MiOiJPQ1VaSTVKV1Q1WTRORldFWTdUVTRSVVNVQktJWFpMU1hMRElMQlkzUVpHWkZIVDJQUUo0R0hDTiIsIm5hb\
     WUiOiJhY2NvdW50Iiwic3ViIjoiQUFCWVRQV1pZS1M1NVZaVlJCTFkzNUlWUzNXVzRaNEE0U09YTFhaTzRFSEhPTFRIU\
     zJHWlpXWFciLCJuYXRzIjp7ImxpbWl0cyI6eyJzdWJzIjotMSwiZGF0YSI6LTEsInBheWxvYWQiOi0xLCJpbXBvcnRzI\
     jotMSwiZXhwb3J0cyI6LTEsIndpbGRjYXJkcyI6dHJ1ZSwiY29ubiI6LTEsImxlYWYiOi0xfSwidHlwZSI6ImFjY291b\
     nQiLCJ2ZXJzaW9uIjoyfX0.HSd-k8qLtYtZjUy4RQcLniryX0JJ0x-2xU7PfpDFsI3WenYwC1RhPlpRiK6aifWpjXacP\
     MeO2TNdDwGkSuSKCg";
const USER_TOKEN: &str = "\
     eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiJ1c2VyIiwiaWF0IjoxNzAwMDAwMDAwLCJpc\
     3MiOiJBQUJZVFBXWllLUzU1VlpWUkJMWTM1SVZTM1dXNFo0QTRTT1hMWFpPNEVISE9MVEhTMkdaWldYVyIsIm5hbWUiO\
     iJ1c2VyIiwic3ViIjoiVUE2VVlZNFFPUEtaT0FTVkNLSEQyR01QNFI0TUtMWlJQTlRTM0VCUUJOVzVXSDY1U0tVTDczQ\
     kQiLCJuYXRzIjp7InN1YnMiOi0xLCJkYXRhIjotMSwicGF5bG9hZCI6LTEsInR5cGUiOiJ1c2VyIiwidmVyc2lvbiI6M\
     n19.O0PRYoBqYbLJsQQ6oOzkA28T1JZBtUmkjpshVj1r0kdvkgZQLxDJHs5IFUuNWD4Afwv2qZpr4NVORmZHV906Dw";

/// Checks that the hub works.
async fn check(hub: &Hub) {
    let room = hub.topic::<String>("room");
    let mut session = Session::subscriber(&room).await;
    room.publish("hello".into()).unwrap();
    session.expect_message("hello").await;
}

/// Returns the error text of a rejected connection, and checks that it contains no secret.
#[track_caller]
fn error(hub: Result<Hub, HubError>, nats: &NatsServer) -> String {
    let error = hub.map(drop).unwrap_err();
    let text = error.to_string();
    let begin = format!("cannot connect to NATS at 127.0.0.1:{}: ", nats.port);
    assert!(text.starts_with(&begin), "{text}");
    assert!(!text.contains("secret") && !format!("{error:?}").contains("secret"), "{error:?}");
    text
}

fn with(nats: &NatsServer, user: &str) -> String {
    nats.url().replace("://", &format!("://{user}@"))
}

#[tokio::test]
async fn user_and_password_come_from_the_address_or_the_options() {
    let config = r#"authorization { user: "chat", password: "secret:/@%" }"#;
    let Some(nats) = NatsServer::start_with(config).await else { return };
    check(&Hub::nats(&with(&nats, "chat:secret%3A%2F%40%25")).await.unwrap()).await;
    let options = ConnectOptions::with_user_and_password("chat".into(), "secret:/@%".into());
    check(&Hub::nats_with(options, &nats.url()).await.unwrap()).await;
    for url in [with(&nats, "chat:secret"), with(&nats, "secret"), nats.url()] {
        let text = error(Hub::nats(&url).await, &nats);
        assert!(text.contains("authorization violation"), "{text}");
        assert!(text.contains("`nats://user:password@host`") && text.contains("nats_with"), "{text}");
    }
}

#[tokio::test]
async fn token_comes_from_the_address_or_the_options() {
    let Some(nats) = NatsServer::start_with(r#"authorization { token: "secret" }"#).await else { return };
    check(&Hub::nats(&with(&nats, "secret")).await.unwrap()).await;
    check(&Hub::nats_with(ConnectOptions::with_token("secret".into()), &nats.url()).await.unwrap()).await;
    error(Hub::nats(&with(&nats, "secrets")).await, &nats);
}

#[tokio::test]
async fn nkeys_and_credentials_files_are_accepted() {
    let config = format!("authorization {{ users: [ {{ nkey: {USER} }} ] }}");
    let Some(nats) = NatsServer::start_with(&config).await else { return };
    check(&Hub::nats_with(ConnectOptions::with_nkey(SEED.into()), &nats.url()).await.unwrap()).await;
    error(Hub::nats(&nats.url()).await, &nats);
    drop(nats);

    // This account has no JetStream limits, so the hub has neither histories nor presence.
    let config =
        format!("operator: {OPERATOR}\nresolver: MEMORY\nresolver_preload: {{ {ACCOUNT}: {ACCOUNT_TOKEN} }}");
    let Some(nats) = NatsServer::start_with(&config).await else { return };
    let credentials = format!(
        "-----BEGIN NATS USER JWT-----\n{USER_TOKEN}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
    );
    let file = nats.folder().join("chat.creds");
    std::fs::write(&file, credentials).unwrap();
    let options = ConnectOptions::with_credentials_file(&file).await.unwrap();
    check(&Hub::nats_with(options, &nats.url()).await.unwrap()).await;
    error(Hub::nats_with(ConnectOptions::with_nkey(SEED.into()), &nats.url()).await, &nats);
}

/// Creates a certificate authority and writes `NAME.pem` and `NAME.key` for each name. Returns the path of
/// the authority's certificate, `ca.pem`.
fn certificates(folder: &Path, hosts: &[(&str, &str)]) -> PathBuf {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let authority = rcgen::CertifiedIssuer::self_signed(authority, key).unwrap();
    for (name, host) in hosts {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![(*host).to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    folder.join("ca.pem")
}

/// A folder for certificates, which exist before the server does. Dropping it deletes the folder.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ws-nats-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// Returns the part of a server configuration that names a certificate.
    fn tls(&self, name: &str, more: &str) -> String {
        let path = self.0.join(name);
        let path = path.display();
        format!("tls {{ cert_file: \"{path}.pem\", key_file: \"{path}.key\", timeout: 30, {more} }}")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn server_certificates_are_verified() {
    let folder = Folder::new("certificates");
    let ca = certificates(&folder.0, &[("server", "127.0.0.1"), ("other", "example.com")]);
    let trusting = || ConnectOptions::new().add_root_certificates(ca.clone());
    let Some(nats) = NatsServer::start_with(&folder.tls("server", "")).await else { return };
    let tls = nats.url().replace("nats://", "tls://");
    check(&Hub::nats_with(trusting(), &tls).await.unwrap()).await;
    // The server itself requires TLS.
    check(&Hub::nats_with(trusting(), &nats.url()).await.unwrap()).await;
    // This process does not trust the authority.
    for url in [&tls, &nats.url()] {
        let text = error(Hub::nats(url).await, &nats);
        assert!(text.contains("UnknownIssuer") && text.contains("`add_root_certificates`"), "{text}");
    }
    let nowhere = ConnectOptions::new().add_root_certificates(folder.0.join("nowhere.pem"));
    let text = error(Hub::nats_with(nowhere, &tls).await, &nats);
    assert!(text.contains("No such file"), "{text}");
    drop(nats);

    // The certificate is for another host.
    let Some(nats) = NatsServer::start_with(&folder.tls("other", "")).await else { return };
    let text = error(Hub::nats_with(trusting(), &nats.url()).await, &nats);
    assert!(text.contains("not valid for name") && text.contains("`add_root_certificates`"), "{text}");
}

#[tokio::test]
async fn server_can_require_a_client_certificate() {
    let folder = Folder::new("client");
    let ca = certificates(&folder.0, &[("server", "127.0.0.1"), ("client", "chat")]);
    let verify = format!("verify: true, ca_file: \"{}\"", ca.display());
    let Some(nats) = NatsServer::start_with(&folder.tls("server", &verify)).await else { return };
    let options = || ConnectOptions::new().add_root_certificates(ca.clone());
    let known = options().add_client_certificate(folder.0.join("client.pem"), folder.0.join("client.key"));
    check(&Hub::nats_with(known, &nats.url()).await.unwrap()).await;
    let text = error(Hub::nats_with(options(), &nats.url()).await, &nats);
    assert!(text.contains("`add_client_certificate`"), "{text}");
}

#[tokio::test]
async fn one_tls_address_requires_tls_from_all_servers() {
    let Some(nats) = NatsServer::start().await else { return };
    let text = error(Hub::nats(&nats.url().replace("nats://", "tls://")).await, &nats);
    assert!(text.contains("TLS"), "{text}");
    // If one address of a cluster requires TLS, the hub connects to no server without TLS.
    let hub = Hub::nats(&format!("tls://127.0.0.1:1, {}", nats.url())).await;
    let text = hub.map(drop).unwrap_err().to_string();
    assert!(text.contains(&format!("127.0.0.1:1, 127.0.0.1:{}", nats.port)), "{text}");
}

#[tokio::test]
async fn one_reachable_server_of_a_list_is_enough() {
    let Some(nats) = NatsServer::start().await else { return };
    check(&Hub::nats(&format!("nats://127.0.0.1:1, {},127.0.0.1:2", nats.url())).await.unwrap()).await;
}
