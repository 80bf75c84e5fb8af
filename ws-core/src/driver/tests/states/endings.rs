//! Transitions of a connection that ends: cancellation, panics, and closes.

use super::*;

#[tokio::test(start_paused = true)]
async fn cancelled_on_enter_has_entered() {
    let mut peer = guest().await;
    peer.send("forever").await;
    peer.expect(&["before", "after", "leave guest"]).await;
    peer.close(1000).await;
    assert_eq!(peer.closed().await, 1000);
    assert_eq!(peer.events().await.last().unwrap(), "close of forever");
}

#[tokio::test(start_paused = true)]
async fn cancelled_on_leave_has_not_left() {
    let mut peer = member("stuck").await;
    peer.send("bye").await;
    sleep(SECOND).await;
    peer.close(1000).await;
    assert_eq!(peer.closed().await, 1000);
    assert_eq!(peer.events().await.last().unwrap(), "close of stuck");
}

#[tokio::test(start_paused = true)]
async fn panic_in_on_enter_closes_in_the_new_state() {
    let mut peer = guest().await;
    peer.send("panic").await;
    peer.expect(&["before", "after", "leave guest"]).await;
    assert_eq!(peer.closed().await, 1011);
    assert_eq!(peer.events().await.last().unwrap(), "close of panic");
}

#[tokio::test(start_paused = true)]
async fn panic_of_an_old_value_closes_in_the_new_state() {
    let mut peer = member("bomb").await;
    peer.send("bye").await;
    assert_eq!(peer.closed().await, 1011);
    assert_eq!(peer.events().await.last().unwrap(), "close of guest");
}

#[tokio::test(start_paused = true)]
async fn close_of_on_leave_stays_in_the_state() {
    let mut peer = member("sticky").await;
    peer.send("bye").await;
    assert_eq!(peer.closed().await, 4001);
    assert_eq!(peer.events().await.last().unwrap(), "close of sticky");
}

#[tokio::test(start_paused = true)]
async fn close_beside_a_goto_stays_in_the_state() {
    let mut peer = guest().await;
    peer.send("close").await;
    assert_eq!(peer.closed().await, 4000);
    assert_eq!(peer.events().await, ["close of guest"]);
}
