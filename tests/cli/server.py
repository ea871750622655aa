"""A web server for the tests of `ingot model pull`: ranges, ETags, and connections that break off.

    server.py FOLDER PORT_FILE [BREAK_AFTER_BYTES [die]]

Serves FOLDER on a port of the loopback: the one that PORT_FILE names, else a free one, which is written there. Answers end
after BREAK_AFTER_BYTES bytes of their body; with "die", the server ends with the first of them. Each request is logged to stdout: path, Range and status. Ends after 60 s on its own.
"""
import http.server, os, sys, threading

folder, port_file = sys.argv[1], sys.argv[2]
limit = int(sys.argv[3]) if len(sys.argv) > 3 else None
die = sys.argv[4:] == ["die"]


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", headers=()):
        print(self.path, self.headers.get("Range", "-"), status, flush=True)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        broken = limit is not None and len(body) > limit
        self.wfile.write(body[:limit] if broken else body)
        if broken:
            self.close_connection = True
            self.wfile.flush()
            if die:
                os._exit(0)

    def do_GET(self):
        if self.path.startswith("/moved/"):
            return self.answer(302, headers=[("Location", self.path[6:])])
        if self.path.startswith("/local/"):
            return self.answer(302, headers=[("Location", "file://" + os.path.abspath(folder) + self.path[6:])])
        try:
            data = open(folder + self.path.split("?")[0], "rb").read()
        except OSError:
            return self.answer(404, b"<html>no such file</html>")
        etag = '"%d-%d"' % (len(data), sum(data[:1000]))
        wanted = self.headers.get("Range")
        if not wanted or self.headers.get("If-Range") != etag:
            return self.answer(200, data, [("ETag", etag)])
        begin = int(wanted.split("=")[1].split("-")[0])
        if begin >= len(data):
            return self.answer(416)
        where = "bytes %d-%d/%d" % (begin, len(data) - 1, len(data))
        self.answer(206, data[begin:], [("ETag", etag), ("Content-Range", where)])


port = int(open(port_file).read()) if os.path.exists(port_file) else 0
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
with open(port_file + ".new", "w") as f:
    f.write(str(server.server_address[1]))
os.rename(port_file + ".new", port_file)
open(port_file + ".ready", "w").close()
threading.Timer(60, lambda: os._exit(0)).start()
server.serve_forever()
