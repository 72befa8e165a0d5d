#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Passes one TCP connection on and counts what comes back.

    counting_proxy.py SERVER_PORT COUNT_FILE    prints the port to connect to; COUNT_FILE gets the bytes so far

A process of its own: a client that waits for the server holds Python's lock.
"""
import socket
import sys
import threading


def pump(source, target, count=None):
    total = 0
    while True:
        try:
            block = source.recv(1 << 16)
            if block:
                target.sendall(block)
        except OSError:
            block = b""
        if not block:
            break
        total += len(block)
        if count is not None:
            count.seek(0)
            count.write("%d\n" % total)
            count.flush()
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def main(server_port, path):
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    client, _ = listener.accept()
    server = socket.create_connection(("127.0.0.1", server_port))
    for end in (client, server):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with open(path, "w", encoding="ascii") as count:
        threading.Thread(target=pump, args=(client, server), daemon=True).start()
        pump(server, client, count)


main(int(sys.argv[1]), sys.argv[2])
