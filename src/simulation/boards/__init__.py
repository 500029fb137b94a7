"""LoudVA's experiments: bursts of frames with loose deadlines, boards with clocks, and who sends which frames where."""
