//! Memory of messages in parts.

use super::*;

/// Peak for any number of messages: the thread's buffers, one part that is inflated, and a codec.
const MOST_FOR_PARTS: usize = 512 << 10;

const UPLOADS: usize = 20;

/// Handler that stores no message.
#[websocket(path = "/parts", compress)]
#[derive(Default)]
struct InParts(usize);

#[websocket]
impl InParts {
    #[on_part]
    fn part(&mut self, part: Part<'_>) -> Option<String> {
        self.0 += part.len();
        part.is_last().then(|| self.0.to_string())
    }
}

/// Returns a server and connected clients.
fn begin(stage: &Stage, clients: usize) -> (Server, Vec<RawClient>) {
    stage.run(async {
        let server = serve(Router::new().mount::<InParts>()).await;
        let mut connected = Vec::new();
        for _ in 0..clients {
            connected.push(open(&server, "/parts").await);
        }
        (server, connected)
    })
}

#[test]
fn unfinished_uploads_hold_no_message() {
    let stage = Stage::new();
    let (_server, mut clients) = begin(&stage, UPLOADS);
    let mut upload = frame(0x02, &vec![7; 4 * MIB]);
    // The pong shows that all of the fragment was read.
    upload.extend(frame(0x89, b""));
    let peak = stage.peak(async {
        for client in &mut clients {
            client.send(&upload).await;
            assert_eq!(client.frame().await.unwrap().0, 0x8a);
        }
    });
    assert!(peak <= MOST_FOR_PARTS, "{peak} bytes, and not {MOST_FOR_PARTS}, for {UPLOADS} uploads");
}

#[test]
fn bomb_in_parts_stays_within_a_part() {
    let mut payload = zeros().repeat(64);
    payload.truncate(payload.len() - 4);
    let bomb = frame(0xc2, &payload);
    for segment in [bomb.len(), 1000] {
        let stage = Stage::new();
        let (_server, mut clients) = begin(&stage, 1);
        let peak = stage.peak(async {
            for segment in bomb.chunks(segment) {
                clients[0].send(segment).await;
            }
            let (_, payload) = clients[0].frame().await.expect("an answer");
            assert_eq!(payload, (64 * MIB).to_string().as_bytes());
        });
        assert!(peak <= MOST_FOR_PARTS, "{peak} bytes, and not {MOST_FOR_PARTS}");
    }
}
