"""The tools of the faults, each alone: what is said to fail does, and nothing else."""

import http.client
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from xml.etree import ElementTree

from chaos.bucket import BUCKET, PAGE, Bucket
from chaos.member import build_shims
from chaos.proxy import HOST, Proxies

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def entered(case, block):
    """Enters a block that lasts as long as the test."""
    value = block.__enter__()
    case.addCleanup(block.__exit__, None, None, None)
    return value


class Echo:
    """A server that sends back what it gets, as a block."""

    def __enter__(self):
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def serve(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.echo, args=(link,), daemon=True).start()

    @staticmethod
    def echo(link):
        try:
            while chunk := link.recv(4096):
                link.sendall(chunk)
        except OSError:
            pass
        link.close()


class Proxied(unittest.TestCase):
    def setUp(self):
        self.echo = entered(self, Echo())
        proxies = entered(self, Proxies(1))
        proxies.in_front_of([self.echo.port])
        (self.proxy,) = proxies.all
        self.link = entered(self, socket.create_connection((HOST, self.proxy.port), 3))

    def asked(self, question=b"hello"):
        began = time.monotonic()
        self.link.sendall(question)
        return self.link.recv(4096), time.monotonic() - began

    def test_without_a_fault_everything_passes(self):
        self.assertEqual(self.asked()[0], b"hello")
        self.assertEqual(self.proxy.touched, 0)

    def test_a_stall_holds_bytes_back_and_loses_none(self):
        self.assertEqual(self.asked()[0], b"hello")
        self.proxy.stall(True)
        threading.Timer(0.4, self.proxy.stall, [False]).start()
        answer, took = self.asked()
        self.assertEqual(answer, b"hello")
        self.assertGreater(took, 0.3)
        self.assertGreater(self.proxy.touched, 0)

    def test_a_delay_is_one_for_each_direction(self):
        self.proxy.delay = 0.2
        answer, took = self.asked()
        self.assertEqual(answer, b"hello")
        self.assertGreater(took, 0.35)
        self.assertGreater(self.proxy.touched, 0)

    def test_a_cut_ends_the_connection_with_the_next_chunk(self):
        self.assertEqual(self.asked()[0], b"hello")
        self.proxy.cut()
        time.sleep(0.1)
        with self.assertRaises(ConnectionResetError):
            while self.asked()[0]:
                pass
        self.assertGreater(self.proxy.touched, 0)

    def test_a_half_closed_connection_has_ended_for_the_client(self):
        self.assertEqual(self.asked()[0], b"hello")
        self.proxy.half_close()
        self.assertEqual(self.link.recv(4096), b"")
        self.assertEqual(self.proxy.touched, 1)


class Buckets(unittest.TestCase):
    def setUp(self):
        directory = entered(self, tempfile.TemporaryDirectory())
        self.bucket = entered(self, Bucket(directory, 1))
        self.assertEqual(self.ask("PUT", "there", b"x" * 100), (200, b""))

    def ask(self, method, key, body=None, timeout=5, **headers):
        link = http.client.HTTPConnection(self.bucket.url.removeprefix("http://"), timeout=timeout)
        try:
            link.request(method, f"/{BUCKET}/{key}", body, {"If-None-Match": "*"} | headers)
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()

    def test_an_object_is_created_once(self):
        self.assertEqual(self.ask("PUT", "there", b"y")[0], 412)
        self.assertEqual(self.ask("GET", "there"), (200, b"x" * 100))

    def test_a_listing_shows_what_is_there(self):
        status, listing = self.ask("GET", "?list-type=2&prefix=the")
        self.assertEqual(status, 200)
        self.assertIn(b"<Key>there</Key>", listing)
        self.assertNotIn(b"<Key>", self.ask("GET", "?list-type=2&prefix=else")[1])

    def test_a_listing_comes_in_pages_and_each_object_once(self):
        for number in range(2 * PAGE + 1):
            self.ask("PUT", f"below/{number:04}", b"")
        found, query = [], "?list-type=2&prefix=below/"
        while query:
            listing = ElementTree.fromstring(self.ask("GET", query)[1])
            found.append([key.text for key in listing.iter(f"{{{NAMESPACE}}}Key")])
            token = listing.findtext(f"{{{NAMESPACE}}}NextContinuationToken")
            query = token and f"?list-type=2&prefix=below/&continuation-token={token}"
        self.assertEqual([len(page) for page in found], [PAGE, PAGE, 1])
        self.assertEqual(sum(found, []), [f"below/{number:04}" for number in range(2 * PAGE + 1)])

    def test_a_range_is_what_it_asks_for(self):
        self.ask("PUT", "digits", b"0123456789")
        for asked, answer in (("bytes=3-", b"3456789"), ("bytes=3-5", b"345"), ("bytes=3-99", b"3456789")):
            self.assertEqual(self.ask("GET", "digits", Range=asked), (206, answer))

    def test_refusals_do_nothing_and_are_counted(self):
        for fault, status in (("busy", 503), ("broken", 500), ("throttled", 429), ("conflicting", 409)):
            self.bucket.fail(fault)
            self.assertEqual(self.ask("PUT", "new", b"z")[0], status)
            self.assertEqual(self.bucket.fail(None), 1)
            self.assertEqual(self.ask("GET", "new")[0], 404)

    def test_what_is_unreadable_is_listed(self):
        self.bucket.fail("unreadable")
        self.assertEqual(self.ask("GET", "there")[0], 503)
        self.assertIn(b"<Key>there</Key>", self.ask("GET", "?list-type=2&prefix=the")[1])
        self.assertEqual(self.bucket.fail(None), 1)

    def test_an_ambiguous_put_is_done_and_one_to_a_store_that_is_down_is_not(self):
        for fault, status in (("down", 404), ("ambiguous", 200)):
            self.bucket.fail(fault)
            with self.assertRaises(http.client.RemoteDisconnected):
                self.ask("PUT", "new", b"z")
            self.bucket.fail(None)
            self.assertEqual(self.ask("GET", "new")[0], status)

    def test_a_put_that_was_overtaken_finds_its_own_bytes(self):
        self.bucket.fail("overtaken")
        self.assertEqual(self.ask("PUT", "new", b"z")[0], 412)
        self.assertEqual(self.ask("GET", "new"), (200, b"z"))

    def test_silence_ends_with_the_fault_and_nothing_was_done(self):
        self.bucket.fail("silent")
        with self.assertRaises(TimeoutError):
            self.ask("PUT", "new", b"z", timeout=0.2)
        threading.Timer(0.2, self.bucket.fail, [None]).start()
        with self.assertRaises(http.client.RemoteDisconnected):
            self.ask("GET", "there")
        self.assertEqual(self.ask("GET", "new")[0], 404)

    def test_what_drips_comes_at_once_when_the_fault_is_over(self):
        self.ask("PUT", "large", b"x" * 100_000)
        self.bucket.fail("slow")
        threading.Timer(0.2, self.bucket.fail, [None]).start()
        began = time.monotonic()
        self.assertEqual(self.ask("GET", "large"), (200, b"x" * 100_000))
        self.assertTrue(0.2 < time.monotonic() - began < 2)

    def test_a_truncated_get_is_seen_as_such(self):
        self.bucket.fail("truncated")
        with self.assertRaises(http.client.IncompleteRead):
            self.ask("GET", "there")


class Shims(unittest.TestCase):
    def setUp(self):
        self.work = Path(entered(self, tempfile.TemporaryDirectory()))
        self.shims = build_shims(self.work)
        if not self.shims:
            self.skipTest("no C compiler")

    def python(self, program, **settings):
        env = os.environ | {"LD_PRELOAD": " ".join(map(str, self.shims))} | settings
        done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def test_the_nth_call_below_the_directory_fails_and_no_other(self):
        data, trigger = self.work / "data", self.work / "trigger"
        data.mkdir()
        trigger.write_text("write 2 1 once\n")
        program = """
import json, os, sys
def outcomes(path):
    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    found = []
    for call in (os.write, os.write, os.write):
        try:
            found.append(call(file, b"x"))
        except OSError as error:
            found.append(error.strerror)
    os.fdatasync(file)
    return found
print(json.dumps([outcomes(%r), outcomes(%r)]))
""" % (str(data / "inside"), str(self.work / "outside"))
        found = self.python(program, CHAOS_DISK_DIR=f"{data}/", CHAOS_DISK_TRIGGER=str(trigger))
        self.assertEqual(found, [[1, "Input/output error", 1], [1, 1, 1]])
        self.assertEqual(Path(f"{trigger}.hits").read_text(), f"write {data / 'inside'}\n")

    def test_the_wall_clock_jumps_and_the_monotonic_one_does_not(self):
        clock, jump = self.work / "clock", 10**7
        clock.write_bytes(struct.pack("<qq", jump * 10**9, 0))
        wall, steady = self.python(
            "import json, time; print(json.dumps([time.time(), time.monotonic()]))", CHAOS_CLOCK_FILE=str(clock)
        )
        self.assertAlmostEqual(wall - time.time(), jump, delta=60)
        self.assertAlmostEqual(steady, time.monotonic(), delta=60)
        self.assertGreater(struct.unpack("<qq", clock.read_bytes())[1], 0)

    def test_a_wait_until_a_moment_of_the_jumped_clock_takes_no_longer(self):
        clock = self.work / "clock"
        clock.write_bytes(struct.pack("<qq", -(10**7) * 10**9, 0))
        program = """
import ctypes, ctypes.util, json, os, time
libc = ctypes.CDLL(None)
class Moment(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]
def waits(init_mutex, lock, init, wait):
    mutex, cond = ctypes.create_string_buffer(64), ctypes.create_string_buffer(64)
    getattr(libc, init_mutex)(mutex, 0)
    getattr(libc, init)(cond, 0)
    getattr(libc, lock)(mutex)
    until = time.time() + 0.2
    moment = Moment(int(until), int(until % 1 * 1e9))
    began = time.monotonic()
    getattr(libc, wait)(cond, mutex, ctypes.byref(moment))
    return time.monotonic() - began
print(json.dumps([
    waits("pthread_mutex_init", "pthread_mutex_lock", "pthread_cond_init", "pthread_cond_timedwait"),
    waits("mtx_init", "mtx_lock", "cnd_init", "cnd_timedwait"),
]))
"""
        for took in self.python(program, CHAOS_CLOCK_FILE=str(clock)):
            self.assertGreater(took, 0.1)
            self.assertLess(took, 60)


if __name__ == "__main__":
    unittest.main()
