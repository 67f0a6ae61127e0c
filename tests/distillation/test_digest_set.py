"""The compact set behaves as Python's own, and is as small as it says."""

import hashlib

from dense_det.distillation.digest_set import DigestSet


def test_by_hand():
    digests = DigestSet(4)
    assert digests.add(b"a" * 32) and not digests.add(b"a" * 32) and len(digests) == 1
    assert b"a" * 32 in digests and b"b" * 32 not in digests
    zero = bytes(32)
    assert zero not in digests and digests.add(zero) and zero in digests and not digests.add(zero)


def test_as_pythons_own():
    own, digests = set(), DigestSet(8)
    for number in range(3000):
        digest = hashlib.sha256(str(number % 2000).encode()).digest()
        assert digests.add(digest) == (digest not in own)
        own.add(digest)
    assert len(digests) == len(own) == 2000
    assert digests._table.nbytes <= 32 * len(own)
