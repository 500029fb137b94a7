"""What the processes of a server share: packets, frame memory, benches."""
