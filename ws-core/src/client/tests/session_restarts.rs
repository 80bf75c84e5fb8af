//! Servers that stop, and name the time for their clients.

use futures_util::SinkExt;

use super::sessions::{Pair, Socket, accept_session, close, greeting, object, read};
use super::*;

#[tokio::test(start_paused = true)]
async fn server_that_stops_names_the_time() {
    let client = client(|number, io| async move {
        let (mut socket, offered) = accept_session(io).await;
        assert!(!offered.contains("resume"));
        socket.send(greeting(false, 0)).await.unwrap();
        if number == 1 {
            socket.send(object("{\"reconnect\":70000}")).await.unwrap();
            close(socket, 1012).await;
        } else {
            close(socket, 1000).await;
        }
    });
    let began = Instant::now();
    assert_eq!(client.run(Pair::default).await.unwrap().connections, 2);
    assert_eq!(began.elapsed(), Duration::from_secs(70));
}

/// The connection is lost before the close frame arrives: the client does not connect before the time either.
#[tokio::test(start_paused = true)]
async fn time_counts_without_a_close() {
    // The session waits for 30 s.
    for (seconds, end) in
        [(10, "superseded by a new session"), (70, "connection lost: unexpected end of file")]
    {
        let began = Instant::now();
        let client = client(move |number, io| async move {
            let (mut socket, offered) = accept_session(io).await;
            assert_eq!(offered.contains("resume"), number == 2 && seconds < 30);
            socket.send(greeting(false, 0)).await.unwrap();
            if number == 1 {
                let after = 1000 * seconds;
                socket.send(object(&format!("{{\"reconnect\":{after}}}"))).await.unwrap();
                read(&mut socket).await;
            } else {
                assert_eq!(began.elapsed(), Duration::from_secs(seconds));
                close(socket, 1000).await;
            }
        });
        let log = Log::default();
        assert_eq!(client.run(|| Pair(log.clone())).await.unwrap().connections, 2);
        assert_eq!(log.entries()[..3], ["open", "detach", end]);
    }
}

/// A session ends while a client connects again, so that the next one begins at once. A server that does so always gets
/// the delays of the policy.
#[tokio::test(start_paused = true)]
async fn restarts_do_not_follow_without_a_delay() {
    let client = client(|number, io| async move {
        let (mut socket, _) = accept_session(io).await;
        socket.send(greeting(false, 0)).await.unwrap();
        match number {
            ..4 => {
                socket.send(object("{\"reconnect\":0}")).await.unwrap();
                close(socket, 1012).await;
            }
            4 => {
                stay(&mut socket).await;
                socket.send(object("{\"reconnect\":0}")).await.unwrap();
                close(socket, 1012).await;
            }
            _ => close(socket, 1000).await,
        }
    });
    let policy = |disconnect: &Disconnect<'_>| {
        (disconnect.code() != Some(CloseCode::Normal)).then_some(Duration::from_secs(7))
    };
    let began = Instant::now();
    assert_eq!(client.reconnect(policy).run(Pair::default).await.unwrap().connections, 5);
    assert_eq!(began.elapsed(), Duration::from_secs(7 + 7 + 60));
}

/// A server that has stopped, and is there again before the end of the session.
#[tokio::test(start_paused = true)]
async fn resumed_session_forgets_the_time() {
    let client = client(|number, io| async move {
        let (mut socket, _) = accept_session(io).await;
        socket.send(greeting(number > 1, 0)).await.unwrap();
        match number {
            1 => {
                socket.send(object("{\"reconnect\":20000}")).await.unwrap();
                read(&mut socket).await;
            }
            2 => stay(&mut socket).await,
            _ => close(socket, 1000).await,
        }
    });
    let policy = |disconnect: &Disconnect<'_>| {
        (disconnect.code() != Some(CloseCode::Normal)).then_some(Duration::from_secs(7))
    };
    let began = Instant::now();
    assert_eq!(client.reconnect(policy).run(Pair::default).await.unwrap().connections, 3);
    assert_eq!(began.elapsed(), Duration::from_secs(20 + 60 + 7));
}

/// Reads for a minute, and so answers pings: a stable connection.
async fn stay(socket: &mut Socket) {
    let reading = async { while !read(socket).await.is_close() {} };
    tokio::time::timeout(Duration::from_secs(60), reading).await.unwrap_err();
}
