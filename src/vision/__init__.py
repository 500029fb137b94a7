"""Networks, their weights, what goes in and comes out of them, how accurate they are, and scenes.

Import from the modules: `detector` and `classifier` are the shipped networks, `preprocessing` prepares frames,
`postprocessing` makes answers of outputs, `accuracy` scores them, `scenes` draws traffic. Nothing heavy is imported here.
"""
