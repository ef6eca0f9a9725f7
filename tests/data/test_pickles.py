"""Pickles at random and on purpose: each is read as pickle reads it, or refused, in little time and memory."""

import io
import pickle
import struct
import subprocess
import sys

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

from minigrad.data import pickles

# ---- at random -------------------------------------------------------------------------------------------------------

BATCH = {
    "data": np.arange(12, dtype=np.uint8).reshape(2, 6),
    "labels": [3, 1, 70_000],
    b"names": ["a.png", b"\xff", 2**70, -1.5, None, True],
    "scalars": [np.float32(0.5), np.int64(3)],
    7: np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "inner": {"big": np.arange(3, dtype=">i2")},
}
VALID = [pickle.dumps(BATCH, protocol) for protocol in range(6)]


class Reference(pickle._Unpickler):
    """Pickle itself, the one in Python (the other takes memory for a memo of any size), with our stand-ins: NumPy's own
    read memory that is not theirs when their arguments are wrong."""

    def find_class(self, module, name):
        return pickles._ALLOWED[module, name]


def same(a, b):
    a, b = (getattr(x, "array", np.empty(0)) if isinstance(x, pickles._Ndarray) else x for x in (a, b))
    if isinstance(b, np.ndarray):
        native = b.dtype.newbyteorder("=")  # NumPy turns bytes around at once
        alike = isinstance(a, np.ndarray) and a.shape == b.shape and a.dtype.newbyteorder("=") == native
        return alike and a.astype(native).tobytes() == b.astype(native).tobytes()
    if isinstance(b, bytearray):
        return a == b
    if type(a) is not type(b):
        return False
    if isinstance(b, dict):
        return [*a] == [*b] and all(same(a[k], b[k]) for k in b)
    if isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b) or a != a


def as_pickle_or_refused(content):
    """Whether it is read; if so, as pickle reads it."""
    try:
        found = pickles.load(io.BytesIO(content))
    except pickle.UnpicklingError:
        return False
    try:
        right = Reference(io.BytesIO(content), encoding="bytes").load()
    except Exception:  # pickle refuses it for another reason, such as a protocol to come
        return True
    keys = [key.decode("latin1") if isinstance(key, bytes) else key for key in right]
    assert same(found, dict(zip(keys, right.values())))  # so no stand-in is in it
    return True


@pytest.mark.parametrize("content", VALID)
def test_what_every_protocol_writes_is_read(content):
    assert as_pickle_or_refused(content)
    found = pickles.load(io.BytesIO(content))
    assert all(same(found["names" if key == b"names" else key], value) for key, value in BATCH.items())


@cases(200)
@given(st.sampled_from(VALID), st.randoms(use_true_random=True))
def test_a_changed_pickle_is_read_as_pickle_does_or_refused(content, random):
    for _ in range(random.randint(1, 3)):
        at, other = random.randrange(len(content)), random.randrange(len(content))
        new = random.choice([random.randbytes(random.randint(0, 4)), content[other : other + random.randint(0, 8)]])
        content = content[:at] + new + content[at + random.randint(0, 4) :]
    as_pickle_or_refused(content)


def lines(*values):
    return st.sampled_from([f"{value}\n".encode() for value in values])


ARGUMENTS = {
    **{code: lines(0, 1, "00", "01", -5, 2**80, "7L") for code in (pickle.INT, pickle.LONG, pickle.PUT, pickle.GET)},
    pickle.FLOAT: lines(0.5, "nan", "1e999"),
    pickle.STRING: lines("'a\\x00'", "'b'"),
    pickle.UNICODE: lines("a", "\\u00e4"),
    pickle.GLOBAL: st.sampled_from([f"{m}\n{n}\n".encode() for m, n in pickles._ALLOWED] + [b"os\nsystem\n"]),
    **{code: st.binary(min_size=n, max_size=n) for code, n in
       {pickle.BININT: 4, pickle.BININT1: 1, pickle.BININT2: 2, pickle.BINFLOAT: 8}.items()},
    **{code: st.integers(0, 3).map(lambda i: bytes([i])) for code in (pickle.BINPUT, pickle.BINGET)},
    **{code: st.binary(max_size=9).map(lambda b: bytes([len(b)]) + b)
       for code in (pickle.LONG1, pickle.SHORT_BINSTRING, pickle.SHORT_BINBYTES, pickle.SHORT_BINUNICODE)},
    **{code: st.binary(max_size=9).map(lambda b: struct.pack("<I", len(b)) + b) for code in
       (pickle.BINSTRING, pickle.BINBYTES, pickle.BINUNICODE)},
}  # fmt: skip
CODES = [*pickles._VALUES, *pickles._STEPS]
INSTRUCTIONS = st.sampled_from(CODES).flatmap(lambda c: ARGUMENTS.get(c, st.just(b"")).map(lambda a: c + a))


@cases(100)
@given(st.lists(INSTRUCTIONS, max_size=40), st.booleans())
def test_random_programs_do_as_pickle_does_or_are_refused(program, in_a_dict):
    program = b"".join(program)
    as_pickle_or_refused(b"\x80\x02}(K\x00" + program + b"u." if in_a_dict else program + b".")


# ---- on purpose ------------------------------------------------------------------------------------------------------

N = 200_000
KEY = b"\x80\x02}(%bK\x01u."  # a dict with one key
CALL = b"\x80\x02}(K\x00(%bq\x01%bq\x00" + b"h\x00h\x01R" * 30_000 + b"lu."  # many times the same call of `%b(…)`
BOMBS = {
    "a deep tuple as key": KEY % (b"N" + b"\x85" * N),
    "a deep tuple as key, by TUPLE": KEY % (b"(" * N + b"t" * N),
    "a tuple of 2 ** 40 numbers as key": KEY % (b"K\x00\x85q\x00" + b"h\x00h\x00\x86q\x00" * 40),
    "the same in a set": b"\x80\x04\x8f(K\x00\x85q\x00" + b"h\x00h\x00\x86q\x00" * 40 + b"\x90.",
    "the same by DUP": KEY % (b"K\x00" + b"2\x86" * 40),
    "the same in a frozen set": KEY % (b"(" + b"K\x00\x85q\x00" + b"h\x00h\x00\x86q\x00" * 40 + b"\x91"),
    "a deep tuple, called": b"\x80\x02cnumpy\ndtype\nN" + b"\x85" * N + b"R.",
    "a deep tuple as name": b"\x80\x04N" + b"\x85" * N + b"K\x00\x93.",
    "a deep shape": b"\x80\x02cnumpy.core.multiarray\nscalar\n(N" + b"\x85" * N + b"tR.",
    "deep lists": b"\x80\x02}(K\x00" + b"](" * N + b"e" * N + b"u.",
    "deep dicts": b"\x80\x02" + b"}(K\x00" * N + b"N" + b"u" * N + b".",
    "(small) a list in itself": b"\x80\x02}(K\x00]q\x00h\x00au.",
    "(small) a memo of 32 GB": b"\x80\x02}r\xff\xff\xff\xff.",
    "text of 4 GB": b"\x80\x02}(X\xff\xff\xff\xffu.",
    "bytes of 2 ** 63": b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f" + b"a.",
    "bytes of 2 ** 64": b"\x80\x04\x8e" + b"\xff" * 8 + b"a.",
    "an array of 2 ** 63 bytes": b"\x80\x05\x96" + b"\xff" * 7 + b"\x7f" + b"a.",
    "an integer of 2 GB": b"\x80\x02}(\x8b\xff\xff\xff\x7fu.",
    "an integer of many digits": b"(I" + b"9" * N + b"\nId.",
    "(small) a frame of 2 ** 63": b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f}.",
    "marks": b"(" * N + b".",
    "lines that never end": b"S" * (10 * N),
    "integers with one hash as keys": b"\x80\x02}("
    + b"".join(b"\x8a\x0c" + (i * (2**61 - 1)).to_bytes(12, "little") + b"N" for i in range(1, N)) + b"u.",
    "text encoded again and again": CALL % (b"X\x40\x42\x0f\x00" + b"a" * 10**6 + b"X\x06\x00\x00\x00latin1\x86",
                                            b"c_codecs\nencode\n"),
    "dtypes with long names": CALL % (b"U\xffT\x40\x42\x0f\x00"[2:] + b"a" * 10**6 + b"\x85", b"cnumpy\ndtype\n"),
    "a dtype of many fields": b"\x80\x02}(K\x00cnumpy\ndtype\nT\x40\x42\x0f\x00" + b"u1,," * 250_000 + b"\x85Ru.",
    "an array of a shape beyond all memory": b"\x80\x02}(K\x00cnumpy.core.numeric\n_frombuffer\n(U\x01acnumpy\ndtype\n"
    b"U\x02u1\x85R\x8a\x08" + b"\xff" * 7 + b"\x7f\x85U\x01CtRu.",
}  # fmt: skip

LIMITED = """
import io, pickle, resource, sys
from minigrad.data import pickles
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
for content in pickle.load(sys.stdin.buffer):
    try:
        pickles.load(io.BytesIO(content))
        print("read", flush=True)
    except pickle.UnpicklingError as error:
        assert len(str(error)) < 500
        print("refused:", error, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux'")
def test_bombs_are_refused_in_little_time_and_memory():
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], input=pickle.dumps([*BOMBS.values()]), capture_output=True, timeout=120
    )
    answers = done.stdout.decode().splitlines()
    assert not done.returncode and len(answers) == len(BOMBS), (len(answers), done.stderr[-2000:])
    for name, answer in zip(BOMBS, answers):
        assert answer.startswith("refused: ") or name.startswith("(small)"), (name, answer)
        assert "MemoryError" not in answer, (name, answer)
