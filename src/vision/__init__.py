"""Networks, their weights, what goes in and comes out of them, how accurate they are, and scenes.

Import from the modules: `zoo` builds detectors, `preprocessing` prepares frames, `detections` is
what comes out, `accuracy` scores it, `scenes` draws traffic. Nothing heavy is imported here.
"""
