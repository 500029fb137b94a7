"""State machines that decide: a stimulus and the time in, instructions out. Shells around them do the rest."""
