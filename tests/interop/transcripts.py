"""The transcripts of curl in the README and in docs/fallbacks.md, against examples/hello and examples/chat: runs each command,
and compares what it prints. Tokens, positions and ids of members differ between runs.

    transcripts.py HELLO_HOST:PORT CHAT_HOST:PORT
"""
import pathlib
import re
import shlex
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).parents[2]
TOKEN = re.compile(r'"token":"([^"]*)"')
TIMEOUT = 10


def same(text):
    """Replaces what differs between two runs."""
    text = TOKEN.sub('"token":"TOKEN"', text)
    text = re.sub(r'"at":"[^"]*"', '"at":"POSITION"', text)
    return re.sub(r'"id":"[^"]*"', '"id":"MEMBER"', text)


class Curl:
    """A command of a transcript, and what it prints."""

    def __init__(self, command, servers, token):
        hello, chat = servers
        server = chat if "/rooms/" in command else hello
        command = command.replace("127.0.0.1:8080", server)
        if token:
            command = re.sub("Ws-Core-Session: (?!new)[^']*", f"Ws-Core-Session: {token}", command)
        program, *arguments = shlex.split(command)
        assert program == "curl", command
        self.text = ""
        self.process = subprocess.Popen(
            [program, "-sS", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, encoding="utf-8"
        )
        self.reader = threading.Thread(target=self.read)
        self.has_token = threading.Event()
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.text += line
            if TOKEN.search(line):
                self.has_token.set()

    def finish(self, expected):
        """Returns what is printed: all of it, or as many lines of a stream as are expected."""
        for _ in range(TIMEOUT * 20):
            if not self.reader.is_alive() or self.text.count("\n") >= expected.count("\n") > 0:
                break
            self.reader.join(0.05)
        self.process.kill()
        self.process.wait()
        self.reader.join()
        return self.text


def transcript(block):
    """Yields the commands of a block, each with its output."""
    for part in ("\n" + block).split("\n$ ")[1:]:
        command, _, output = part.replace("\\\n", "").partition("\n")
        yield command, output


def check(command, expected, printed):
    # The output ends in its transcript where the next command begins.
    expected, printed = same(expected).rstrip("\n"), same(printed).rstrip("\n")
    assert printed == expected, f"{command}\nprinted:\n{printed}\nexpected:\n{expected}"


def main(*servers):
    checks = 0
    readme = (ROOT / "README.md").read_text("utf-8")
    for command, comment in re.findall(r"^(curl .*?) +# (.*)$", readme, re.MULTILINE):
        curl = Curl(command, servers, None)
        check(command, comment, curl.finish(comment + "\n").split("\n")[0])
        checks += 1

    fallbacks = (ROOT / "docs/fallbacks.md").read_text("utf-8")
    streams, token = [], None
    for block in re.findall(r"^```text\n(\$ curl.*?)^```$", fallbacks, re.DOTALL | re.MULTILINE):
        for command, expected in transcript(block):
            curl = Curl(command, servers, token)
            checks += 1
            if "/rooms/" in command and " -N " in command:
                # This stream goes on beside the next commands.
                assert curl.has_token.wait(TIMEOUT), command
                token = TOKEN.search(curl.text).group(1)
                streams.append((command, expected, curl))
            else:
                check(command, expected, curl.finish(expected))
    for command, expected, curl in streams:
        check(command, expected, curl.finish(expected + "\nthe end of the stream\n" * 9))
    assert checks == 9, checks
    print(f"{'curl':24} {checks} commands of the README and the guide")


if __name__ == "__main__":
    main(*sys.argv[1:])
