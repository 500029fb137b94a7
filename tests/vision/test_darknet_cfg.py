"""A cfg is read as Darknet reads it, or refused in one line that names file, line, section and what is known; never by a traceback."""

from __future__ import annotations

import pytest
from darknet_networks import PUBLISHED, cfg_text
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.core.errors import UsageError
from moonjelly.vision.darknet import Darknet
from moonjelly.vision.darknet_cfg import KEYS, read_sections

TINY = cfg_text(PUBLISHED["yolov4-tiny"](3, 16))
HEAD = "[net]\nwidth=64\nheight=64\n"
YOLO = "[yolo]\nanchors=10,20\nclasses=2\nnum=1\n"
CONV = "[conv]\nfilters=7\nactivation=linear\n"


def build(text: str) -> Darknet:
    return Darknet(read_sections("net.cfg", text))


def tried(text: str) -> tuple[Darknet | None, str]:
    """A network, or why there is none."""
    try:
        return build(text), ""
    except UsageError as error:
        return None, str(error)


def refusal(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        build(text)
    said = str(caught.value)
    assert said.startswith("net.cfg:")
    assert "\n" not in said
    return said


def test_sections_keys_and_lines_are_as_in_the_file() -> None:
    text = "# a remark\n[net]\r\nwidth = 64\n\n; another\n[ conv ]\n filters=8 # so many\nfilters=9\nsize=\t3\n"
    net, conv = read_sections("net.cfg", text)
    assert (net.name, net.line, net.values) == ("net", 2, {"width": (3, "64")})
    assert (conv.name, conv.line) == ("convolutional", 6)
    assert conv.values == {"filters": (7, "8"), "size": (9, "3")}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(KEYS.keys() - {"net"})),
            st.data(),
        ),
        max_size=8,
    ),
    st.sampled_from(["\n", "\r\n", "\n\n# x\n"]),
)
def test_what_is_written_is_read(parts, end) -> None:
    sections = [("net", {})]
    for name, data in parts:
        keys = data.draw(st.sets(st.sampled_from(KEYS[name])))
        sections.append((name, {key: str(data.draw(st.integers(-99, 99))) for key in sorted(keys)}))
    lines = [
        line
        for name, values in sections
        for line in (f"[{name}]", *(f"{key} = {value}" for key, value in values.items()))
    ]
    found = read_sections("net.cfg", end.join(lines))
    assert [
        (one.name, {key: text for key, (_, text) in one.values.items()}) for one in found
    ] == sections


@given(st.data())
def test_a_cfg_with_any_value_in_any_place_is_read_or_refused_in_one_line(data) -> None:
    lines = TINY.splitlines()
    number = data.draw(st.sampled_from([k for k, line in enumerate(lines) if "=" in line]))
    key = lines[number].partition("=")[0]
    value = data.draw(
        st.one_of(
            st.text(max_size=20),
            st.integers(-(10**30), 10**30).map(str),
            st.floats().map(str),
            st.lists(st.integers(-50, 50), max_size=5).map(lambda one: ",".join(map(str, one))),
        )
    )
    lines[number] = f"{key}={value}"
    network, said = tried("\n".join(lines))
    if network is None:
        assert said.startswith("net.cfg:")
        assert "\n" not in said
    else:
        assert all(one.is_meta for one in network.parameters())


@given(st.text(alphabet="[]=#,\n netconvyl0123456789-.\x00\u00e9", max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert "\n" not in tried(text)[1]


@given(st.permutations(TINY.strip().split("\n\n")[1:]), st.integers(0, 40))
def test_sections_in_any_order_make_a_network_or_one_line(parts, number) -> None:
    assert "\n" not in tried("\n\n".join([HEAD, *parts[:number]]))[1]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "net.cfg: must begin with [net], the only one"),
        (CONV, "must begin with [net]"),
        (HEAD + HEAD + CONV + YOLO, "must begin with [net], the only one"),
        ("filters=3\n", "net.cfg:1: 'filters=3': must be a section or key=value"),
        (HEAD + "filters\n", "net.cfg:4: 'filters': must be a section or key=value"),
        (HEAD + "[region]\n", "net.cfg:4: section '[region]': must be one of [convolutional], "),
        (HEAD + "[Gaussian_yolo]\n", "net.cfg:4: section '[Gaussian_yolo]': must be one of"),
        (HEAD + CONV + "xnor=1\n", "net.cfg:7: [convolutional] 'xnor=1': is not known; known are"),
        (HEAD + CONV + YOLO + "map=9k.map\n", "net.cfg:11: [yolo] 'map=9k.map': is not known"),
        (HEAD + "channels=1\n" + CONV + YOLO, "[net] channels='1': must be a whole number from 3"),
        (HEAD + "[conv]\n", "net.cfg:4: [convolutional] filters is not there: must be"),
        (HEAD + "[conv]\nfilters=-3\n", "net.cfg:5: [convolutional] filters='-3': must be"),
        (HEAD + "[conv]\nfilters=99999999999999999999\n", "filters='99999999999999999999': must"),
        (HEAD + "[conv]\nfilters=16385\n", "must be a whole number from 1 to 16384"),
        (HEAD + "[conv]\nfilters=8\nsize=0\n", "size='0': must be a whole number from 1 to 64"),
        (HEAD + "[conv]\nfilters=8\nsize=3\n", "size='3': with its padding must give 1/1 of the"),
        (HEAD + "[conv]\nfilters=8\nstride=0\n", "stride='0': must be"),
        (HEAD + "[conv]\nfilters=8\ngroups=2\n", "groups='2': must divide its 3 channels"),
        (HEAD + "[conv]\nfilters=8\nactivation=elu\n", "activation='elu': must be one of linear"),
        (HEAD + "[route]\nlayers=-1\n", "layers='-1': has no layer before it"),
        (HEAD + CONV + "[route]\nlayers=-2\n", "layers='-2': must be 1 to 256 whole"),
        (HEAD + CONV + "[route]\nlayers=1\n", "must be 1 to 256 whole numbers from -1 to 0"),
        (HEAD + CONV + "[route]\nlayers=\n", "layers='': must be"),
        (HEAD + CONV + "[route]\n", "[route] layers is not there: must be"),
        (HEAD + CONV + "[route]\nlayers=-1\ngroups=2\n", "groups='2': must divide the channels"),
        (HEAD + CONV + "[route]\nlayers=-1\ngroups=7\ngroup_id=7\n", "group_id='7': must be"),
        (HEAD + CONV + "[maxpool]\nstride=2\n[route]\nlayers=0,1\n", "with as many cells each"),
        (HEAD + CONV + CONV + "[maxpool]\nstride=2\n[shortcut]\nfrom=0\n", "of the same shape as"),
        (HEAD + CONV + "[maxpool]\nsize=99\n", "size='99': must be"),
        (HEAD + CONV + "[maxpool]\nsize=3\npadding=3\n", "padding='3': must be below the size, 3"),
        (HEAD + CONV + "[maxpool]\nsize=3\npadding=0\n", "with its padding must give 1/1"),
        (HEAD + CONV + "[upsample]\nstride=2\n", "stride='2': must divide 1, the pixels between"),
        (HEAD + CONV + "[upsample]\nscale=2\n", "[upsample] 'scale=2': is not known"),
        (HEAD + CONV + YOLO + CONV, "nothing may follow a [yolo] but a [route]"),
        (HEAD + CONV + YOLO + "[route]\nlayers=-1\n", "layers='-1': must not be a [yolo]"),
        (HEAD + CONV, "needs one or several [yolo], all with the same classes"),
        (HEAD + CONV + YOLO.replace("num=1", "num=2"), "must be twice num=2, which are 4"),
        (HEAD + CONV + YOLO.replace("10,20", "10,-2"), "anchors='10,-2': must be numbers above 0"),
        (HEAD + CONV + YOLO.replace("10,20", "10,nan"), "anchors='10,nan': must be numbers above"),
        (HEAD + CONV + YOLO.replace("10,20", ""), "anchors='': must be numbers above 0"),
        (HEAD + CONV + YOLO + "mask=1\n", "mask='1': must be 1 to 256 whole numbers from 0 to 0"),
        (HEAD + CONV + YOLO + "scale_x_y=0\n", "scale_x_y='0': must be numbers above 0"),
        (HEAD + CONV + YOLO + "new_coords=1\n", "needs activation=logistic before it"),
        (
            HEAD + CONV + YOLO.replace("classes=2", "classes=3"),
            "1 anchors of 3 classes need 1 x 8 filters, not 7",
        ),
    ],
)
def test_what_cannot_be_read_is_named(text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        build(text)
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("net.cfg:")


def test_channels_do_not_grow_without_an_end() -> None:
    doubled = "[route]\nlayers=-1,-1\n" * 40
    assert "channels of 1/1: at most 16384 of 1/4096" in refusal(HEAD + CONV + doubled)


def test_a_file_of_a_million_layers_is_refused() -> None:
    assert "has 2002 sections: must be at most 2000" in refusal(HEAD + CONV * 2001)


def test_training_alone_changes_nothing() -> None:
    plain = HEAD + CONV + YOLO
    told = (
        HEAD + "learning_rate=0.1\nmosaic=1\n" + CONV + "stopbackward=800\n" + YOLO + "jitter=.3\n"
    )
    assert str(build(plain)) == str(build(told))
