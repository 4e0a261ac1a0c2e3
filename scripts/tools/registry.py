"""A registry for one test: enough of the OCI distribution API for `helm push`, `helm pull`, `helm install` and the
push of an image.

usage: registry.py PORT-FILE    serves on a free port of 127.0.0.1 and writes the port into the file
"""

import hashlib
import itertools
import pathlib
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

BLOBS, MANIFESTS, PARTS, UPLOADS = {}, {}, {}, itertools.count()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def do_GET(self):
        path = urlparse(self.path).path
        if path == "/v2/":
            return self.answer(200)
        reference = path.rpartition("/")[2]
        if "/manifests/" in path and (found := MANIFESTS.get(path)):
            kind, data = found
            return self.answer(200, data, Content_Type=kind, Docker_Content_Digest=digest(data))
        if "/blobs/" in path and (data := BLOBS.get(reference)) is not None:
            return self.answer(200, data, Content_Type="application/octet-stream", Docker_Content_Digest=reference)
        if path.endswith("/tags/list"):
            return self.answer(200, b'{"name": "x", "tags": ["0.1.0"]}', Content_Type="application/json")
        return self.answer(404)

    do_HEAD = do_GET

    def do_POST(self):
        self.body()
        self.answer(202, Location=f"{urlparse(self.path).path.rstrip('/')}/{next(UPLOADS)}")

    # Where an upload is sent in parts, the last part is the PUT's.
    def do_PATCH(self):
        path = urlparse(self.path).path
        PARTS[path] = PARTS.get(path, b"") + self.body()
        self.answer(202, Location=path, Range=f"0-{len(PARTS[path]) - 1}")

    def do_PUT(self):
        url, data = urlparse(self.path), self.body()
        data = PARTS.pop(url.path, b"") + data
        if "/manifests/" in url.path:
            found = (self.headers["Content-Type"], data)
            MANIFESTS[url.path] = found
            MANIFESTS[url.path.rpartition("/")[0] + "/" + digest(data)] = found
            return self.answer(201, Location=url.path, Docker_Content_Digest=digest(data))
        wanted = parse_qs(url.query)["digest"][0]
        if digest(data) != wanted:
            return self.answer(400)
        BLOBS[wanted] = data
        return self.answer(201, Location=url.path, Docker_Content_Digest=wanted)


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
pathlib.Path(sys.argv[1]).write_text(str(server.server_port))
server.serve_forever()
