"""What holds for every test: the same examples of hypothesis in each run, and the rules of `plugins/`."""

from hypothesis import settings

pytest_plugins = ["suite_needs"]

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
