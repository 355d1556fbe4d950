"""Whichever module decrypts, it gives the same, and refuses the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import tgcrypto
from hypothesis import given
from hypothesis import strategies as st
from pyrogram.crypto import aes

from scripts import reaper
from tdl_sync.telegram.session import decryption, library
from tdl_sync.telegram.session.decryption import fastest, in_use

ROOT = Path(__file__).resolve().parents[4]
found = fastest()
faster = pytest.mark.skipif(found is None, reason="there is no cryptg for this machine")
keys = st.binary(min_size=32, max_size=32)


@faster
@given(st.binary(min_size=1, max_size=100), st.integers(1, 40), keys, keys)
def test_it_is_the_same_cipher(seed: bytes, blocks: int, key: bytes, iv: bytes) -> None:
    assert found is not None
    data = (seed * 16 * blocks)[: 16 * blocks]
    encrypted = found.encrypt(data, key, iv)
    assert encrypted == tgcrypto.ige256_encrypt(data, key, iv)
    assert found.decrypt(encrypted, key, iv) == data
    assert found.decrypt(bytearray(encrypted), memoryview(key), bytearray(iv)) == data


@pytest.mark.parametrize("count_bytes", [0, *range(1, 16), 17, 31, 33, 1024 * 1024 + 1])
def test_data_that_is_no_whole_blocks_is_refused_by_an_error_that_is_caught(
    count_bytes: int,
) -> None:
    """By what the library really calls; one of its callers catches this, and nothing else."""
    assert library.INSIDES
    for cipher in (aes.ige256_encrypt, aes.ige256_decrypt):
        with pytest.raises(ValueError, match=r"16|empty"):
            cipher(bytes(count_bytes), bytes(32), bytes(32))


@pytest.mark.parametrize(("key_bytes", "iv_bytes"), [(31, 32), (32, 33), (0, 32), (32, 0)])
def test_a_key_of_another_length_is_refused(key_bytes: int, iv_bytes: int) -> None:
    with pytest.raises(ValueError, match=r"32"):
        aes.ige256_decrypt(bytes(16), bytes(key_bytes), bytes(iv_bytes))


@faster
def test_the_library_uses_the_faster_one_and_what_uses_it_is_told() -> None:
    assert found is not None
    assert aes.ige256_decrypt.__module__ == decryption.__name__ == aes.ige256_encrypt.__module__
    assert in_use() == found.module == "cryptg"


@pytest.mark.parametrize(("there", "used"), [("cryptg", "cryptg"), ("tgcrypto", "tgcrypto")])
def test_without_it_the_library_goes_on_with_its_own(there: str, used: str) -> None:
    if there == "cryptg":
        pytest.importorskip("cryptg")
    program = (
        "import sys\n"
        f"if {there!r} == 'tgcrypto': sys.modules['cryptg'] = None\n"
        "from tdl_sync.telegram.session import decryption, library\n"
        "from pyrogram.crypto import aes\n"
        "assert aes.ige256_decrypt(aes.ige256_encrypt(bytes(16), *2 * [bytes(32)]), "
        "*2 * [bytes(32)]) == bytes(16)\n"
        "print(decryption.in_use(), aes.ige256_decrypt.__module__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=reaper.mark(),
        capture_output=True,
        text=True,
        check=True,
    )
    module = decryption.__name__ if used == "cryptg" else "pyrogram.crypto.aes"
    assert done.stdout.split() == [used, module]
