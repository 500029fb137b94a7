"""A network camera on loopback whose pictures show the time at which they were made; for tests and benchmarks.

    python tests/client/showing_camera.py mjpeg|rtsp PORT [FPS]

Each picture shows the milliseconds of the monotonic clock as 24 bright or dark fields, so that a reader on the same
machine can tell how old it is. As real cameras do, this one drops a picture that its connection does not take.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import socket
import threading
import time
from fractions import Fraction

import av
import cv2
import numpy as np

WIDTH_PX, HEIGHT_PX = 320, 240
COLUMNS, ROWS = 6, 4
NUM_FIELDS = COLUMNS * ROWS
_FIELD = np.s_[8:-8, 8:-8]
_HTTP = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=next\r\n\r\n"


def now_ms():
    return time.monotonic_ns() // 1_000_000


def picture_of(shown_ms):
    """A picture that shows a time, half of it under noise, so that it has a street's bit rate."""
    bits = [(shown_ms >> bit) & 1 for bit in range(NUM_FIELDS)]
    fields = np.array(bits, np.uint8).reshape(ROWS, COLUMNS) * 160 + 40
    image = cv2.resize(fields, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_NEAREST)
    noise = np.random.default_rng(shown_ms).integers(0, 30, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    return image[..., None] + noise


def shown_ms_of(image):
    """The time that a picture shows (ms, modulo 2^24)."""
    grey = cv2.resize(image, (WIDTH_PX, HEIGHT_PX)).mean(axis=2)
    fields = [
        field[_FIELD].mean() > 135
        for row in np.split(grey, ROWS)
        for field in np.hsplit(row[:, : WIDTH_PX - WIDTH_PX % COLUMNS], COLUMNS)
    ]
    return sum(1 << bit for bit, is_set in enumerate(fields) if is_set)


def age_ms(image, at_ms):
    """How old a picture is at a time of the monotonic clock."""
    age = (at_ms - shown_ms_of(image)) % (1 << NUM_FIELDS)
    return age if age < 1 << NUM_FIELDS - 1 else age - (1 << NUM_FIELDS)


class ShowingCamera:
    """The camera; a context manager. Its members may be set while it runs.

    Attributes:
        port: where it listens.
        is_frozen: keeps its connections and sends nothing.
        num_cut_short: of how many of the next pictures only the beginning is sent (MJPEG).
        has_first_boundary: sends a boundary before the first picture too (MJPEG).
        is_without_tables: leaves the standard Huffman tables out (MJPEG).
        num_readers: how many have come.
        num_sent: pictures.
    """

    def __init__(self, kind, fps=30.0, port=0, pace_ratio=1.0):
        """Prepares the camera; with a `pace_ratio` of 1.01 its own clock is 1 % fast (RTSP)."""
        self.kind, self.fps, self.port = kind, fps, port
        self.is_frozen = self.is_without_tables = False
        self.has_first_boundary = True
        self.num_cut_short = self.num_readers = self.num_sent = 0
        self._pace_ratio = pace_ratio
        self._listener = None
        self._connections = []
        self._threads = []
        self._lock = threading.Lock()

    @property
    def address(self):
        scheme = {"mjpeg": "http", "rtsp": "rtsp"}[self.kind]
        return f"{scheme}://viewer:secret@127.0.0.1:{self.port}/live"

    def __enter__(self):
        self.switch_on()
        return self

    def __exit__(self, *_):
        self.switch_off()

    def switch_on(self):
        """Listens, at the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        listening = threading.Thread(target=self._listen, args=(self._listener,), daemon=True)
        listening.start()

    def switch_off(self):
        """Vanishes, as when its plug is pulled and the switch tells everybody."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(5)

    def hang_up(self):
        """Ends the connections it has."""
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _listen(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.append(connection)
            self.num_readers += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            encode = (
                self._greet_http(connection) if self.kind == "mjpeg" else _rtsp(connection, self)
            )
            start, rest = time.monotonic(), b""
            for k in range(1 << 62):
                time.sleep(max(0.0, start + k / self.fps - time.monotonic()))
                if self.is_frozen:
                    continue
                data = encode(now_ms())
                rest = _send_some(connection, rest)
                if not rest:
                    rest = _send_some(connection, data)
                    self.num_sent += 1

    def _greet_http(self, connection):
        reader = connection.makefile("rb")
        while reader.readline().strip():
            pass
        connection.sendall(_HTTP + b"--next\r\n" * self.has_first_boundary)
        return self._part

    def _part(self, shown_ms):
        jpeg = cv2.imencode(".jpg", picture_of(shown_ms), [cv2.IMWRITE_JPEG_QUALITY, 80])[
            1
        ].tobytes()
        if self.is_without_tables:
            jpeg = without_tables(jpeg)
        if self.num_cut_short:
            self.num_cut_short -= 1
            jpeg = jpeg[: len(jpeg) // 2]
        head = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
        return head + jpeg + b"\r\n--next\r\n"


def without_tables(jpeg):
    """A JPEG as webcams send it: its Huffman tables are the standard ones, and left out."""
    kept, position = [jpeg[:2]], 2
    while jpeg[position + 1] != 0xDA:
        end = position + 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
        if jpeg[position + 1] != 0xC4:
            kept.append(jpeg[position:end])
        position = end
    return b"".join(kept) + jpeg[position:]


def _send_some(connection, data):
    """Sends what the connection takes at once; returns the rest."""
    with contextlib.suppress(BlockingIOError):
        while data:
            data = data[connection.send(data, socket.MSG_DONTWAIT) :]
    return data


def _rtsp(connection, camera):
    """Answers until PLAY; returns what turns a time into the RTP packets of its picture."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 90_000), Fraction(30)
    encoder.options = {
        "preset": "ultrafast", "tune": "zerolatency", "g": "15", "crf": "28",
        "x264-params": "threads=1:repeat-headers=1",
    }  # fmt: skip

    def nals(shown_ms):
        frame = av.VideoFrame.from_ndarray(picture_of(shown_ms), format="bgr24")
        frame.pts = shown_ms * 90
        data = b"".join(
            bytes(packet) for packet in encoder.encode(frame.reformat(format="yuv420p"))
        )
        return [nal for nal in data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if nal]

    sets = [base64.b64encode(nal).decode() for nal in nals(now_ms()) if nal[0] & 31 in (7, 8)]
    description = (
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=showing\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
        "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets="
        f"{','.join(sets)}\r\na=control:video\r\n"
    )
    replies = {
        "OPTIONS": ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN", ""),
        "DESCRIBE": ("Content-Type: application/sdp", description),
        "SETUP": ("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 7", ""),
        "PLAY": ("Session: 7", ""),
    }
    reader = connection.makefile("rb")
    method = ""
    while method != "PLAY":
        request = []
        while line := reader.readline().strip():
            request.append(line.decode())
        if not request:
            raise ConnectionResetError
        method = request[0].split()[0]
        number = next(line for line in request if line.lower().startswith("cseq"))
        head, body = replies[method]
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        connection.sendall(f"RTSP/1.0 200 OK\r\n{number}\r\n{head}\r\n{length}\r\n{body}".encode())
    sequence, start_ms = 0, now_ms()

    def packets(shown_ms):
        nonlocal sequence
        out = io.BytesIO()
        parts = nals(shown_ms)
        time_90 = round((shown_ms - start_ms) * 90 * camera._pace_ratio) + 12_345
        for part in parts:
            is_last = part is parts[-1]
            head = bytes([0x80, 96 | (0x80 if is_last else 0)]) + sequence.to_bytes(2, "big")
            head += (time_90 & 0xFFFF_FFFF).to_bytes(4, "big") + b"SHOW"
            sequence = (sequence + 1) & 0xFFFF
            out.write(b"$\0" + (len(head) + len(part)).to_bytes(2, "big") + head + part)
        return out.getvalue()

    return packets


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("mjpeg", "rtsp"))
    parser.add_argument("port", type=int)
    parser.add_argument("fps", type=float, nargs="?", default=30.0)
    options = parser.parse_args()
    with ShowingCamera(options.kind, options.fps, options.port):
        print("ready", flush=True)  # noqa: T201 whoever started it waits for that
        threading.Event().wait()


if __name__ == "__main__":
    main()
