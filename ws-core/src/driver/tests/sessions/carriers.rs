//! The channel of the connection that carries a session, for the POSTs beside it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::duplex;
use tokio::time::{sleep, timeout};

use super::client::{Peer, Read};
use super::{S, frame, logged};
use crate::transport::session::{Attachment, SessionChannel};

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// Continues over a connection with a channel.
async fn attach(peer: &mut Peer, grace: Duration) -> Arc<SessionChannel> {
    let channel = Arc::new(SessionChannel::new(peer.received));
    let (client, server) = duplex(1 << 10);
    let stream = Attachment::new(Box::new(server), Vec::new(), peer.received, Some(CLIENT));
    let attachment = Attachment { channel: Some(Arc::clone(&channel)), grace, ..stream };
    peer.link.reserve(peer.received).expect("the session goes on").attach(attachment);
    peer.cut();
    peer.io = Some(client);
    peer.object("session").await;
    channel
}

#[tokio::test(start_paused = true)]
async fn channel_lives_as_long_as_its_connection_and_the_grace() {
    let mut peer = logged().await;
    let carrier = |peer: &Peer| (peer.link.channel().is_some(), peer.link.peer());
    assert_eq!(carrier(&peer), (false, None), "a connection of both directions needs no channel");

    let channel = attach(&mut peer, 5 * S).await;
    assert_eq!(carrier(&peer), (true, Some(CLIENT)));
    peer.send("one").await;
    assert_eq!(peer.text().await, "re: one");
    timeout(S, channel.wait(1, || peer.link.received())).await.expect("the channel learns of the message");
    peer.cut();
    sleep(4 * S).await;
    assert_eq!(carrier(&peer), (true, Some(CLIENT)), "the next poll may come");
    sleep(2 * S).await;
    assert_eq!(carrier(&peer), (false, None));

    // Without a grace, the end of the connection is that of the channel.
    attach(&mut peer, Duration::ZERO).await;
    assert_eq!(carrier(&peer), (true, Some(CLIENT)));
    peer.cut();
    sleep(S / 1000).await;
    assert_eq!(carrier(&peer), (false, None));

    // A WebSocket takes over.
    attach(&mut peer, Duration::ZERO).await;
    assert!(peer.resume().await);
    assert_eq!(carrier(&peer), (false, None));

    attach(&mut peer, Duration::ZERO).await;
    peer.raw(&frame(0x88, &1000_u16.to_be_bytes())).await;
    while peer.read().await != Read::Close(1000) {}
    assert_eq!(carrier(&peer), (false, None), "no POST reaches a session that is over");
}
