"""What the scheduler decides: who joins, when plans are made, and who is told. A server and a simulator are its shells."""
