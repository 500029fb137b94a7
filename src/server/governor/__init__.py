"""The process that reads meters and sets clocks."""
