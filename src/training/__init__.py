"""How the drawn zoo is trained and how accurate it is: nothing of it runs in a server or a client."""
