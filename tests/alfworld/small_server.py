"""A web server for one file, on this machine, with the faults that a test asks for."""

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Served:
    """What the server offers, and what it was asked."""

    def __init__(self, content):
        self.content = content
        self.requests = []
        """The Range headers in order, None where there was none."""
        self.break_after = []
        """For each of the first answers: bytes after which the connection is cut."""
        self.status = []
        """For each of the first answers: an error to answer with instead, or None."""
        self.ranges = True
        self.url = ""


@contextmanager
def serve(content, name="games.zip"):
    served = Served(content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers.get("Range")
            served.requests.append(asked)
            status = served.status.pop(0) if served.status else None
            if status:
                self.send_error(status)
                return
            start = int(re.match(r"bytes=(\d+)-", asked)[1]) if asked and served.ranges else 0
            size = len(served.content)
            if start >= size > 0:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.send_header("Content-Length", str(size - start))
            self.end_headers()
            stop = start + served.break_after.pop(0) if served.break_after else size
            self.wfile.write(served.content[start:stop])
            # Returning before all announced bytes are sent closes the connection in the middle.

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}/{name}"
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
