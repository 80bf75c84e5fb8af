//! The prompt, by a pipe.

use crate::{address, board, check, run_with, trouble};

#[test]
fn interactive_reads_a_pipe() {
    let input = "\
subscribe symbols=[\"AAPL\"]
call order {\"id\": 7, \"side\": \"buy\"}
answer 1 true
order id=8 side=buy
refuse #2 no
watch symbol=ACME
wait 2
describe closed
subscribe symbols=1
subscirbe
quit
never read
";
    let stdout = "\
price {\"symbol\":\"AAPL\",\"cents\":100}
subscribe -> 1
#1 confirm {\"order\":7}  (answer 1 boolean, or refuse 1)
order -> 7
#2 confirm {\"order\":8}  (answer 2 boolean, or refuse 2)
price {\"symbol\":\"ACME\",\"cents\":1}
closed null
message of the server: closed()
";
    let stderr = check(&["i", &board()], input, 1, stdout);
    for part in [
        "connected to ws://",
        "error: `order` failed: -32001 not confirmed\ndata: \"try again\"",
        "error: `symbols` is 1, and the contract says: string[]",
        "error: `subscirbe` is unknown; did you mean `subscribe`?",
        "error: 3 lines failed",
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
}

#[test]
fn wait_counts_messages_that_have_arrived() {
    // Both messages precede the answer, after which `wait` is read.
    let input = "subscribe [[\"A\", \"B\"]]\nwait\nwait 1\nwait 1\n";
    let stdout = "\
price {\"symbol\":\"A\",\"cents\":100}
price {\"symbol\":\"B\",\"cents\":101}
subscribe -> 2
";
    let stderr = check(&["i", &board(), "--timeout", "2s"], input, 3, stdout);
    assert!(
        stderr.contains("the messages did not arrive within 2s") && stderr.contains("error: 1 line failed")
    );
}

#[test]
fn interactive_sends_raw_text() {
    let url = format!("ws://{}/echo", address());
    check(&["i", &url], "said hello, {world\nwait\n", 0, "\"hello, {world\"\n");
}

#[test]
fn interactive_reconnects() {
    let stderr = check(&["i", &trouble()], "restart\nadd [1, 2]\n", 3, "add -> 3\n");
    for part in [
        "connection lost: closed by the server: 1012; the next attempt begins in ",
        "error: `restart` has no answer: the connection is lost",
        "\nconnected again\n",
        "error: 1 line failed",
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
}

#[test]
fn interactive_survives_the_end_of_the_connection() {
    let stderr =
        check(&["interactive", &trouble()], "leave\nadd [1, 2]\nconnect\nadd [1, 2]\n", 3, "add -> 3\n");
    for part in [
        "the connection has ended: closed by the server: 4401 (contract: log in first); `connect` connects again",
        "error: `leave` has no answer: the connection is lost",
        "error: there is no connection",
        "\nconnected\n",
        "error: 2 lines failed",
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
}

#[test]
fn interactive_knows_its_commands() {
    let output = run_with(&["i", &board()], b"help\ncalls\ndescribe order\nanswer 1\nanswer 5 true\n");
    let stdout = String::from_utf8(output.stdout).unwrap();
    for part in [
        "  describe NAME                   shows all about",
        "    order(id: integer (uint64), side: Side)",
        "call: order(id: integer (uint64), side: Side) -> integer (uint64)",
        "Side: {\"enum\":[\"buy\",\"sell\"],\"type\":\"string\"}",
        "error -32001 the user said no, with string",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    let stderr = String::from_utf8(output.stderr).unwrap();
    for part in ["the line is incomplete\nhelp: write `answer ID JSON`", "no call #5 of the server waits"] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
}
