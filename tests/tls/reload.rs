//! Certificates that are loaded again.

use super::*;

#[tokio::test]
async fn reloads_the_certificate() {
    let setup = setup().await;
    let mut before = setup.socket().await;
    let old = setup.files.0.join("old.pem");
    fs::copy(setup.files.cert(), &old).unwrap();

    // Invalid files keep the old certificate.
    fs::write(setup.files.cert(), "nothing").unwrap();
    assert!(matches!(setup.tls.reload(), Err(Error::Tls(TlsError::NoCertificate(_)))));
    fs::remove_file(setup.files.key()).unwrap();
    assert!(setup.tls.reload().is_err());
    connect(setup.addr, &old, &[]).await.unwrap();

    setup.files.renew();
    // The new certificate is not used before a reload.
    connect(setup.addr, &old, &[]).await.unwrap();
    setup.tls.reload().unwrap();
    connect(setup.addr, &setup.files.cert(), &[]).await.unwrap();
    assert!(connect(setup.addr, &old, &[]).await.is_err());

    before.send("still here".into()).await.unwrap();
    assert_eq!(receive(&mut before).await, Message::from("still here"));
}

/// The key is a pipe, so that the first reload still reads when the second one begins.
#[cfg(unix)]
#[tokio::test]
async fn reload_that_begins_last_counts() {
    let Setup { addr, files, tls, .. } = &setup().await;
    let (old, key) = (files.0.join("old.pem"), fs::read(files.key()).unwrap());
    fs::copy(files.cert(), &old).unwrap();
    fs::remove_file(files.key()).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(files.key()).status().unwrap().success());
    let reload = || {
        let tls = tls.clone();
        std::thread::spawn(move || tls.reload())
    };
    let first = reload();
    // The pipe opens when the first reload has read the certificate.
    let mut pipe = fs::OpenOptions::new().write(true).open(files.key()).unwrap();
    fs::remove_file(files.key()).unwrap();
    files.renew();
    let second = reload();
    // Time for the second reload to end, which it must not.
    for _ in 0..20 {
        if !second.is_finished() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    std::io::Write::write_all(&mut pipe, &key).unwrap();
    drop(pipe);
    first.join().unwrap().unwrap();
    second.join().unwrap().unwrap();
    connect(*addr, &files.cert(), &[]).await.unwrap();
    assert!(connect(*addr, &old, &[]).await.is_err());
}
