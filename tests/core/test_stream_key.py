from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.core.stream import StreamKey

ids = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", fullmatch=True)


def test_a_stream_of_the_default_tenant_is_named_as_before():
    assert str(StreamKey.parse("gate")) == "gate"
    assert StreamKey.parse("gate") == StreamKey.parse("local/gate") == StreamKey("local", "gate")


@given(ids, ids)
def test_the_text_of_a_key_says_all_of_it(tenant, stream_id):
    key = StreamKey(tenant, stream_id)
    assert StreamKey.parse(str(key)) == key


@pytest.mark.parametrize("text", ["", "/", "a/", "/a", "a/b/c", "a b", "../x", "x" * 65])
def test_what_is_no_key_is_refused(text):
    with pytest.raises(ValueError, match=r"(tenant|stream_id)=.*must be 1 to 64"):
        StreamKey.parse(text)
