#!/usr/bin/env python3
"""Cluster DNS of the tests' node: the A records of Services, as small as Flink's native mode and headless Services need.

dns.py ADDRESS      answers on UDP port 53 of ADDRESS; reads Services and EndpointSlices with kubectl (KUBECONFIG)

SERVICE.NAMESPACE.svc.cluster.local is the cluster IP, or of a headless Service the addresses of its pods: those that are ready,
or all of them with publishNotReadyAddresses. Other names do not exist: nothing leads out of the node.
"""
import json
import socket
import struct
import subprocess
import sys
import threading
import time

DOMAIN = ".svc.cluster.local"
A, ANY, IN = 1, 255, 1
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3


def read():
    """name -> addresses"""
    text = subprocess.run(
        ["kubectl", "get", "services,endpointslices", "--all-namespaces", "--output=json"],
        check=True, capture_output=True, timeout=10,
    ).stdout
    names, headless = {}, {}
    items = json.loads(text)["items"]
    for item in (item for item in items if item["kind"] == "Service"):
        name = f"{item['metadata']['name']}.{item['metadata']['namespace']}{DOMAIN}"
        address = item["spec"].get("clusterIP")
        names[name] = [] if address in (None, "", "None") else [address]
        if address == "None":
            headless[name] = item["spec"].get("publishNotReadyAddresses", False)
    for item in (item for item in items if item["kind"] == "EndpointSlice"):
        service = item["metadata"].get("labels", {}).get("kubernetes.io/service-name")
        name = f"{service}.{item['metadata']['namespace']}{DOMAIN}"
        for endpoint in item.get("endpoints") or []:
            if name in headless and (headless[name] or endpoint.get("conditions", {}).get("ready", True)):
                names[name] += [address for address in endpoint["addresses"] if address not in names[name]]
    return names


class Names:
    """What is known, no older than half a second."""

    def __init__(self):
        self.lock, self.read_at, self.names = threading.Lock(), 0.0, {}

    def look_up(self, name):
        with self.lock:
            if time.monotonic() - self.read_at > 0.5:
                self.names, self.read_at = read(), time.monotonic()
            return self.names.get(name)


def question(packet):
    """(name, type, class, where the question ends)"""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode("ascii", "replace").lower())
        at += 1 + packet[at]
    kind, of = struct.unpack_from("!HH", packet, at + 1)
    return ".".join(labels), kind, of, at + 5


def answer(packet, names):
    name, kind, of, end = question(packet)
    code, addresses = NO_ERROR, []
    try:
        addresses = names.look_up(name)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        print(f"{name}: {error}", flush=True)
        code = SERVER_FAILURE
    if addresses is None:
        code, addresses = NO_SUCH_NAME, []
    if kind not in (A, ANY) or of != IN:
        addresses = []
    flags = 0x8580 | code
    head = packet[:2] + struct.pack("!HHHHH", flags, 1, len(addresses), 0, 0)
    records = b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH", A, IN, 1, 4) + socket.inet_aton(address) for address in addresses
    )
    return head + packet[12:end] + records


def main():
    names = Names()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((sys.argv[1], 53))

    def serve(packet, client):
        try:
            server.sendto(answer(packet, names), client)
        except (IndexError, struct.error):
            print(f"no question from {client}", flush=True)

    while True:
        packet, client = server.recvfrom(4096)
        threading.Thread(target=serve, args=(packet, client), daemon=True).start()


main()
