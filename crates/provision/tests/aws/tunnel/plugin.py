"""Forwards as AWS's session-manager-plugin does, but to a server of the test's, and records how it was called."""

import json
import os
import signal
import socket
import sys
import threading

RECORD = os.environ.get("PLUGIN_RECORD", "")
BEHAVIOUR = os.environ.get("PLUGIN_BEHAVIOUR", "")
KEPT = []


def write(name, text):
    """In one step: the test may read at any moment."""
    with open(f"{RECORD}.new", "w") as file:
        file.write(text)
    os.replace(f"{RECORD}.new", f"{RECORD}.{name}")


def pipe(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def forward(near):
    if BEHAVIOUR == "unreachable":
        print("\nConnection to destination port failed, check SSM Agent logs.", flush=True)
        near.close()
        return
    if BEHAVIOUR == "silent":
        KEPT.append(near)
        return
    far = socket.create_connection(("127.0.0.1", int(os.environ["PLUGIN_TARGET"])))
    threading.Thread(target=pipe, args=(near, far), daemon=True).start()
    threading.Thread(target=pipe, args=(far, near), daemon=True).start()


def end(number, frame):
    write("end", "interrupted")
    os._exit(0)


def main():
    if sys.argv[1:] == ["--version"]:
        print(os.environ.get("PLUGIN_VERSION", "1.2.707.0"))
        return
    variable, region, operation, profile, request, endpoint = sys.argv[1:]
    response, request = json.loads(os.environ[variable]), json.loads(request)
    arguments = [variable, region, operation, profile, endpoint]
    write("start", json.dumps({"pid": os.getpid(), "arguments": arguments, "request": request, "response": response}))
    signal.signal(signal.SIGINT, end)
    print(f"\nStarting session with SessionId: {response['SessionId']}", flush=True)
    if BEHAVIOUR == "fails":
        print("Cannot perform start session: EOF", flush=True)
        return
    parameters = request["Parameters"]
    port = parameters["localPortNumber"][0]
    listener = socket.create_server(("127.0.0.1", int(port)))
    print(f"Port {port} opened for sessionId {response['SessionId']}.\nWaiting for connections...", flush=True)
    while True:
        forward(listener.accept()[0])


main()
