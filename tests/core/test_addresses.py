from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moonjelly.core.addresses import mask_address, mask_addresses

MASKED = {
    "rtsp://admin:pw@host/s": "rtsp://***@host/s",
    "rtsp://admin:pw@host:554/s?channel=1&subtype=0": "rtsp://***@host:554/s?channel=1&subtype=0",
    "RTSP://admin:pw@[::1]:554/s": "RTSP://***@[::1]:554/s",
    "rtsp://admin@host": "rtsp://***@host",
    "rtsp://admin:p@ss/w:o?r#d@host/s": "rtsp://***@host/s",
    "rtsp://admin:my pass@host/s": "rtsp://***@host/s",
    "rtsp:/admin:pw@host/s": "rtsp:/***@host/s",
    "admin:pw@host/s": "***@host/s",
    "http://h/video.mjpg?user=admin&pwd=pw": "http://h/video.mjpg?user=***&pwd=***",
    "http://h/v?token=abc;resolution=640x480#secret": "http://h/v?token=***;resolution=640x480#***",
    "http://h/v?hunter2": "http://h/v?***",
    "http://h/v?%70assword=pw": "http://h/v?%70assword=***",
    "http://h/v?channel=hunter2": "http://h/v?channel=***",
    "http://h/v?mail=a@b.c&token=pw": "http://***@b.c&token=***",
    "rtsp://h/user=admin_password=pw_channel=1_stream=0.sdp": "rtsp://h/user=***",
    "rtsp://h/user=admin&password=pw&channel=1&stream=0.sdp?": (
        "rtsp://h/user=***&password=***&channel=1&stream=0.sdp?"
    ),
    "srt://h:9000?passphrase=pw&mode=caller": "srt://h:9000?passphrase=***&mode=***",
    "http://h/v?password=": "http://h/v?password=",
    "h/v?token=pw": "h/v?token=***",
}
AS_THEY_ARE = [
    "scene:7", "camera:0", "street.mp4", "pictures/", "/data/me@home/x.mp4", "what?.mp4", "", "a=b",
    "rtsp://host:554/live/main", "http://host/v", "file:///data/x.mp4", "/dev/video0", "10.0.0.1:10001",
]  # fmt: skip


@pytest.mark.parametrize(("address", "masked"), MASKED.items())
def test_what_opens_the_camera_is_hidden(address, masked):
    assert mask_address(address) == masked
    assert mask_address(masked) == masked


@pytest.mark.parametrize("text", AS_THEY_ARE)
def test_what_has_no_secret_stays_as_it_is(text):
    assert mask_address(text) == mask_addresses(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (
            "camera rtsp://admin:pw@host/s: cannot be opened (2 of 3)",
            "camera rtsp://***@host/s: cannot be opened (2 of 3)",
        ),
        (
            "[Errno 111] Connection refused: 'rtsp://admin:pw@host/s?token=x'",
            "[Errno 111] Connection refused: 'rtsp://***@host/s?token=***'",
        ),
        ("rtsp://a:pw@h1/x and http://c:d@h2/y.", "rtsp://***@h1/x and http://***@h2/y."),
        ("source='admin:pw@host': is none", "source='***@host': is none"),
        ("rtsp://admin:my pass@host/s is gone", "rtsp://***@host/s is gone"),
        ("fps=0: must be above 0", "fps=0: must be above 0"),
        ("camera-0: refused (overload): full", "camera-0: refused (overload): full"),
    ],
)
def test_addresses_inside_of_words_are_masked(text, masked):
    assert mask_addresses(text) == masked
    assert mask_addresses(masked) == masked


SECRET = "hunter2-Z"  # noqa: S105 it opens nothing
around = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=6)
passwords = st.tuples(around, around).map(SECRET.join)
users = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.", max_size=8)
schemes = st.sampled_from(
    ["rtsp", "RTSP", "rtsps", "http", "https", "rtmp", "srt", "udp", "x-y+z.1"]
)
hosts = st.sampled_from(["host", "10.0.0.1:554", "[fe80::1]:8554"])
paths = st.sampled_from(["", "/", "/live/ch1", "/cam/realmonitor?channel=1&subtype=0"])
names = st.sampled_from(
    ["password", "pwd", "token", "key", "auth", "X-Sig", "channel", "stream", "k", "%74oken", ""]
)
values = st.text("abcXYZ019-._~%+", max_size=6).map(lambda text: SECRET + text)

with_password = st.builds("{}://{}:{}@{}{}".format, schemes, users, passwords, hosts, paths)
with_token = st.builds(
    "{}://{}{}@{}{}".format, schemes, around.map(SECRET.__add__), users, hosts, paths
)
with_parameter = st.builds(
    "{}://{}/v{}{}={}{}".format,
    schemes, hosts, st.sampled_from(["?", "?a=1&", "?x;", "#", "/", ";", "?u=a@b&"]), names, values,
    st.sampled_from(["", "&channel=1", "#top", "/more"]),
)  # fmt: skip
with_query = st.builds(
    "{}://{}/v{}{}".format, schemes, hosts, st.sampled_from(["?", "#", "?a=1&"]), values
)
bare = st.builds("{}:{}@{}{}".format, users, passwords, hosts, paths)
addresses = st.one_of(with_password, with_token, with_parameter, with_query, bare)


@given(addresses)
@example(f"rtsp://admin:http://{SECRET}@host/s")
@example(f"rtsp://admin:{SECRET}/x?y=1@host/s?channel=1@2")
def test_no_masked_address_holds_its_secret(address):
    masked = mask_address(address)
    assert SECRET not in masked
    assert mask_address(masked) == masked


@given(st.one_of(with_parameter, with_query, with_token, with_password), st.sampled_from(["", "camera ", "no '"]),
       st.sampled_from(["", ": cannot be opened", "' (5 of 6), gave up", "\nnext line"]))  # fmt: skip
def test_no_masked_words_hold_a_secret(address, before, after):
    assert SECRET not in mask_addresses(before + address + after)


@given(st.text())
def test_any_text_can_be_masked_and_masked_again(text):
    for mask in (mask_address, mask_addresses):
        masked = mask(text)
        assert mask(masked) == masked
