"""Headless Chromium. Run with the path of the server beside this file, the script opens a page over
HTTP/2 and many sockets in streams of the same connection (RFC 8441). The server reports the HTTP version
of each; a socket over HTTP/1.1 fails. clients.py has its own page.
"""
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading


@contextlib.contextmanager
def at(url, *flags):
    """Runs the browser at a page until the block ends; returns the folder of its profile."""
    profile = tempfile.mkdtemp()
    browser = subprocess.Popen(
        ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         f"--user-data-dir={profile}", *flags, url],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield profile
    finally:
        browser.terminate()
        browser.wait()
        shutil.rmtree(profile, ignore_errors=True)


def name(agent):
    return "Chromium " + next(word for word in agent.split() if "Chrome/" in word).split("/")[1]


def main(path):
    server = subprocess.Popen([path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    patience = threading.Timer(120, server.kill)
    patience.start()
    try:
        port = int(server.stdout.readline())
        with at(f"https://127.0.0.1:{port}/", "--ignore-certificate-errors"):
            said = server.stdout.readline()
    finally:
        patience.cancel()
        server.kill()
        server.wait()
    assert said, "Chromium said nothing for two minutes"
    result = json.loads(said)
    assert "error" not in result, result["error"]
    print(f"{name(result['agent']):24} {result['checks']} checks   {result['extensions']}, "
          f"{result['sockets']} sockets over one HTTP/2 connection")


if __name__ == "__main__":
    main(sys.argv[1])
