//! The policy, timeouts and the shutdown of a client.

use super::*;

/// Returns a policy that waits for a second, and logs the number of each attempt and its cause.
fn logging(log: &Log, ends_at: u32) -> impl Reconnect + use<> {
    let log = log.clone();
    move |disconnect: &Disconnect<'_>| {
        log.add(format!("{} {:?} {disconnect}", disconnect.attempt, disconnect.code().map(u16::from)));
        (disconnect.attempt < ends_at).then_some(Duration::from_secs(1))
    }
}

#[tokio::test(start_paused = true)]
async fn each_connection_has_a_new_handler() {
    let client = client(|number, io| serve(Closer(if number < 4 { 1012 } else { 1000 }), io));
    let (log, mut made) = (Log::default(), 0);
    let began = Instant::now();
    let ended = client
        .run(|| {
            made += 1;
            log.add(format!("handler {made}"));
            Logger(log.clone())
        })
        .await
        .unwrap();
    assert_eq!(ended.reason, CloseReason::Remote(Some(Close::default())));
    assert_eq!((ended.connections, ended.attempts, made), (4, 4, 4));
    assert_eq!(ended.to_string(), "closed by the server: 1000, after 4 connections");
    // At most 1 + 2 + 4 seconds.
    assert!(began.elapsed() <= Duration::from_secs(7), "{:?}", began.elapsed());
    let entries = log.entries();
    assert_eq!(entries[..3], ["handler 1", "open", "closed by the client: 1012"]);
    assert_eq!(entries.len(), 12);
}

#[tokio::test(start_paused = true)]
async fn the_policy_sees_each_end() {
    let log = Log::default();
    let client = client(|number, io| async move {
        match number {
            1 => drop(io),
            2 => serve(Closer(4001), io).await,
            3 => drop(accept(io).await),
            // A stable connection: the count begins anew.
            4 => {
                let stream = accept(io).await;
                tokio::time::sleep(Duration::from_secs(30)).await;
                drop(stream);
            }
            _ => serve(Closer(1013), io).await,
        }
    });
    let began = Instant::now();
    let ended = client.reconnect(logging(&log, 3)).run(Logger::default).await;
    // The third end without a stable connection.
    assert_eq!(ended.unwrap().reason, CloseReason::ConnectionLost(io::ErrorKind::UnexpectedEof));
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    let entries = log.entries();
    assert!(entries[0].starts_with("1 None "), "{entries:?}");
    assert_eq!(entries[1], "2 Some(4001) closed by the server: 4001");
    assert_eq!(entries.len(), 3, "{entries:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stable_connection_resets_the_count() {
    let log = Log::default();
    let client = client(|number, io| async move {
        let stream = accept(io).await;
        let uptime = if number == 3 { Duration::from_secs(30) } else { Duration::from_millis(29_999) };
        tokio::time::sleep(uptime).await;
        drop(stream);
    });
    _ = client.reconnect(logging(&log, 3)).run(Logger::default).await;
    let attempts: Vec<_> = log.entries().iter().map(|entry| entry[..1].to_owned()).collect();
    assert_eq!(attempts, ["1", "2", "1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_ends_in_time() {
    let silent = client(|_, mut io| async move { wait_closed(&mut io).await });
    let dripping = client(|_, mut io| async move {
        read_head(&mut io).await;
        while io.write_all(b"HTTP/1.1 101 x\r\n"[..1].as_ref()).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let stuck = Client::new("ws://server.test/").connector(std::future::pending::<io::Result<DuplexStream>>);
    for (client, seconds) in [(silent, 10), (dripping, 3), (stuck, 3)] {
        let began = Instant::now();
        let client = if seconds == 3 { client.connect_timeout(Duration::from_secs(3)) } else { client };
        let error = client.reconnect(|_: &Disconnect<'_>| None).run(Logger::default).await.unwrap_err();
        assert!(matches!(error, ConnectError::Timeout), "{error}");
        assert_eq!(began.elapsed(), Duration::from_secs(seconds));
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_closes_the_connection() {
    let reasons = Log::default();
    let server_log = reasons.clone();
    let client = client(move |_, io| serve(Logger(server_log.clone()), io));
    let log = Log::default();
    let stop = tokio::time::sleep(Duration::from_secs(5));
    let ended = client.run_with_shutdown(|| Logger(log.clone()), stop).await.unwrap();
    assert_eq!((ended.reason, ended.connections), (CloseReason::Shutdown, 1));
    assert_eq!(log.entries(), ["open", "server is shutting down"]);
    tokio::task::yield_now().await;
    assert_eq!(reasons.entries(), ["open", "closed by the client: 1001 \"client is shutting down\""]);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_attempts_and_delays() {
    for serves in [false, true] {
        let client = client(move |_, mut io| async move {
            if serves {
                drop(io);
            } else {
                wait_closed(&mut io).await;
            }
        });
        let client = client.reconnect(|_: &Disconnect<'_>| Some(Duration::from_secs(60)));
        let began = Instant::now();
        let stop = tokio::time::sleep(Duration::from_secs(2));
        let ended = client.run_with_shutdown(Logger::default, stop).await.unwrap();
        assert_eq!((ended.reason, ended.connections), (CloseReason::Shutdown, 0));
        assert_eq!((ended.attempts, began.elapsed()), (u64::from(serves), Duration::from_secs(2)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_ask_the_policy() {
    let log = Log::default();
    let client = client(|_, io| serve(Logger::default(), io)).reconnect(logging(&log, 9));
    let stop = tokio::time::sleep(Duration::from_secs(1));
    client.run_with_shutdown(Logger::default, stop).await.unwrap();
    assert_eq!(log.entries(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_busy_gets_its_time() {
    let began = Instant::now();
    let client = client(|number, mut io| async move {
        if number == 2 {
            return serve(Closer(1000), io).await;
        }
        read_head(&mut io).await;
        let refusal = b"HTTP/1.1 503 x\r\nretry-after: 20\r\ncontent-length: 0\r\n\r\n";
        io.write_all(refusal).await.unwrap();
    });
    assert_eq!(client.run(Logger::default).await.unwrap().attempts, 2);
    assert!((20..=21).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn permanent_errors_end_the_client() {
    let redirect = client(|_, mut io| async move {
        read_head(&mut io).await;
        let response = b"HTTP/1.1 302 Found\r\nlocation: https://user:pw@b.example/login?token=secret\r\ncontent-length: 4\r\n\r\nmove";
        io.write_all(response).await.unwrap();
        wait_closed(&mut io).await;
    });
    let error = redirect.run(Logger::default).await.unwrap_err();
    let text = "the server answered with 302 Found to https://b.example/login; redirects are not followed";
    assert_eq!(error.to_string(), text);
    let ConnectError::Rejected { status, body, .. } = error else { panic!("{error}") };
    assert_eq!((status, &*body), (StatusCode::FOUND, &b"move"[..]));
    for client in [
        Client::new("ws://a.example/#top"),
        Client::new("ws://a.example/").header("connection", "close"),
        Client::new("ws://a.example/").subprotocol("a b"),
        Client::new("ws://a.example/").proxy("socks5://127.0.0.1:1"),
        Client::new("ws://a.example/").proxy("ftp://user:secret@127.0.0.1"),
    ] {
        let error = client.run(Logger::default).await.unwrap_err();
        assert!(error.is_permanent() && !error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn debug_output_has_no_secrets() {
    let client = Client::new("wss://a.example/feed?token=secret")
        .header("authorization", "Bearer secret")
        .proxy("http://user:secret@proxy.example:3128");
    let output = format!("{client:?}");
    assert!(output.contains("a.example") && output.contains("http://proxy.example:3128"), "{output}");
    assert!(!output.contains("secret"), "{output}");
}
