from __future__ import annotations

import inspect

from moonjelly import client


def test_the_package_names_exactly_its_public_members():
    assert list(client.__all__) == sorted(client.__all__)
    public = {
        name
        for name, value in vars(client).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name != "annotations"
    }
    assert public == set(client.__all__)


def test_every_public_member_says_what_it_is_for():
    for name in client.__all__:
        assert inspect.getdoc(getattr(client, name)), name
