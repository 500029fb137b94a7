"""What an endpoint decides: which frames run where, how each of them ends, and who may stay. A server and a simulator are its shells."""
