"""What holds for every test: the examples that hypothesis draws are the same in each run."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
